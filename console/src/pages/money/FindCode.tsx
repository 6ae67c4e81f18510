import { Button, TextInput } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { MemberLink } from "@/ui/MemberLink";
import { Money } from "@/ui/Money";
import { Time } from "@/ui/Time";
import { BatchState } from "./CodesPage";
import styles from "./Money.module.css";

type Found = components["schemas"]["CodeAnswer"];

/** What became of a code that a member asks about. */
export function FindCode() {
  const { t } = useTranslation("money");
  const [code, setCode] = useState("");
  const [error, setError] = useState("");
  const [found, setFound] = useState<Found | null>(null);
  const find = async (event: FormEvent) => {
    event.preventDefault();
    setFound(null);
    setError("");
    if (!code.trim()) return setError(t("needed"));
    try {
      setFound(await take(api.POST("/api/v1/codes/find", { body: { code } })));
    } catch (thrown) {
      setError((thrown as Error).message);
    }
  };
  return (
    <>
      <form onSubmit={(event) => void find(event)} className={styles.find} noValidate>
        <TextInput
          aria-label={t("code")}
          placeholder="XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX"
          className={styles.code}
          w="23rem"
          maw="100%"
          maxLength={100}
          autoComplete="off"
          spellCheck={false}
          value={code}
          error={error}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        <Button type="submit" variant="default">
          {t("find")}
        </Button>
      </form>
      <div role="status">{found && <Answer found={found} />}</div>
    </>
  );
}

function Answer({ found }: { found: Found }) {
  const { t } = useTranslation("money");
  return (
    <dl className={styles.details}>
      <dt>{t("code")}</dt>
      <dd>{found.hint}</dd>
      <dt>{t("batch")}</dt>
      <dd>
        {found.batch.name} · <Money value={found.batch.amount} />
      </dd>
      <dt>{t("status")}</dt>
      <dd>{found.account_id === null ? <BatchState batch={found.batch} /> : t("was_redeemed")}</dd>
      {found.account_id !== null && (
        <>
          <dt>{t("by")}</dt>
          <dd>
            <MemberLink id={found.account_id} email={found.email ?? ""} /> · {found.redeemed_ms !== null && <Time ms={found.redeemed_ms} />}
          </dd>
        </>
      )}
    </dl>
  );
}
