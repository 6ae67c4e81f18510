import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/tickets", shell: "member", page: () => import("./TicketsPage") },
    { path: "/tickets/:id", shell: "member", page: () => import("./TicketPage") },
    { path: "/announcements", shell: "member", page: () => import("./AnnouncementsPage") },
    { path: "/admin/tickets", shell: "operator", page: () => import("./DeskTicketsPage"), permission: "tickets:answer" },
    { path: "/admin/tickets/:id", shell: "operator", page: () => import("./DeskTicketPage"), permission: "tickets:answer" },
    {
      path: "/admin/announcements",
      shell: "operator",
      page: () => import("./DeskAnnouncementsPage"),
      permission: "content:write",
    },
    {
      path: "/admin/announcements/:id",
      shell: "operator",
      page: () => import("./AnnouncementEditor"),
      permission: "content:write",
    },
  ],
  nav: [
    { path: "/tickets", shell: "member", label: "nav.tickets", order: 60 },
    { path: "/announcements", shell: "member", label: "nav.announcements", order: 70 },
    { path: "/admin/tickets", shell: "operator", label: "nav.tickets", order: 500, group: "nav.group.desk", permission: "tickets:answer" },
    {
      path: "/admin/announcements",
      shell: "operator",
      label: "nav.announcements",
      order: 510,
      group: "nav.group.desk",
      permission: "content:write",
    },
  ],
};
