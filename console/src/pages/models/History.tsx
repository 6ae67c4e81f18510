import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useList } from "@/api/lists";
import type { components } from "@/api/schema";
import { Actor } from "@/ui/Actor";
import { DataTable, type Column } from "@/ui/DataTable";
import { Time } from "@/ui/Time";
import styles from "./Models.module.css";

type Note = components["schemas"]["PriceNoteAnswer"];

const PAGE = 25;

/** What changed prices, and who changed it: of one model, or of all. */
export function History({ model = "" }: { model?: string }) {
  useTranslation("catalogue"); // its texts stand here too
  const { t } = useTranslation("models");
  const list = useList<Note>(["price-history", model], (after) =>
    take(api.GET("/api/v1/price-history", { params: { query: { model, after, limit: PAGE } } })),
  );
  const columns: Column<Note>[] = [
    { key: "when", title: t("common:time"), render: (one) => <Time ms={one.at_ms} /> },
    {
      key: "what",
      title: t("history.what"),
      isLead: true,
      render: (one) => (
        <>
          {one.kind === "operator" ? t("catalogue:kind.operator") : one.name}
          {one.kind !== "operator" && <span className={styles.sub}>{t(`catalogue:kind.${one.kind}`)}</span>}
        </>
      ),
    },
    { key: "before", title: t("catalogue:before"), render: (one) => <Said fields={one.before} isBefore /> },
    { key: "after", title: t("catalogue:after"), render: (one) => <Said fields={one.after} /> },
    { key: "by", title: t("history.by"), render: (one) => <Actor actor={one.actor} email={one.actor_email} /> },
  ];
  return (
    <DataTable
      label={t("tab.history")}
      list={list}
      columns={columns}
      rowKey={(one) => `${one.at_ms}|${one.kind}|${one.name}|${JSON.stringify(one.after)}`}
      empty={t("history.none")}
    />
  );
}

function Said({ fields, isBefore }: { fields: Record<string, unknown> | null; isBefore?: boolean }) {
  const { t } = useTranslation("models");
  if (fields === null) return <span className={styles.soft}>{t("history.nothing")}</span>;
  return (
    <div className={isBefore ? styles.before : undefined}>
      {Object.entries(fields).map(([name, value]) => (
        <div key={name}>
          {name}:{" "}
          {value === null
            ? t("catalogue:preview.default")
            : linesOf(value).map((line, at, { length }) => (
                <span key={at} className={styles.value} style={{ display: length > 1 ? "block" : undefined }}>
                  {line}
                </span>
              ))}
        </div>
      ))}
    </div>
  );
}

/** Tables as a line each, "service_tier priority · input 4.25 · output 17"; another value as one. */
function linesOf(value: unknown): string[] {
  const parts: unknown[] = Array.isArray(value) ? value : [value];
  return parts.map((part) =>
    typeof part === "object" && part !== null
      ? Object.entries(part)
          .filter(([, said]) => said !== "")
          .map(([name, said]) => `${name} ${String(said)}`)
          .join(" · ")
      : String(part),
  );
}
