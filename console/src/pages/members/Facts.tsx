import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { LANGUAGES } from "@/app/i18n";
import { Copy } from "@/ui/Copy";
import { MemberLink } from "@/ui/MemberLink";
import { Time } from "@/ui/Time";
import type { Shown } from "./MemberPage";
import styles from "./Members.module.css";

/** What is known of an account. */
export function Facts({ shown }: { shown: Shown }) {
  const { t } = useTranslation("members");
  const { member } = shown;
  const ways = [
    shown.has_password && t("way.password"),
    shown.has_second_factor && t("way.second_factor"),
    shown.passkeys > 0 && t("way.passkeys", { count: shown.passkeys }),
    ...shown.providers,
  ].filter(Boolean);
  const facts: [string, ReactNode][] = [
    [
      t("id"),
      <span className={styles.hint}>
        {member.id} <Copy value={member.id} what={t("id")} />
      </span>,
    ],
    [t("registered"), <Time ms={member.created_ms} />],
    [t("seen"), shown.seen_ms === null ? t("unknown") : <Time ms={shown.seen_ms} />],
    [t("email_confirmed"), shown.email_verified_ms === null ? t("no") : <Time ms={shown.email_verified_ms} look="date" />],
    [t("signs_in"), ways.join(", ") || t("cannot")],
    [t("language"), LANGUAGES[shown.language as keyof typeof LANGUAGES] ?? t("unknown")],
    [t("invited"), shown.invited],
  ];
  if (shown.invited_by) facts.push([t("invited_by"), <MemberLink id={shown.invited_by} email={shown.invited_by_email} />]);
  if (shown.deleted_ms !== null) facts.push([t("deleted"), <Time ms={shown.deleted_ms} />]);
  return (
    <dl className={styles.list}>
      {facts.map(([name, value]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
