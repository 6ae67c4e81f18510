import { Anchor, Button, PasswordInput, Stack } from "@mantine/core";
import { useForm } from "@mantine/form";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Problem } from "@/api/problems";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";

interface Props {
  action: string;
  onChosen: (password: string) => Promise<void>;
  anew: string; // where another link is asked for, once this one was used or is too old
  children?: ReactNode; // what else is to be chosen
}

/** Choose a password, for what `onChosen` does with it; what that throws is shown. */
export function PasswordForm({ action, onChosen, anew, children }: Props) {
  const { t } = useTranslation("entry");
  const form = useForm({ initialValues: { password: "" } });
  const { error, submit } = useSubmit(form, async ({ password }) => {
    await onChosen(password);
  });
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {error && <ErrorNote error={error} />}
        {error instanceof Problem && error.code === "link_spent" && (
          <Anchor component={Link} to={anew} reloadDocument size="sm">
            {t("another_link")}
          </Anchor>
        )}
        <PasswordInput
          label={t("password")}
          description={t("password_hint")}
          autoComplete="new-password"
          minLength={10}
          required
          autoFocus
          {...form.getInputProps("password")}
        />
        {children}
        <Button type="submit" loading={form.submitting}>
          {action}
        </Button>
      </Stack>
    </form>
  );
}
