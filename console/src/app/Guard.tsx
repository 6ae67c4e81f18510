import type { ReactNode } from "react";
import { mayUse, useSession } from "@/api/session";
import { MissingPage } from "./FailedPage";

/** Shows the page only to who has the permission; the API holds the same line by itself. */
export function Guard({ permission, children }: { permission?: string; children: ReactNode }) {
  const { data: session } = useSession();
  return permission && !mayUse(session, permission) ? <MissingPage /> : children;
}
