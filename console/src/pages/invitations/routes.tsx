import { IconMailForward } from "@tabler/icons-react";
import type { Area } from "@/app/area";

const PERMISSION = "invitations:write";

export const area: Area = {
  routes: [
    { path: "/admin/invitations", shell: "operator", page: () => import("./InvitationsPage"), permission: PERMISSION },
  ],
  nav: [
    {
      path: "/admin/invitations",
      shell: "operator",
      label: "nav.invitations",
      order: 320,
      group: "nav.group.people",
      permission: PERMISSION,
      icon: <IconMailForward size={16} stroke={1.6} />,
    },
  ],
};
