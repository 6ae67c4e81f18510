import { numberOf, pairsOf, recordOf, said, type Pair } from "@/pages/catalogue/types";
import { priceOf, tiersOf, type Tier } from "@/pages/catalogue/prices";
import type { Definition } from "./data";

type Optional = number | string; // "" is nothing typed

export const DEADLINES = ["connect_s", "tls_s", "header_s", "first_byte_s", "idle_s", "total_s"] as const;
export const HEALTH = {
  window_s: 60,
  calls_min: 20,
  error_rate: 0.5,
  consecutive: 10,
  cool_down_s: 5,
  cool_down_max_s: 300,
  ramp_s: 30,
  probe_every_s: 0,
} as const;
export type HealthField = keyof typeof HEALTH;

export interface Cost {
  pattern: string;
  tiers: Tier[];
}

export type Values = {
  name: string;
  preset: string;
  base_url: string;
  api_version: string;
  dialects: string[];
  auth: string;
  credential: string;
  models: string[];
  model_map: Pair[];
  priority: Optional;
  weight: Optional;
  enabled: boolean;
  proxy: string;
  headers: Pair[];
  drop: string[];
  rename: Pair[];
  connection_idle_s: Optional;
  connections_max: Optional;
  keep_alive_s: Optional;
  tls_verify: boolean;
  ca_file: string;
  probe_model: string;
  cost_multiplier: string;
  costs: Cost[];
  deadlines: Record<(typeof DEADLINES)[number], Optional>;
  health: Record<HealthField, Optional>;
};

export function valuesOf(name: string, definition: Definition): Values {
  const health = (definition.health ?? {}) as Partial<NonNullable<Definition["health"]>>;
  const optional = (value: number | null | undefined): Optional => value ?? "";
  return {
    name,
    preset: definition.preset ?? "openai-compatible",
    base_url: definition.base_url ?? "",
    api_version: definition.api_version ?? "",
    dialects: definition.dialects ?? [],
    auth: definition.auth ?? "",
    credential: "",
    models: definition.models ?? ["*"],
    model_map: pairsOf(definition.model_map),
    priority: definition.priority ?? 0,
    weight: definition.weight ?? 1,
    enabled: definition.enabled ?? true,
    proxy: definition.proxy ?? "",
    headers: pairsOf(definition.headers),
    drop: definition.drop ?? [],
    rename: pairsOf(definition.rename),
    connection_idle_s: optional(definition.connection_idle_s),
    connections_max: optional(definition.connections_max),
    keep_alive_s: optional(definition.keep_alive_s),
    tls_verify: definition.tls_verify ?? true,
    ca_file: definition.ca_file ?? "",
    probe_model: health.probe_model ?? "",
    cost_multiplier: String(definition.cost_multiplier ?? ""),
    costs: Object.entries(definition.costs ?? {}).map(([pattern, price]) => ({ pattern, tiers: tiersOf(price) })),
    deadlines: Object.fromEntries(DEADLINES.map((field) => [field, optional(definition[field])])) as Values["deadlines"],
    health: Object.fromEntries(
      (Object.keys(HEALTH) as HealthField[]).map((field) => [field, optional(health[field])]),
    ) as Values["health"],
  };
}

/** The definition that the form makes; what stands at its default is left out. Credentials are edited elsewhere. */
export function definitionOf(values: Values, before: Definition): Definition {
  const { name: _, credential: __, deadlines, health, probe_model, costs, models, ...rest } = values;
  const isAll = models.length === 1 && models[0] === "*";
  return said({
    ...rest,
    models: isAll ? undefined : models,
    model_map: recordOf(values.model_map),
    headers: recordOf(values.headers),
    rename: recordOf(values.rename),
    priority: numberOf(values.priority) || undefined,
    weight: numberOf(values.weight) === 1 ? undefined : numberOf(values.weight),
    enabled: values.enabled ? undefined : false,
    tls_verify: values.tls_verify ? undefined : false,
    connection_idle_s: numberOf(values.connection_idle_s),
    connections_max: numberOf(values.connections_max),
    keep_alive_s: numberOf(values.keep_alive_s) || undefined,
    ...Object.fromEntries(DEADLINES.map((field) => [field, numberOf(deadlines[field])])),
    health: said({
      ...Object.fromEntries((Object.keys(HEALTH) as HealthField[]).map((field) => [field, numberOf(health[field])])),
      probe_model,
    }),
    cost_multiplier: values.cost_multiplier === "1" ? "" : values.cost_multiplier,
    costs: Object.fromEntries(costs.filter((one) => one.pattern.trim()).map((one) => [one.pattern.trim(), priceOf(one.tiers)])),
    credentials: before.credentials ?? [],
  }) as Definition;
}
