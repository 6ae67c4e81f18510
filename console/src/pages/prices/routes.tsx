import type { Area } from "@/app/area";

export const area: Area = {
  routes: [{ path: "/prices", shell: "public", page: () => import("./PricesPage") }],
  nav: [{ path: "/prices", shell: "public", label: "nav.prices", order: 10 }],
};
