import { IconRoute } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/admin/channels", shell: "operator", permission: "channels:read", page: () => import("./ChannelsPage") },
    { path: "/admin/channels/new", shell: "operator", permission: "channels:write", page: () => import("./ChannelEditPage") },
    { path: "/admin/channels/:name", shell: "operator", permission: "channels:read", page: () => import("./ChannelPage") },
    {
      path: "/admin/channels/:name/edit",
      shell: "operator",
      permission: "channels:write",
      page: () => import("./ChannelEditPage"),
    },
  ],
  nav: [
    {
      path: "/admin/channels",
      shell: "operator",
      label: "nav.channels",
      order: 200,
      group: "nav.group.supply",
      permission: "channels:read",
      icon: <IconRoute size={16} stroke={1.6} aria-hidden />,
    },
  ],
};
