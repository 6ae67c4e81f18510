import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/faq", shell: "public", page: () => import("./FaqPage") },
    { path: "/terms", shell: "public", page: () => import("./TermsPage") },
    { path: "/privacy", shell: "public", page: () => import("./PrivacyPage") },
  ],
  nav: [{ path: "/faq", shell: "public", label: "nav.faq", order: 40 }],
};
