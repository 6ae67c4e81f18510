import type { Area } from "@/app/area";

export const area: Area = {
  routes: [{ path: "/status", shell: "public", page: () => import("./StatusPage") }],
  nav: [{ path: "/status", shell: "public", label: "nav.status", order: 20 }],
};
