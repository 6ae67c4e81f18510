import { IconMessageCircle, IconSpeakerphone } from "@tabler/icons-react";
import type { Area } from "@/app/area";

const desk = { shell: "operator", group: "nav.group.desk" } as const;
const tickets = <IconMessageCircle size={16} stroke={1.6} aria-hidden />;
const announcements = <IconSpeakerphone size={16} stroke={1.6} aria-hidden />;

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
    { path: "/tickets", shell: "member", label: "nav.tickets", order: 60, icon: tickets },
    { path: "/announcements", shell: "member", label: "nav.announcements", order: 70, icon: announcements },
    { path: "/admin/tickets", label: "nav.tickets", order: 500, icon: tickets, permission: "tickets:answer", ...desk },
    { path: "/admin/announcements", label: "nav.announcements", order: 510, icon: announcements, permission: "content:write", ...desk },
  ],
};
