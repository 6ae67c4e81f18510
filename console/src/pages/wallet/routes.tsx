import { IconWallet } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/wallet", shell: "member", page: () => import("./WalletPage") },
    { path: "/wallet/statements/:month", shell: "member", page: () => import("./StatementPage") },
  ],
  nav: [{ path: "/wallet", shell: "member", label: "nav.wallet", order: 40, icon: <IconWallet size={16} stroke={1.6} /> }],
};
