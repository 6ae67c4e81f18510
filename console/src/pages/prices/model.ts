import type { components } from "@/api/schema";
import { nanosOf } from "@/ui/money";

export type Plan = components["schemas"]["PlanAnswer"];
export type PricedModel = components["schemas"]["PricedModel"];
export type Line = components["schemas"]["PriceLineAnswer"];

const DEFAULT_TIER = "default";

/** The prices that a plain call pays, by component. */
export function linesOf(model: PricedModel): Map<string, Line> {
  const plain = model.lines.filter((line) => line.service_tier === DEFAULT_TIER && line.prompt_tokens_over === 0);
  return new Map(plain.map((line) => [line.component, line]));
}

/** The model with the cheapest prompts: what somebody who only tries should begin with. */
export function cheapestOf(models: PricedModel[]): PricedModel | undefined {
  const nanos = (model: PricedModel) => {
    const line = linesOf(model).get("input");
    return line ? nanosOf(line.price) : null;
  };
  return models.reduce<PricedModel | undefined>((best, one) => {
    const [price, least] = [nanos(one), best && nanos(best)];
    return !best || (price !== null && (least == null || price < least)) ? one : best;
  }, undefined);
}

/** Whether every word of the search stands in a name of the model, its owner or its kind. */
export function matches(model: PricedModel, search: string): boolean {
  const text = [model.name, ...model.aliases, model.owned_by, model.kind, model.family].join(" ").toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

/** A model's lines in the order to read them: plain ones first, then by tier and prompt. */
export function orderedLines(model: PricedModel): Line[] {
  const rank = (line: Line) => (line.service_tier === DEFAULT_TIER ? 0 : 1);
  return [...model.lines].sort(
    (one, other) =>
      rank(one) - rank(other) ||
      one.service_tier.localeCompare(other.service_tier) ||
      one.prompt_tokens_over - other.prompt_tokens_over,
  );
}

/** A number of tokens as people who choose models say it, in any language: 128K, 1M. */
export function formatContext(tokens: number): string {
  return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 0 }).format(tokens);
}
