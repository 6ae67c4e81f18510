import { IconTags } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/admin/models", shell: "operator", permission: "catalogue:read", page: () => import("./ModelsPage") },
    { path: "/admin/models/edit", shell: "operator", permission: "catalogue:write", page: () => import("./ModelEditPage") },
    { path: "/admin/models/import", shell: "operator", permission: "catalogue:write", page: () => import("./ImportPage") },
  ],
  nav: [
    {
      path: "/admin/models",
      shell: "operator",
      label: "nav.models",
      order: 210,
      group: "nav.group.supply",
      permission: "catalogue:read",
      icon: <IconTags size={16} stroke={1.6} aria-hidden />,
    },
  ],
};
