import { Button, Stack } from "@mantine/core";
import { IconBrandGithub, IconFingerprint, IconLogin2 } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import styles from "./Entry.module.css";
import { askPasskey, hasPasskeys, wasPutAway } from "./passkeys";
import { leaveFor, type WaysIn } from "./waysIn";

interface Props {
  ways: WaysIn;
  next: string;
  code?: string; // an invitation's, to register with
  onPasskey?: () => Promise<void>; // somebody has signed in by passkey; without it passkeys are not offered
}

/** Passkeys and accounts elsewhere, under the form. */
export function OtherWays({ ways, next, code = "", onPasskey }: Props) {
  const { t } = useTranslation("entry");
  const [busy, setBusy] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const offersPasskeys = ways.passkeys && onPasskey !== undefined && hasPasskeys();
  if (!offersPasskeys && ways.elsewhere.length === 0) return null;

  const run = async (name: string, job: () => Promise<void>) => {
    setBusy(name);
    setError(null);
    try {
      await job();
    } catch (thrown) {
      setBusy("");
      if (!wasPutAway(thrown)) setError(thrown as Error);
    }
  };
  const signIn = async () => {
    const options = await take(api.POST("/api/v1/sign-in/passkey/options"));
    const credential = await askPasskey(options.public_key);
    await take(api.POST("/api/v1/sign-in/passkey", { body: { credential } }));
    await onPasskey?.();
  };
  return (
    <Stack gap="sm">
      {ways.password && <div className={styles.or}>{t("or")}</div>}
      {error && <ErrorNote error={error} />}
      {offersPasskeys && (
        <Button
          variant="default"
          leftSection={<IconFingerprint size={17} stroke={1.6} aria-hidden />}
          loading={busy === "passkey"}
          onClick={() => void run("passkey", signIn)}
        >
          {t("passkey")}
        </Button>
      )}
      {ways.elsewhere.map((one) => {
        const Icon = one.name === "github" ? IconBrandGithub : IconLogin2;
        return (
          <Button
            key={one.name}
            variant="default"
            leftSection={<Icon size={17} stroke={1.6} aria-hidden />}
            loading={busy === one.name}
            onClick={() => void run(one.name, () => leaveFor(one.name, next, code))}
          >
            {t("with", { name: one.title })}
          </Button>
        );
      })}
    </Stack>
  );
}
