import { Anchor, Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { CreditDialog } from "@/pages/money/CreditDialog";
import { Confirm } from "@/ui/Confirm";
import { Count } from "@/ui/Count";
import { LoadedPage } from "@/ui/Loaded";
import { Money } from "@/ui/Money";
import { sayFailed } from "@/ui/notices";
import { Page, Section } from "@/ui/Page";
import { Stat, Stats } from "@/ui/Stat";
import { AccountStatus } from "./AccountStatus";
import { Facts } from "./Facts";
import { KeyTable } from "./KeyTable";
import { MemberForm } from "./MemberForm";
import styles from "./Members.module.css";

export type Shown = components["schemas"]["MemberPage"];

/** Everything about one account, and what may be done with it. */
export default function MemberPage() {
  const { t } = useTranslation("members");
  const { id = "" } = useParams();
  const query = useQuery({
    queryKey: ["members", id],
    queryFn: () => take(api.GET("/api/v1/admin/members/{account_id}", { params: { path: { account_id: id } } })),
  });
  return (
    <LoadedPage title={t("member")} query={query}>
      {(shown) => <One shown={shown} />}
    </LoadedPage>
  );
}

function One({ shown }: { shown: Shown }) {
  const { t } = useTranslation("members");
  const { member, use } = shown;
  return (
    <Page
      title={member.email}
      lead={
        <span className={styles.facts}>
          <Anchor component={Link} to="/admin/members">
            {t("members")}
          </Anchor>
          <AccountStatus status={member.status} />
          {member.name && <span>{member.name}</span>}
          {member.role !== "member" && <span>{t(`roles.${member.role}`)}</span>}
        </span>
      }
      actions={<Actions shown={shown} />}
    >
      <Stats>
        <Stat label={t("balance")} value={<Money value={member.balance} isBalance />} note={t("on_plan", { plan: member.plan })} />
        <Stat label={t("charged_30")} value={<Money value={use.charge} />} note={<Cost value={use.cost} />} />
        <Stat label={t("calls_30")} value={<Count value={use.requests} isShort />} note={t("failed", { count: use.errors })} />
        <Stat label={t("tokens_30")} value={<Count value={use.tokens} isShort />} />
      </Stats>
      <div className={styles.columns}>
        <Section title={t("account")}>
          <Facts shown={shown} />
          <Elsewhere accountId={member.id} />
        </Section>
        {shown.may_change && (
          <Section title={t("change")}>
            <MemberForm key={`${member.plan} ${member.role} ${member.note}`} member={member} />
          </Section>
        )}
      </div>
      <Section title={t("keys")}>
        <KeyTable filter={{ account_id: member.id }} mayChange={shown.may_change} empty={t("no_keys")} isOneMembers />
      </Section>
    </Page>
  );
}

function Cost({ value }: { value: string }) {
  const { t } = useTranslation("members");
  return (
    <>
      {t("cost")} <Money value={value} />
    </>
  );
}

/** Where else something is known of the account. */
function Elsewhere({ accountId }: { accountId: string }) {
  const { t } = useTranslation("members");
  const session = useMember();
  const links = [
    { to: `/admin/usage?account=${accountId}`, label: t("common:nav.usage"), permission: "usage:read" },
    { to: `/admin/transfers?account=${accountId}`, label: t("common:nav.transfers"), permission: "money:read" },
    { to: `/admin/tickets?account=${accountId}`, label: t("common:nav.tickets"), permission: "tickets:answer" },
    { to: `/admin/audit?subject=account:${accountId}`, label: t("common:nav.audit"), permission: "audit:read" },
  ];
  return (
    <nav className={styles.facts} aria-label={t("elsewhere")}>
      {links
        .filter((one) => mayUse(session, one.permission))
        .map((one) => (
          <Anchor key={one.to} component={Link} to={one.to}>
            {one.label}
          </Anchor>
        ))}
    </nav>
  );
}

function Actions({ shown }: { shown: Shown }) {
  const { t } = useTranslation("members");
  const session = useMember();
  const client = useQueryClient();
  const [isAsked, ask] = useDisclosure();
  const [isMoving, moving] = useDisclosure();
  const { member } = shown;
  const isFrozen = member.status === "frozen";
  const set = async (status: "active" | "frozen") => {
    const at = { params: { path: { account_id: member.id } } };
    await take(api.PATCH("/api/v1/admin/members/{account_id}", { ...at, body: { status } }));
    await client.invalidateQueries({ queryKey: ["members"] });
  };
  const thaw = useMutation({ mutationFn: () => set("active"), onError: sayFailed });
  const view = useMutation({
    mutationFn: () => take(api.POST("/api/v1/session/view", { body: { account_id: member.id } })),
    onSuccess: () => location.assign("/dashboard"), // all that is known of who looks is read anew
    onError: sayFailed,
  });
  return (
    <>
      {mayUse(session, "money:write") && (
        <Button variant="default" onClick={moving.open}>
          {t("move_money")}
        </Button>
      )}
      {mayUse(session, "members:view") && member.role === "member" && (
        <Button variant="default" loading={view.isPending} onClick={() => view.mutate()}>
          {t("view")}
        </Button>
      )}
      {shown.may_change &&
        (isFrozen ? (
          <Button variant="default" loading={thaw.isPending} onClick={() => thaw.mutate()}>
            {t("unfreeze")}
          </Button>
        ) : (
          <Button color="red" onClick={ask.open}>
            {t("freeze")}
          </Button>
        ))}
      {isMoving && <CreditDialog account={member.email} onClose={moving.close} />}
      <Confirm
        title={t("freeze_question", { email: member.email })}
        action={t("freeze")}
        isOpen={isAsked}
        onClose={ask.close}
        onConfirm={() => set("frozen")}
      >
        {t("freeze_text")}
      </Confirm>
    </>
  );
}
