import { Button, Group, Stack, UnstyledButton } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useDisclosure } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { AmountInput } from "@/ui/AmountInput";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
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
      {isOpen && <Form wallet={wallet} onClose={dialog.close} />}
    </>
  );
}

function Form({ wallet, onClose }: { wallet: Wallet; onClose: () => void }) {
  const { t } = useTranslation("wallet");
  const client = useQueryClient();
  const form = useForm({
    initialValues: { below: wallet.low_balance ?? "" },
    validate: { below: (amount: string) => (!amount || isAmount(amount) ? null : t("amount_needed")) },
  });
  const { error, submit } = useSubmit(form, async ({ below }) => {
    await take(api.PUT("/api/v1/wallet/low-balance", { body: { below: below.trim() || null } }));
    await client.invalidateQueries({ queryKey: ["wallet"] });
    sayDone(t("common:saved"));
    onClose();
  });
  return (
    <Dialog onClose={onClose} title={t("low")}>
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          {error && <ErrorNote error={error} />}
          {!wallet.can_be_mailed && <div role="note">{t("low_unverified")}</div>}
          <AmountInput label={t("low_below")} description={t("low_hint")} data-autofocus w={220} {...form.getInputProps("below")} />
          <Group justify="flex-end" gap="xs">
            {wallet.low_balance !== null && (
              <Button type="submit" variant="default" onClick={() => form.setValues({ below: "" })}>
                {t("low_stop")}
              </Button>
            )}
            <Button type="submit" loading={form.submitting}>
              {t("common:save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
