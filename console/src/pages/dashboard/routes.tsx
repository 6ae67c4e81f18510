import { IconGauge } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [{ path: "/dashboard", shell: "member", page: () => import("./DashboardPage") }],
  nav: [{ path: "/dashboard", shell: "member", label: "nav.dashboard", order: 10, icon: <IconGauge size={16} stroke={1.6} /> }],
};
