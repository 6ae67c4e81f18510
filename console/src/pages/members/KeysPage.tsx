import { Group } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useSearchParams } from "react-router";
import { mayUse, useMember } from "@/api/session";
import { Page } from "@/ui/Page";
import { Filter } from "./Filter";
import { KeyTable } from "./KeyTable";
import { queryOf } from "./key";
import { Search } from "./Search";

const STATES = ["active", "frozen", "revoked"] as const;

/** All members' keys. */
export default function KeysPage() {
  const { t } = useTranslation("members");
  const session = useMember();
  const [params] = useSearchParams();
  const filter = {
    search: params.get("q") ?? "",
    status: STATES.find((one) => one === params.get("status")),
  };
  return (
    <Page title={t("keys")} lead={t("keys_lead")}>
      <Group gap="md" align="flex-end">
        <Search label={t("search_keys")} hint={t("search_keys_hint")} toQuery={queryOf} />
        <Filter name="status" label={t("status")} data={STATES.map((one) => ({ value: one, label: t(`state.${one}`) }))} />
      </Group>
      <KeyTable filter={filter} mayChange={mayUse(session, "members:write")} empty={t("no_key_found")} />
    </Page>
  );
}
