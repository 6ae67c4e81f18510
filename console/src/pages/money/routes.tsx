import { IconArrowsExchange, IconReceipt, IconTicket } from "@tabler/icons-react";
import type { Area } from "@/app/area";

const needs = { shell: "operator", permission: "money:read" } as const;
const listed = { ...needs, group: "nav.group.money" } as const;

export const area: Area = {
  routes: [
    { path: "/admin/orders", page: () => import("./OrdersPage"), ...needs },
    { path: "/admin/codes", page: () => import("./CodesPage"), ...needs },
    { path: "/admin/transfers", page: () => import("./TransfersPage"), ...needs },
  ],
  nav: [
    { path: "/admin/orders", label: "nav.orders", order: 400, icon: <IconReceipt size={16} stroke={1.6} />, ...listed },
    { path: "/admin/codes", label: "nav.codes", order: 410, icon: <IconTicket size={16} stroke={1.6} />, ...listed },
    { path: "/admin/transfers", label: "nav.transfers", order: 420, icon: <IconArrowsExchange size={16} stroke={1.6} />, ...listed },
  ],
};
