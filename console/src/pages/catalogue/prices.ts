import { pairsOf, recordOf, said, type Pair, type Price } from "./types";

/** The components that a price may name, the usual ones first; those after `image` are priced each. */
export const COMPONENTS = [
  "input",
  "output",
  "cached_input",
  "cache_write",
  "cache_write_1h",
  "reasoning_output",
  "audio_input",
  "audio_output",
  "audio_cached_input",
  "audio_cache_write",
  "image_input",
  "image_output",
  "image_cached_input",
  "image",
  "web_search",
  "second",
  "character",
  "query",
  "maps_query",
  "video_second",
] as const;

/** A tier of prices while it is edited. */
export interface Tier {
  per: string;
  prompt_tokens_over: number | "";
  service_tier: string;
  size: string; // several are parted by commas
  quality: string;
  amounts: Pair[];
}

export const newTier = (): Tier => ({
  per: "1M",
  prompt_tokens_over: "",
  service_tier: "",
  size: "",
  quality: "",
  amounts: [
    { key: "input", value: "" },
    { key: "output", value: "" },
  ],
});

export function tiersOf(price: Price | Price[] | undefined): Tier[] {
  const prices = price === undefined ? [] : Array.isArray(price) ? price : [price];
  return prices.map(({ per, prompt_tokens_over, service_tier, size, quality, ...amounts }) => ({
    per: per ?? "1M",
    prompt_tokens_over: prompt_tokens_over ?? "",
    service_tier: service_tier ?? "",
    size: Array.isArray(size) ? size.join(", ") : (size ?? ""),
    quality: quality ?? "",
    amounts: pairsOf(amounts),
  }));
}

export function priceOf(tiers: Tier[]): Price | Price[] {
  const prices = tiers.map((tier) => {
    const sizes = tier.size.split(",").map((one) => one.trim()).filter(Boolean);
    return said({
      per: tier.per === "1M" ? undefined : tier.per,
      prompt_tokens_over: tier.prompt_tokens_over || undefined,
      service_tier: tier.service_tier === "default" ? "" : tier.service_tier,
      size: sizes.length > 1 ? sizes : (sizes[0] ?? ""),
      quality: tier.quality,
      ...said(recordOf(tier.amounts)),
    }) as Price;
  });
  return prices.length === 1 ? prices[0]! : prices;
}
