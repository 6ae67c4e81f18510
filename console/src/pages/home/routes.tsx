import type { Area } from "@/app/area";

export const area: Area = {
  routes: [{ path: "/", shell: "public", page: () => import("./HomePage") }],
  nav: [],
};
