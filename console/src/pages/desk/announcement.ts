import type { components } from "@/api/schema";

export type Announcement = components["schemas"]["AnnouncementAnswer"];

interface Words {
  title_en: string;
  title_zh: string;
  text_en: string;
  text_zh: string;
}

/** What an announcement says in a language; what it does not say there it says in the other. */
export function wordsOf(one: Words, language: string): { title: string; text: string } {
  return language === "zh"
    ? { title: one.title_zh || one.title_en, text: one.text_zh || one.text_en }
    : { title: one.title_en || one.title_zh, text: one.text_en || one.text_zh };
}

export type When = "later" | "now" | "over";

export function whenOf(one: Announcement, nowMs: number): When {
  if (one.from_ms > nowMs) return "later";
  return one.until_ms !== null && one.until_ms <= nowMs ? "over" : "now";
}

export function msOf(local: string): number | null {
  return local ? new Date(local).getTime() : null;
}
