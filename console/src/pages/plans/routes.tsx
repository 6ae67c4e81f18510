import { IconStack2 } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/admin/plans", shell: "operator", permission: "catalogue:read", page: () => import("./PlansPage") },
    { path: "/admin/plans/edit", shell: "operator", permission: "catalogue:write", page: () => import("./PlanEditPage") },
  ],
  nav: [
    {
      path: "/admin/plans",
      shell: "operator",
      label: "nav.plans",
      order: 220,
      group: "nav.group.supply",
      permission: "catalogue:read",
      icon: <IconStack2 size={16} stroke={1.6} aria-hidden />,
    },
  ],
};
