import { IconScale, IconTelescope } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/admin", shell: "operator", page: () => import("./OverviewPage"), permission: "usage:read" },
    { path: "/admin/reconciliation", shell: "operator", page: () => import("./ReconciliationPage"), permission: "money:read" },
  ],
  nav: [
    {
      path: "/admin",
      shell: "operator",
      label: "nav.overview",
      order: 100,
      group: "nav.group.today",
      permission: "usage:read",
      icon: <IconTelescope size={16} stroke={1.6} />,
    },
    {
      path: "/admin/reconciliation",
      shell: "operator",
      label: "nav.reconciliation",
      order: 440,
      group: "nav.group.money",
      permission: "money:read",
      icon: <IconScale size={16} stroke={1.6} />,
    },
  ],
};
