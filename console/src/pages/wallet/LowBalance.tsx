import { Button, Group, Modal, Stack, TextInput, UnstyledButton } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useSite } from "@/api/site";
import { ErrorNote } from "@/ui/ErrorNote";
import { Money } from "@/ui/Money";
import { sayDone } from "@/ui/notices";
import { Stat } from "@/ui/Stat";
import { isAmount } from "./amounts";
import styles from "./LowBalance.module.css";
import type { Wallet } from "./WalletPage";

/** Below which balance a mail comes, and the way to change that. */
export function LowBalance({ wallet, mayChange }: { wallet: Wallet; mayChange: boolean }) {
  const { t } = useTranslation("wallet");
  const [isOpen, dialog] = useDisclosure();
  const change = mayChange && (
    <UnstyledButton className={styles.change} onClick={dialog.open}>
      {t("low_change")}
    </UnstyledButton>
  );
  return (
    <>
      <Stat
        label={t("low")}
        value={wallet.low_balance === null ? t("low_off") : <Money value={wallet.low_balance} />}
        note={change}
      />
      {isOpen && <Dialog wallet={wallet} onClose={dialog.close} />}
    </>
  );
}

function Dialog({ wallet, onClose }: { wallet: Wallet; onClose: () => void }) {
  const { t } = useTranslation("wallet");
  const client = useQueryClient();
  const currency = useSite()?.currency ?? "";
  const [amount, setAmount] = useState(wallet.low_balance ?? "");
  const [problem, setProblem] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const save = async (below: string | null) => {
    setError(null);
    try {
      await take(api.PUT("/api/v1/wallet/low-balance", { body: { below } }));
      await client.invalidateQueries({ queryKey: ["wallet"] });
      sayDone(t("common:saved"));
      onClose();
    } catch (thrown) {
      setError(thrown as Error);
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isAmount(amount)) void save(amount.trim());
    else setProblem(t("amount_needed"));
  };
  return (
    <Modal opened onClose={onClose} title={t("low")} closeButtonProps={{ "aria-label": t("common:close") }}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {error && <ErrorNote error={error} />}
          {!wallet.can_be_mailed && <div role="note">{t("low_unverified")}</div>}
          <TextInput
            label={t("low_below")}
            description={t("low_hint")}
            inputMode="decimal"
            autoComplete="off"
            required
            data-autofocus
            w={220}
            rightSection={<small>{currency}</small>}
            rightSectionWidth={48}
            value={amount}
            error={problem}
            onChange={(event) => {
              setAmount(event.currentTarget.value);
              setProblem("");
            }}
          />
          <Group justify="flex-end" gap="xs">
            {wallet.low_balance !== null && (
              <Button variant="default" onClick={() => void save(null)}>
                {t("low_stop")}
              </Button>
            )}
            <Button type="submit">{t("common:save")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
