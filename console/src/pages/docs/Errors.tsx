import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { EmptyState } from "@/ui/EmptyState";
import { Section } from "@/ui/Page";
import { SearchInput } from "@/ui/SearchInput";
import notes from "../../../../docs/errors/notes.json";
import table from "../../../../src/posthouse/data/errors.json";
import styles from "./Docs.module.css";

type Language = "en" | "zh";

interface Row {
  relay_code: number;
  http_status: number;
  code: string;
  when: string;
  remedy: string;
  retry?: boolean;
  messages: Partial<Record<string, Record<Language, string>>>;
}

interface Note {
  title: Record<Language, string>;
  when_zh: string;
  remedy_zh: string;
}

const ROWS: Row[] = table;
const NOTES: Record<string, Note> = notes;

function noteOf(row: Row): Note {
  return NOTES[String(row.relay_code)]!;
}

function isFound(row: Row, search: string, language: Language): boolean {
  const text = `${row.relay_code} ${row.http_status} ${row.code} ${noteOf(row).title[language]}`.toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** The relay's own errors, from the table that it answers by. */
export function Errors() {
  const { t, i18n } = useTranslation("docs");
  const language = i18n.language === "zh" ? "zh" : "en";
  const [search, setSearch] = useState("");
  const opened = useOpened();
  const rows = ROWS.filter((row) => isFound(row, search, language));
  return (
    <Section id="errors" title={t("errors")} lead={t("errors_lead")}>
      <SearchInput aria-label={t("search_errors")} placeholder={t("search_errors")} value={search} onChange={setSearch} maw={360} />
      {rows.length === 0 && <EmptyState title={t("no_error")} />}
      <div className={styles.errors}>
        {rows.map((row) => (
          <One key={row.relay_code} row={row} language={language} isOpened={opened === `error${row.relay_code}`} />
        ))}
      </div>
    </Section>
  );
}

/** The error that the address names after its #, also when it changes. */
function useOpened(): string {
  const [opened, setOpened] = useState(location.hash.slice(1));
  useEffect(() => {
    const follow = () => setOpened(location.hash.slice(1));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return opened;
}

function One({ row, language, isOpened }: { row: Row; language: Language; isOpened: boolean }) {
  const { t } = useTranslation("docs");
  const note = noteOf(row);
  const [when, remedy] = language === "zh" ? [note.when_zh, note.remedy_zh] : [row.when, row.remedy];
  const messages = [...new Set(Object.values(row.messages).flatMap((message) => message?.[language] ?? []))];
  return (
    <details id={`error${row.relay_code}`} className={styles.error} open={isOpened || undefined}>
      <summary>
        <b>{row.relay_code}</b>
        <span>{row.http_status}</span>
        <span>{note.title[language]}</span>
      </summary>
      <dl>
        <dt>{t("code")}</dt>
        <dd>
          <code>{row.code}</code>
        </dd>
        <dt>{t("when")}</dt>
        <dd>{when}</dd>
        <dt>{t("remedy")}</dt>
        <dd>
          {remedy} {t(row.retry === false ? "retry_no" : "retry_yes")}
        </dd>
        <dt>{t("messages")}</dt>
        <dd>
          <ul>
            {messages.map((message) => (
              <li key={message}>{message.replaceAll("{{", "{").replaceAll("}}", "}")}</li>
            ))}
          </ul>
        </dd>
      </dl>
    </details>
  );
}
