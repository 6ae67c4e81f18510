import { IconSettings } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/admin/settings", shell: "operator", page: () => import("./SettingsPage"), permission: "settings:read" },
  ],
  nav: [
    {
      path: "/admin/settings",
      shell: "operator",
      label: "nav.settings",
      order: 600,
      icon: <IconSettings size={16} stroke={1.6} aria-hidden />,
      group: "nav.group.house",
      permission: "settings:read",
    },
  ],
};
