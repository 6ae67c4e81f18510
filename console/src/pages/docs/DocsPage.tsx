import { useTranslation } from "react-i18next";
import { useSite } from "@/api/site";
import { Markdown } from "@/ui/Markdown";
import { Page, Section } from "@/ui/Page";
import en from "../../../../docs/members.md?raw";
import zh from "../../../../docs/members.zh.md?raw";
import { Endpoints } from "./Endpoints";
import { Errors } from "./Errors";
import styles from "./Docs.module.css";

const TEXTS = { en, zh };
const EXAMPLE = /https:\/\/api\.example\.com/g; // what the text calls the site's address

interface Chapter {
  id: string;
  title: string;
  text: string;
}

/** The chapters of the guide for members, with the address of this very site. Its last ones this page has itself. */
function chaptersOf(language: "en" | "zh", origin: string): Chapter[] {
  const [, ...chapters] = TEXTS[language].replace(EXAMPLE, origin).split(/^## /m);
  return chapters.map((chapter, index) => {
    const [title = "", ...lines] = chapter.split("\n");
    return { id: `part-${index + 1}`, title, text: lines.join("\n") };
  });
}

/** The guide links to files of its folder; here the errors stand further down, and the rest is not to be had. */
function linkTo(href: string): string {
  const error = /^errors\/(-?\d+)(?:\.zh)?\.md$/.exec(href);
  if (error) return `#error${error[1]}`;
  return href.startsWith("errors/index") ? "#errors" : href;
}

export default function DocsPage() {
  const { t, i18n } = useTranslation("docs");
  const site = useSite();
  const origin = site?.public_url || location.origin;
  const chapters = chaptersOf(i18n.language === "zh" ? "zh" : "en", origin);
  return (
    <Page title={t("title")} lead={t("lead")}>
      <div className={styles.columns}>
        <nav className={styles.contents} aria-label={t("contents")}>
          {chapters.map((chapter) => (
            <a key={chapter.id} href={`#${chapter.id}`}>
              {chapter.title}
            </a>
          ))}
          <a href="#endpoints">{t("endpoints")}</a>
          <a href="#errors">{t("errors")}</a>
          <a href="#account-api">{t("account_api")}</a>
        </nav>
        <div className={styles.text}>
          {chapters.map((chapter) => (
            <Section key={chapter.id} id={chapter.id} title={chapter.title}>
              <Markdown linkTo={linkTo}>{chapter.text}</Markdown>
            </Section>
          ))}
          <Endpoints />
          <Errors />
          <Section id="account-api" title={t("account_api")}>
            <Markdown>{t("account_api_text", { origin })}</Markdown>
          </Section>
        </div>
      </div>
    </Page>
  );
}
