import { Button, Group, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import type { components } from "@/api/schema";
import { createPasskey, hasPasskeys, wasPutAway } from "@/pages/entry/passkeys";
import { Confirm } from "@/ui/Confirm";
import { DataTable, type Column } from "@/ui/DataTable";
import { ErrorNote } from "@/ui/ErrorNote";
import { sayDone } from "@/ui/notices";
import { Section } from "@/ui/Page";
import { Time } from "@/ui/Time";
import { useRefreshProfile } from "./profile";

type Passkey = components["schemas"]["PasskeyAnswer"];

export function PasskeysSection() {
  const { t } = useTranslation("profile");
  const refresh = useRefreshProfile();
  const [name, setName] = useState("");
  const [doomed, setDoomed] = useState<Passkey | null>(null);
  const query = useQuery({
    queryKey: ["profile", "passkeys"],
    queryFn: () => take(api.GET("/api/v1/profile/passkeys")),
  });
  const columns: Column<Passkey>[] = [
    { key: "name", title: t("name"), isLead: true, render: (one) => one.name },
    { key: "created", title: t("added"), render: (one) => <Time ms={one.created_ms} look="date" /> },
    { key: "used", title: t("used"), render: (one) => (one.used_ms ? <Time ms={one.used_ms} look="relative" /> : t("never")) },
    {
      key: "remove",
      title: "",
      align: "right",
      render: (one) => (
        <Button variant="subtle" color="red" size="compact-sm" onClick={() => setDoomed(one)}>
          {t("remove")}
        </Button>
      ),
    },
  ];
  const add = useMutation({
    mutationFn: async () => {
      const options = await take(api.POST("/api/v1/profile/passkeys/options"));
      const credential = await createPasskey(options.public_key);
      await take(api.POST("/api/v1/profile/passkeys", { body: { name: name || t("passkey_name"), credential } }));
      await refresh();
    },
    onSuccess: () => {
      setName("");
      sayDone(t("passkey_done"));
    },
  });
  const remove = async () => {
    if (!doomed) return;
    await take(api.DELETE("/api/v1/profile/passkeys/{passkey_id}", { params: { path: { passkey_id: doomed.id } } }));
    await refresh();
  };
  return (
    <Section title={t("passkeys")} lead={t("passkeys_lead")}>
      {add.error && !wasPutAway(add.error) && <ErrorNote error={add.error} />}
      <DataTable
        label={t("passkeys")}
        list={wholeList(query.data?.items, query)}
        columns={columns}
        rowKey={(one) => one.id}
        empty={t("no_passkeys")}
      />
      {hasPasskeys() ? (
        <Group align="end" gap="sm">
          <TextInput
            label={t("passkey_label")}
            placeholder={t("passkey_name")}
            maxLength={60}
            w="16rem"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Button variant="default" loading={add.isPending} onClick={() => add.mutate()}>
            {t("add_passkey")}
          </Button>
        </Group>
      ) : (
        <Text c="dimmed" size="sm">
          {t("passkeys_need_a_name")}
        </Text>
      )}
      <Confirm
        title={t("remove_passkey", { name: doomed?.name ?? "" })}
        action={t("remove")}
        isOpen={doomed !== null}
        onClose={() => setDoomed(null)}
        onConfirm={remove}
      >
        {t("remove_passkey_lead")}
      </Confirm>
    </Section>
  );
}
