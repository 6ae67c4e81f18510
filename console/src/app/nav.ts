import { mayUse, type Session } from "@/api/session";
import type { NavEntry, Shell } from "./area";
import { AREAS } from "./routes";

/** The navigation of one shell, in order, as far as this session may use it. */
export function navOf(shell: Shell, session: Session | null): NavEntry[] {
  return AREAS.flatMap((area) => area.nav)
    .filter((entry) => entry.shell === shell && mayUse(session, entry.permission))
    .sort((one, other) => one.order - other.order);
}

/** Entries under their headings, in the order in which the headings first come. */
export function grouped(entries: NavEntry[]): [string, NavEntry[]][] {
  const groups = new Map<string, NavEntry[]>();
  for (const entry of entries) {
    const heading = entry.group ?? "";
    groups.set(heading, [...(groups.get(heading) ?? []), entry]);
  }
  return [...groups];
}
