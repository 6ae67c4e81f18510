import i18next, { type BackendModule } from "i18next";
import { initReactI18next } from "react-i18next";

export type Language = "en" | "zh";
export const LANGUAGES: Record<Language, string> = { en: "English", zh: "中文" };
const STORED = "posthouse-language";

const files = import.meta.glob<{ default: Record<string, unknown> }>("../locales/*/*.json");

/** Reads a namespace of a language when a page first asks for it. */
const backend: BackendModule = {
  type: "backend",
  init() {},
  read(language, namespace, done) {
    const load = files[`../locales/${language}/${namespace}.json`];
    if (!load) return done(new Error(`no texts ${language}/${namespace}`), false);
    load().then(
      (file) => done(null, file.default),
      (error: Error) => done(error, false),
    );
  },
};

function first(): Language {
  let stored: string | null = null;
  try {
    stored = localStorage.getItem(STORED);
  } catch {
    // Storage is closed to this page: the browser's language holds.
  }
  return (stored ?? navigator.language).startsWith("zh") ? "zh" : "en";
}

export function language(): Language {
  return i18next.language === "zh" ? "zh" : "en";
}

/** Show this language from now on, also after the page is opened again. */
export async function chooseLanguage(chosen: Language): Promise<void> {
  try {
    localStorage.setItem(STORED, chosen);
  } catch {
    // It holds until the page is closed.
  }
  await i18next.changeLanguage(chosen);
}

export async function startTexts(): Promise<void> {
  i18next.on("languageChanged", (now) => {
    document.documentElement.lang = now === "zh" ? "zh-CN" : "en";
  });
  await i18next
    .use(backend)
    .use(initReactI18next)
    .init({
      lng: first(),
      supportedLngs: ["en", "zh"],
      fallbackLng: false,
      ns: ["common"],
      defaultNS: "common",
      interpolation: { escapeValue: false }, // React escapes
      returnNull: false,
    });
}
