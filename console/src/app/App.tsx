import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { setNonce } from "get-nonce";
import { lazy, Suspense, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { createBrowserRouter, type RouteObject } from "react-router";
import { RouterProvider } from "react-router/dom";
import { whenSignedOut } from "@/api/client";
import { Problem } from "@/api/problems";
import { PageSkeleton } from "@/ui/PageSkeleton";
import { useNoticesAsked } from "@/ui/notices";
import type { PageRoute, Shell } from "./area";
import { FailedPage, MissingPage } from "./FailedPage";
import { Guard } from "./Guard";
import { NarrowShell } from "./NarrowShell";
import { PublicShell } from "./PublicShell";
import { AREAS } from "./routes";
import { themeOf, variables } from "./theme";

const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
setNonce(nonce); // for what locks the page's scrolling behind a dialog

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (failures, error) => failures < 2 && !(error instanceof Problem && error.status < 500),
    },
  },
});
whenSignedOut(() => queries.setQueryData(["session"], null));

function routeOf(route: PageRoute): RouteObject {
  return {
    path: route.path,
    lazy: async () => {
      const { default: Page } = await route.page();
      return {
        Component: () => (
          <Guard permission={route.permission}>
            <Page />
          </Guard>
        ),
      };
    },
    HydrateFallback: PageSkeleton,
    ErrorBoundary: FailedPage,
  };
}

function inShell(shell: Shell): RouteObject[] {
  return AREAS.flatMap((area) => area.routes)
    .filter((route) => route.shell === shell)
    .map(routeOf);
}

function consoleShell(side: "member" | "operator") {
  return async () => {
    const { ConsoleShell } = await import("./ConsoleShell");
    return { Component: () => <ConsoleShell side={side} /> };
  };
}

const router = createBrowserRouter([
  { Component: PublicShell, ErrorBoundary: FailedPage, children: [...inShell("public"), { path: "*", Component: MissingPage }] },
  { Component: NarrowShell, ErrorBoundary: FailedPage, children: inShell("narrow") },
  { lazy: consoleShell("member"), HydrateFallback: PageSkeleton, ErrorBoundary: FailedPage, children: inShell("member") },
  { lazy: consoleShell("operator"), HydrateFallback: PageSkeleton, ErrorBoundary: FailedPage, children: inShell("operator") },
]);

const Notifications = lazy(() => import("@/ui/NoticesPlace"));

function Notices() {
  return useNoticesAsked() ? (
    <Suspense>
      <Notifications position="bottom-right" />
    </Suspense>
  ) : null;
}

export function App() {
  const { t } = useTranslation();
  const theme = useMemo(() => themeOf(t), [t]);
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={queries}>
        <Notices />
        <Suspense fallback={<PageSkeleton />}>
          <RouterProvider router={router} />
        </Suspense>
      </QueryClientProvider>
    </MantineProvider>
  );
}
