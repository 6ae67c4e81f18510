import { IconMessages } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [{ path: "/playground", shell: "member", page: () => import("./PlaygroundPage") }],
  nav: [{ path: "/playground", shell: "member", label: "nav.playground", order: 30, icon: <IconMessages size={16} stroke={1.6} /> }],
};
