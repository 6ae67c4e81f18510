import { PasswordInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { Form } from "./form";

interface Props {
  form: Form;
  name: string; // of the secret: "mail", "github", "oidc:NAME"
  label: string;
  isSet: boolean;
}

/** A secret that can be written, but not read: nothing typed leaves it as it is. */
export function SecretField({ form, name, label, isSet }: Props) {
  const { t } = useTranslation("settings");
  return (
    <PasswordInput
      label={label}
      description={t(isSet ? "secret_set" : "secret_unset")}
      placeholder={isSet ? "••••••••" : ""}
      autoComplete="new-password"
      error={form.errors[`secrets.${name}`]}
      value={form.values.secrets[name] ?? ""}
      onChange={(event) => form.setFieldValue("secrets", { ...form.values.secrets, [name]: event.currentTarget.value })}
    />
  );
}
