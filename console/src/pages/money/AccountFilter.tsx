import { CloseButton } from "@mantine/core";
import { useState, type FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { SearchInput } from "@/ui/SearchInput";

/** Asks for one member's email or id; "" for all. */
export function AccountFilter({ value, onChange }: { value: string; onChange: (account: string) => void }) {
  const { t } = useTranslation("money");
  const [typed, setTyped] = useState(value);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onChange(typed.trim());
  };
  const clear = () => {
    setTyped("");
    onChange("");
  };
  return (
    <form onSubmit={submit} role="search">
      <SearchInput
        aria-label={t("account_filter")}
        placeholder={t("account_filter")}
        w={260}
        rightSection={typed && <CloseButton size="sm" aria-label={t("clear")} onClick={clear} />}
        value={typed}
        onChange={setTyped}
        onBlur={() => onChange(typed.trim())}
      />
    </form>
  );
}
