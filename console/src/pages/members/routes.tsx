import type { Area } from "@/app/area";

const group = "nav.group.people";

export const area: Area = {
  routes: [
    { path: "/admin/members", shell: "operator", page: () => import("./MembersPage"), permission: "members:read" },
    { path: "/admin/members/:id", shell: "operator", page: () => import("./MemberPage"), permission: "members:read" },
    { path: "/admin/keys", shell: "operator", page: () => import("./KeysPage"), permission: "members:read" },
    { path: "/admin/abuse", shell: "operator", page: () => import("./AbusePage"), permission: "members:read" },
  ],
  nav: [
    { path: "/admin/members", shell: "operator", label: "nav.members", order: 300, group, permission: "members:read" },
    { path: "/admin/keys", shell: "operator", label: "nav.keys", order: 310, group, permission: "members:read" },
    { path: "/admin/abuse", shell: "operator", label: "nav.abuse", order: 330, group, permission: "members:read" },
  ],
};
