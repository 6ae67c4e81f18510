import type { TFunction } from "i18next";
import { Problem, Unreachable } from "@/api/problems";
import { formatSpan } from "./span";

const MINUTE_S = 60;
const HOUR_S = 3600;

/** What is said of an error: a problem's title over how to go on, which for people is no header to look up. */
export function tellOf(error: Error, t: TFunction): { title?: string; text: string } {
  if (error instanceof Unreachable) return { text: t(navigator.onLine ? "common:unreachable" : "common:offline") };
  if (!(error instanceof Problem)) return { text: error.message || t("common:failed.text") };
  const text = error.retryAfterS ? t("common:try_again_in", { span: formatWait(error.retryAfterS, t) }) : error.message;
  return text === error.title ? { text } : { title: error.title, text };
}

/** Seconds in one unit that a person waits by, rounded up. */
function formatWait(waitS: number, t: TFunction): string {
  const unitS = waitS < 2 * MINUTE_S ? 1 : waitS < 2 * HOUR_S ? MINUTE_S : HOUR_S;
  return formatSpan(Math.ceil(waitS / unitS) * unitS * 1000, t);
}
