import { Button, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { useMoney } from "@/ui/Money";
import { Section } from "@/ui/Page";
import styles from "./Wallet.module.css";

type Redeemed = components["schemas"]["RedeemedAnswer"];

/** Turns a code into balance. */
export function Redeem() {
  const { t } = useTranslation("wallet");
  const money = useMoney();
  const client = useQueryClient();
  const [code, setCode] = useState("");
  const [error, setError] = useState("");
  const [isRunning, setRunning] = useState(false);
  const [redeemed, setRedeemed] = useState<Redeemed | null>(null);
  const redeem = async (event: FormEvent) => {
    event.preventDefault();
    if (!code.trim()) return setError(t("code_missing"));
    setRunning(true);
    setError("");
    setRedeemed(null);
    try {
      setRedeemed(await take(api.POST("/api/v1/wallet/codes", { body: { code } })));
      setCode("");
      await client.invalidateQueries(); // balance, plan, limits: much of what is shown has changed
    } catch (thrown) {
      setError((thrown as Error).message);
    } finally {
      setRunning(false);
    }
  };
  return (
    <Section title={t("redeem")} lead={t("redeem_lead")}>
      <form onSubmit={(event) => void redeem(event)} className={styles.form} noValidate>
        <TextInput
          label={t("code")}
          placeholder="XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX"
          className={styles.code}
          w="100%"
          maxLength={100}
          autoComplete="off"
          spellCheck={false}
          required
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
          error={error}
        />
        <Button type="submit" loading={isRunning}>
          {t("redeem_do")}
        </Button>
        <div role="status" className={redeemed ? styles.made : undefined}>
          {redeemed &&
            t("redeemed", {
              amount: money(redeemed.transfer.amount),
              balance: money(redeemed.balance),
              plan: redeemed.plan,
            })}
        </div>
      </form>
    </Section>
  );
}
