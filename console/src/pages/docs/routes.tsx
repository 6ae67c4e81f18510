import type { Area } from "@/app/area";

export const area: Area = {
  routes: [{ path: "/docs", shell: "public", page: () => import("./DocsPage") }],
  nav: [{ path: "/docs", shell: "public", label: "nav.docs", order: 30 }],
};
