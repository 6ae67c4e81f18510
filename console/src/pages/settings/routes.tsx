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
      group: "nav.group.house",
      permission: "settings:read",
    },
  ],
};
