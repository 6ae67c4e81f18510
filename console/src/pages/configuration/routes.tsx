import { IconFileCode } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/admin/configuration", shell: "operator", permission: "catalogue:read", page: () => import("./ConfigurationPage") },
  ],
  nav: [
    {
      path: "/admin/configuration",
      shell: "operator",
      label: "nav.configuration",
      order: 590,
      group: "nav.group.house",
      permission: "catalogue:read",
      icon: <IconFileCode size={16} stroke={1.6} aria-hidden />,
    },
  ],
};
