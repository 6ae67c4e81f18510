import type { UseFormReturnType } from "@mantine/form";
import type { components } from "@/api/schema";

export type Settings = components["schemas"]["Settings"];
export type Values = Pick<Settings, "operator" | "site"> & { secrets: Record<string, string> };
export type Form = UseFormReturnType<Values>;

export const TABS = ["site", "mail", "sign_in", "registration", "money", "calls", "texts"] as const;
export type Tab = (typeof TABS)[number];

/** On which tab a field stands, by the beginning of its path. */
const PLACES: [string, Tab][] = [
  ["site.mail", "mail"],
  ["secrets.mail", "mail"],
  ["site.sign_in", "sign_in"],
  ["secrets", "sign_in"],
  ["site.registration", "registration"],
  ["site.referral", "money"],
  ["site.topup", "money"],
  ["site", "site"],
  ["operator.name", "site"],
  ["operator.currency", "money"],
  ["operator.exchange_rate", "money"],
  ["operator.default_plan", "registration"],
  ["operator.topup_plan", "money"],
  ["operator.timezone", "site"],
  ["operator", "calls"],
];

export function tabOf(field: string): Tab {
  return PLACES.find(([start]) => field === start || field.startsWith(`${start}.`))?.[1] ?? "site";
}

export function valuesOf(settings: Settings): Values {
  return { operator: settings.operator, site: settings.site, secrets: {} };
}

/** What PUT takes. Of secrets only those that were typed; empty lines of lists are left out. */
export function bodyOf(values: Values, version: string): components["schemas"]["SettingsBody"] {
  const typed = Object.entries(values.secrets).filter(([, secret]) => secret);
  return { ...values, version, secrets: Object.fromEntries(typed) };
}

/** A list of texts as lines or words parted by commas. */
export function linesOf(list: readonly string[]): string {
  return list.join("\n");
}

export function listOf(text: string): string[] {
  return text.split(/[\s,，]+/).filter(Boolean);
}
