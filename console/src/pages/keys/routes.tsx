import { IconKey } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [{ path: "/keys", shell: "member", page: () => import("./KeysPage") }],
  nav: [{ path: "/keys", shell: "member", label: "nav.keys", order: 20, icon: <IconKey size={16} stroke={1.6} /> }],
};
