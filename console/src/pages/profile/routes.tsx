import { IconUserCircle } from "@tabler/icons-react";
import type { Area } from "@/app/area";

export const area: Area = {
  routes: [{ path: "/profile", shell: "member", page: () => import("./ProfilePage") }],
  nav: [
    { path: "/profile", shell: "member", label: "nav.profile", order: 90, icon: <IconUserCircle size={16} stroke={1.6} /> },
  ],
};
