/** Decimal strings as the API gives them, without ever becoming a float. */

const NANOS = 9;
const SHOWN = 6; // decimals of amounts under a hundredth

interface Parts {
  isNegative: boolean;
  whole: string;
  fraction: string; // without trailing zeros
}

function partsOf(amount: string): Parts {
  const isNegative = amount.startsWith("-");
  const [whole = "0", fraction = ""] = amount.replace(/^[-+]/, "").split(".");
  return { isNegative, whole: whole || "0", fraction: fraction.replace(/0+$/, "") };
}

/** Whole nanos of a decimal string. */
export function nanosOf(amount: string): bigint {
  const { isNegative, whole, fraction } = partsOf(amount);
  const nanos = BigInt(whole + fraction.padEnd(NANOS, "0").slice(0, NANOS));
  return isNegative ? -nanos : nanos;
}

export function decimalOf(nanos: bigint): string {
  const digits = (nanos < 0n ? -nanos : nanos).toString().padStart(NANOS + 1, "0");
  const fraction = digits.slice(-NANOS).replace(/0+$/, "");
  return `${nanos < 0n ? "-" : ""}${digits.slice(0, -NANOS)}${fraction && `.${fraction}`}`;
}

/** Rounded half away from zero to so many decimals; or down, so that nobody seems to have what is not there. */
function rounded(amount: string, decimals: number, isDown: boolean): Parts {
  const step = 10n ** BigInt(NANOS - decimals);
  const nanos = nanosOf(amount);
  const size = nanos < 0n ? -nanos : nanos;
  const more = isDown ? (nanos < 0n ? step - 1n : 0n) : step / 2n;
  const kept = decimalOf(((size + more) / step) * step);
  return { ...partsOf(kept), isNegative: nanos < 0n && kept !== "0" };
}

/** How many decimals tell something of this amount: two, or of less than a hundredth up to six. */
function tellingDecimals(amount: string): number {
  const { whole, fraction } = partsOf(amount);
  const zeros = fraction.length - fraction.replace(/^0+/, "").length;
  return whole.replace(/^0+/, "") || !fraction || zeros < 2 ? 2 : Math.min(zeros + 2, SHOWN);
}

interface Shown {
  currency: string;
  locale: string;
  decimals?: number | "all"; // "all": every digit that there is
  isDown?: boolean;
}

/** `"1234.5678"` as `$1,234.57`. */
export function formatMoney(amount: string, { currency, locale, decimals, isDown = false }: Shown): string {
  const exact = partsOf(amount);
  const places = decimals === "all" ? Math.max(2, exact.fraction.length) : (decimals ?? tellingDecimals(amount));
  const parts = decimals === "all" ? exact : rounded(amount, places, isDown);
  const whole = new Intl.NumberFormat(locale).format(BigInt(parts.whole));
  const fraction = parts.fraction.padEnd(places, "0");
  return `${parts.isNegative ? "−" : ""}${symbolOf(currency, locale)}${whole}${places ? `.${fraction}` : ""}`;
}

function symbolOf(currency: string, locale: string): string {
  try {
    const parts = new Intl.NumberFormat(locale, { style: "currency", currency, currencyDisplay: "narrowSymbol" }).formatToParts(0);
    return parts.find((part) => part.type === "currency")?.value ?? currency;
  } catch {
    return `${currency} `; // not a code that the browser knows
  }
}
