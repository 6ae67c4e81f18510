import type { Area } from "@/app/area";
import HomePage from "./HomePage";

// Not fetched apart, unlike other pages: for whoever comes first, it is what they wait for.
export const area: Area = {
  routes: [{ path: "/", shell: "public", page: async () => ({ default: HomePage }) }],
  nav: [],
};
