import type { Area } from "@/app/area";

export const area: Area = {
  routes: [
    { path: "/sign-in", shell: "narrow", page: () => import("./SignInPage") },
    { path: "/register", shell: "narrow", page: () => import("./RegisterPage") },
    { path: "/verify", shell: "narrow", page: () => import("./VerifyPage") },
    { path: "/reset", shell: "narrow", page: () => import("./ResetPage") },
    { path: "/confirm-email", shell: "member", page: () => import("./ConfirmEmailPage") },
    { path: "/welcome", shell: "member", page: () => import("./WelcomePage") },
  ],
  nav: [],
};
