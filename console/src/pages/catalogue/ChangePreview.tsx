import { useTranslation } from "react-i18next";
import { Count } from "@/ui/Count";
import { EmptyState } from "@/ui/EmptyState";
import { Money } from "@/ui/Money";
import { nanosOf } from "@/ui/money";
import styles from "./Catalogue.module.css";
import type { Change, Changes, PriceChange } from "./types";

/** What a change of the configuration does: definition by definition, and to what members pay. */
export function ChangePreview({ changes }: { changes: Changes }) {
  const { t } = useTranslation("catalogue");
  if (changes.changes.length === 0) return <EmptyState title={t("preview.nothing")} />;
  return (
    <>
      <ul className={styles.changes}>
        {changes.changes.map((change) => (
          <OneChange key={`${change.kind}:${change.name}`} change={change} />
        ))}
      </ul>
      {changes.price_count > 0 && <Prices changes={changes} />}
    </>
  );
}

function OneChange({ change }: { change: Change }) {
  const { t } = useTranslation("catalogue");
  const isSingle = change.kind === "operator" || change.kind === "site";
  return (
    <li className={styles.change}>
      <div className={styles.what}>
        <span>{t(`preview.${change.action}`)}</span>
        <span className={styles.kind}>{t(`kind.${change.kind}`)}</span>
        {!isSingle && <b>{change.name}</b>}
      </div>
      {change.fields.length > 0 && (
        <dl className={styles.fields}>
          {change.fields.map((field) => (
            <Field key={field.field} {...field} />
          ))}
        </dl>
      )}
    </li>
  );
}

function Field({ field, before, after }: { field: string; before?: unknown; after?: unknown }) {
  const { t } = useTranslation("catalogue");
  const text = (value: unknown) => (value === null || value === undefined ? t("preview.default") : JSON.stringify(value));
  return (
    <>
      <dt>{field}</dt>
      <dd>
        <del className={`${styles.value} ${styles.before}`}>{text(before)}</del>{" "}
        <ins className={styles.value} style={{ textDecoration: "none" }}>
          {text(after)}
        </ins>
      </dd>
    </>
  );
}

function Prices({ changes }: { changes: Changes }) {
  const { t } = useTranslation("catalogue");
  return (
    <section>
      <h3>{t("preview.prices", { count: changes.price_count })}</h3>
      <div className={styles.scroll} tabIndex={0} role="region" aria-label={t("preview.prices", { count: changes.price_count })}>
        <table className={styles.prices}>
          <thead>
            <tr>
              <th scope="col">{t("model")}</th>
              <th scope="col">{t("plan")}</th>
              <th scope="col">{t("price_of")}</th>
              <th scope="col" data-align="right">
                {t("before")}
              </th>
              <th scope="col" data-align="right">
                {t("after")}
              </th>
              <th scope="col" data-align="right">
                {t("difference")}
              </th>
            </tr>
          </thead>
          <tbody>
            {changes.prices.map((one) => (
              <tr key={[one.plan, one.model, one.component, one.service_tier, one.prompt_tokens_over].join("|")}>
                <td>{one.model}</td>
                <td>{one.plan}</td>
                <td>
                  <PriceName line={one} />
                </td>
                <td data-align="right">{one.before === null ? "–" : <Money value={one.before} decimals="all" />}</td>
                <td data-align="right">{one.after === null ? "–" : <Money value={one.after} decimals="all" />}</td>
                <td data-align="right">
                  <Difference before={one.before} after={one.after} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {changes.prices.length < changes.price_count && (
        <p className={styles.note}>{t("preview.more", { count: changes.price_count - changes.prices.length })}</p>
      )}
    </section>
  );
}

/** "input", with what it holds for: a service tier, long prompts. */
export function PriceName({ line }: { line: Pick<PriceChange, "component" | "service_tier" | "prompt_tokens_over"> }) {
  const { t, i18n } = useTranslation("catalogue");
  const [component, ...details] = line.component.split(":");
  const name = i18n.exists(`catalogue:component.${component}`) ? t(`component.${component}`) : component;
  return (
    <>
      {[name, ...details].join(" ")}
      {line.service_tier !== "default" && <span className={styles.kind}> · {line.service_tier}</span>}
      {line.prompt_tokens_over > 0 && (
        <span className={styles.kind}>
          {" "}
          · &gt; <Count value={line.prompt_tokens_over} isShort />
        </span>
      )}
    </>
  );
}

const PERMILLE = 1000n;

function Difference({ before, after }: { before: string | null; after: string | null }) {
  const { t, i18n } = useTranslation("catalogue");
  if (before === null || after === null) return t(before === null ? "preview.new" : "preview.gone");
  const was = nanosOf(before);
  if (was === 0n) return "–";
  const permille = Number(((nanosOf(after) - was) * PERMILLE) / was);
  const shown = new Intl.NumberFormat(i18n.language, { style: "percent", signDisplay: "always", maximumFractionDigits: 1 });
  return <span className={permille > 0 ? styles.up : styles.down}>{shown.format(permille / 1000)}</span>;
}
