import { IconHistory } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/setup", shell: "narrow", page: () => import("./SetupPage") },
    { path: "/admin/audit", shell: "operator", page: () => import("./AuditPage"), permission: "audit:read" },
  ],
  nav: [
    {
      path: "/admin/audit",
      shell: "operator",
      label: "nav.audit",
      order: 630,
      group: "nav.group.house",
      permission: "audit:read",
      icon: <IconHistory size={16} stroke={1.6} aria-hidden />,
    },
  ],
};
