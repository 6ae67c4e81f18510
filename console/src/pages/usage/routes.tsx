import { IconChartBar } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/usage", shell: "member", page: () => import("./UsagePage") },
    { path: "/admin/usage", shell: "operator", page: () => import("./SiteUsagePage"), permission: "usage:read" },
  ],
  nav: [
    { path: "/usage", shell: "member", label: "nav.usage", order: 30, icon: <IconChartBar size={16} stroke={1.6} /> },
    {
      path: "/admin/usage",
      shell: "operator",
      label: "nav.usage",
      order: 120,
      group: "nav.group.today",
      permission: "usage:read",
      icon: <IconChartBar size={16} stroke={1.6} />,
    },
  ],
};
