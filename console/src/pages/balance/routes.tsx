import type { Area } from "@/app/area";

export const area: Area = {
  routes: [{ path: "/balance", shell: "public", page: () => import("./BalancePage") }],
  nav: [],
};
