import type { components } from "@/api/schema";

type Schemas = components["schemas"];

// A definition says only what differs from the defaults, though the schema names a default for each field.
export type Price = Partial<Schemas["PriceFields"]>;
export type Changes = Schemas["Changes"];
export type Change = Schemas["ChangeAnswer"];
export type PriceChange = Schemas["PriceChangeAnswer"];

/** Keeps a key beside its value while they are edited; an object would drop one that is typed twice. */
export interface Pair {
  key: string;
  value: string;
}

export function pairsOf(record: Record<string, unknown> | undefined): Pair[] {
  return Object.entries(record ?? {}).map(([key, value]) => ({ key, value: String(value) }));
}

export function recordOf(pairs: Pair[]): Record<string, string> {
  return Object.fromEntries(pairs.filter((pair) => pair.key.trim()).map((pair) => [pair.key.trim(), pair.value.trim()]));
}

/** What a field for a number says; undefined where it is empty. */
export function numberOf(value: number | string): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** Without the fields that say nothing: empty texts, lists and objects, and what is undefined. */
export function said<T extends object>(fields: T): Partial<T> {
  const isSaid = (value: unknown) =>
    value !== undefined && value !== "" && value !== null && !(typeof value === "object" && Object.keys(value).length === 0);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => isSaid(value))) as Partial<T>;
}
