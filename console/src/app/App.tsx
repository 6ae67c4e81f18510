import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { setNonce } from "get-nonce";
import { Suspense } from "react";
import { createBrowserRouter, type RouteObject } from "react-router";
import { RouterProvider } from "react-router/dom";
import { whenSignedOut } from "@/api/client";
import { Problem } from "@/api/problems";
import { PageSkeleton } from "@/ui/PageSkeleton";
import type { PageRoute, Shell } from "./area";
import { ConsoleShell } from "./ConsoleShell";
import { FailedPage, MissingPage } from "./FailedPage";
import { Guard } from "./Guard";
import { NarrowShell } from "./NarrowShell";
import { PublicShell } from "./PublicShell";
import { AREAS } from "./routes";
import { theme, variables } from "./theme";

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

const router = createBrowserRouter([
  { Component: PublicShell, ErrorBoundary: FailedPage, children: [...inShell("public"), { path: "*", Component: MissingPage }] },
  { Component: NarrowShell, ErrorBoundary: FailedPage, children: inShell("narrow") },
  { Component: () => <ConsoleShell side="member" />, ErrorBoundary: FailedPage, children: inShell("member") },
  { Component: () => <ConsoleShell side="operator" />, ErrorBoundary: FailedPage, children: inShell("operator") },
]);

export function App() {
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={queries}>
        <Notifications position="bottom-right" autoClose={6000} />
        <Suspense fallback={<PageSkeleton />}>
          <RouterProvider router={router} />
        </Suspense>
      </QueryClientProvider>
    </MantineProvider>
  );
}
