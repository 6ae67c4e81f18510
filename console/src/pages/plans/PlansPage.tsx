import { Button } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { wholeList } from "@/api/lists";
import { mayUse, useMember } from "@/api/session";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Loaded } from "@/ui/Loaded";
import { Money } from "@/ui/Money";
import { Page, Section } from "@/ui/Page";
import { many, usePlans, type Fields, type LimitFields, type Plan } from "./data";
import styles from "./Plans.module.css";

export default function PlansPage() {
  const { t } = useTranslation("plans");
  const mayWrite = mayUse(useMember(), "catalogue:write");
  const query = usePlans();
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={
        mayWrite && (
          <Button component={Link} to="/admin/plans/edit" leftSection={<IconPlus size={16} stroke={1.8} />}>
            {t("add")}
          </Button>
        )
      }
    >
      <Loaded query={query}>
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState title={t("none")}>{t("none_text")}</EmptyState>
          ) : (
            items.map((plan) => <One key={plan.name} plan={plan} mayWrite={mayWrite} />)
          )
        }
      </Loaded>
    </Page>
  );
}

function One({ plan, mayWrite }: { plan: Plan; mayWrite: boolean }) {
  const { t } = useTranslation("plans");
  const fields: Fields = plan.definition;
  const multipliers = Object.entries(fields.multipliers ?? {});
  return (
    <Section
      title={plan.name}
      actions={
        mayWrite && (
          <Button component={Link} to={`/admin/plans/edit?name=${encodeURIComponent(plan.name)}`} variant="default" size="compact-md">
            {t("edit")}
          </Button>
        )
      }
    >
      <div className={styles.marks}>
        <span>{t(`kind.${fields.kind ?? "paid"}`)}</span>
        <span>{t("members", { count: plan.members })}</span>
        {plan.is_default && <span>{t("is_default")}</span>}
        {plan.is_topup && <span>{t("is_topup")}</span>}
      </div>
      <dl className={styles.facts}>
        <dt>{t("models")}</dt>
        <dd>
          <Models plan={plan} patterns={fields.models ?? ["*"]} />
        </dd>
        {fields.kind === "paid" && (
          <>
            <dt>{t("multiplier")}</dt>
            <dd>
              × {fields.multiplier ?? 1}
              {multipliers.length > 0 && (
                <span className={styles.quiet}> · {multipliers.map(([name, ratio]) => `${name} × ${ratio}`).join(" · ")}</span>
              )}
            </dd>
          </>
        )}
        <dt>{t("endpoints")}</dt>
        <dd>{(fields.endpoints ?? ["*"]).includes("*") ? t("all") : fields.endpoints!.join(", ")}</dd>
        <dt>{t("bounds")}</dt>
        <dd>
          <Bounds fields={fields} />
        </dd>
      </dl>
      <Limits limits={fields.limits ?? []} plan={plan.name} isFree={fields.kind === "free"} />
    </Section>
  );
}

function Models({ plan, patterns }: { plan: Plan; patterns: string[] }) {
  const { t } = useTranslation("plans");
  return (
    <details>
      <summary>
        {patterns.join(", ")} <span className={styles.quiet}>· {t("model_count", { count: plan.models.length })}</span>
      </summary>
      <ul className={styles.models}>
        {plan.models.map((model) => (
          <li key={model}>{model}</li>
        ))}
      </ul>
    </details>
  );
}

function Bounds({ fields }: { fields: Fields }) {
  const { t, i18n } = useTranslation("plans");
  const number = new Intl.NumberFormat(i18n.language);
  const parts = [
    fields.streaming === false && t("no_streams"),
    fields.input_tokens_max != null && t("prompt_max", { value: number.format(fields.input_tokens_max) }),
    fields.request_tokens_max != null && t("request_max", { value: number.format(fields.request_tokens_max) }),
  ].filter(Boolean);
  return parts.length ? parts.join(" · ") : <span className={styles.quiet}>{t("no_bounds")}</span>;
}

function Limits({ limits, plan, isFree }: { limits: LimitFields[]; plan: string; isFree: boolean }) {
  const { t } = useTranslation("plans");
  const count = (value: number | null | undefined) => (value == null ? "–" : <Count value={value} />);
  const columns: Column<LimitFields>[] = [
    { key: "family", title: t("limit.family"), isLead: true, render: (one) => many(one.family).join(" + ") || t("limit.all_models") },
    { key: "window", title: t("limit.window"), render: (one) => windowText(one.window ?? "1 hour", t) },
    {
      key: "per",
      title: t("limit.per"),
      render: (one) => (one.per ? many(one.per) : (["key", "address"] as const)).map((each) => t(`subject.${each}`)).join(", "),
    },
    { key: "requests", title: t("limit.requests"), align: "right", render: (one) => count(one.requests) },
    { key: "tokens", title: t("limit.tokens"), align: "right", render: (one) => count(one.tokens) },
    {
      key: "spend",
      title: t("limit.spend"),
      align: "right",
      render: (one) => (one.spend == null ? "–" : <Money value={String(one.spend)} />),
    },
    { key: "concurrency", title: t("limit.concurrency"), align: "right", render: (one) => count(one.concurrency) },
  ];
  return (
    <DataTable
      label={t("limits_of", { plan })}
      list={wholeList(limits)}
      columns={columns}
      rowKey={(one) => JSON.stringify(one)}
      empty={<EmptyState title={t(isFree ? "limit.none_free" : "limit.none")} />}
    />
  );
}

const WINDOW = /^(\d+)\s*(s|second|m|minute|h|hour|d|day)s?$/i;
const UNITS = { s: "second", m: "minute", h: "hour", d: "day" } as const;

/** "5 minutes" in the reader's language. */
function windowText(window: string, t: (key: string, values: { count: number }) => string): string {
  const found = WINDOW.exec(window.trim());
  if (!found) return window;
  const unit = UNITS[found[2]![0]!.toLowerCase() as keyof typeof UNITS];
  return t(`common:span.${unit}`, { count: Number(found[1]) });
}
