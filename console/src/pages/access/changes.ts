/** One value that is not what it was; `undefined` where there is none. */
export interface Difference {
  path: string; // "plans.free.limits.0.requests"; "" for the whole
  before: unknown;
  after: unknown;
}

/** What differs between two states, in the order of the newer one. */
export function differences(before: unknown, after: unknown, path = ""): Difference[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (!isTree(before ?? {}) || !isTree(after ?? {}) || (before === null && after === null)) {
    return [{ path, before: before ?? undefined, after: after ?? undefined }];
  }
  const old = entries(before);
  const fresh = entries(after);
  return [...new Set([...Object.keys(fresh), ...Object.keys(old)])].flatMap((name) =>
    differences(old[name], fresh[name], path ? `${path}.${name}` : name),
  );
}

/** A value in one line. */
export function inOneLine(value: unknown): string {
  if (value === undefined || value === null) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function isTree(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function entries(value: unknown): Record<string, unknown> {
  return isTree(value) ? Object.fromEntries(Object.entries(value)) : {};
}
