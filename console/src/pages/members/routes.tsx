import { IconFlag, IconKey, IconUsers } from "@tabler/icons-react";
import type { Area } from "@/app/area";

const needs = { shell: "operator", permission: "members:read" } as const;
const listed = { ...needs, group: "nav.group.people" } as const;

export const area: Area = {
  routes: [
    { path: "/admin/members", page: () => import("./MembersPage"), ...needs },
    { path: "/admin/members/:id", page: () => import("./MemberPage"), ...needs },
    { path: "/admin/keys", page: () => import("./KeysPage"), ...needs },
    { path: "/admin/abuse", page: () => import("./AbusePage"), ...needs },
  ],
  nav: [
    { path: "/admin/members", label: "nav.members", order: 300, icon: <IconUsers size={16} stroke={1.6} aria-hidden />, ...listed },
    { path: "/admin/keys", label: "nav.keys", order: 310, icon: <IconKey size={16} stroke={1.6} aria-hidden />, ...listed },
    { path: "/admin/abuse", label: "nav.abuse", order: 330, icon: <IconFlag size={16} stroke={1.6} aria-hidden />, ...listed },
  ],
};
