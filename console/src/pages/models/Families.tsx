import { ActionIcon, Button, Group, Select, Stack, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { wholeList } from "@/api/lists";
import { showRefusal } from "@/pages/catalogue/fields";
import { useProposal } from "@/pages/catalogue/Proposal";
import { Count } from "@/ui/Count";
import { DataTable, type Column } from "@/ui/DataTable";
import { Dialog } from "@/ui/Dialog";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { sayFailed } from "@/ui/notices";
import { useFamilies, type Family } from "./data";

const KINDS = ["standard", "premium", "image", "image_legacy", "other"] as const;
type Kind = (typeof KINDS)[number];

/** Families of models: those of one share their limits. */
export function Families({ mayWrite }: { mayWrite: boolean }) {
  const { t } = useTranslation("models");
  const query = useFamilies();
  const [draft, setDraft] = useState<Family | "new" | null>(null);
  const proposal = useProposal(() => setDraft(null));
  const remove = (family: Family) =>
    proposal
      .propose((isDryRun) =>
        take(
          api.DELETE("/api/v1/families/{name}", {
            params: { path: { name: family.name }, query: { version: family.version, dry_run: isDryRun } },
          }),
        ),
      )
      .catch(sayFailed);
  const columns: Column<Family>[] = [
    { key: "name", title: t("column.family"), isLead: true, render: (one) => one.name },
    { key: "kind", title: t("column.quota"), render: (one) => t(`family_kind.${kindOf(one)}`) },
    { key: "models", title: t("column.models"), align: "right", render: (one) => <Count value={one.model_count} /> },
  ];
  if (mayWrite) {
    columns.push({
      key: "actions",
      title: "",
      align: "right",
      render: (one) => (
        <Group gap={4} justify="flex-end" wrap="nowrap">
          <ActionIcon aria-label={t("family.edit_title", { name: one.name })} onClick={() => setDraft(one)}>
            <IconPencil size={16} stroke={1.6} />
          </ActionIcon>
          <ActionIcon aria-label={t("family.remove", { name: one.name })} onClick={() => void remove(one)}>
            <IconTrash size={16} stroke={1.6} />
          </ActionIcon>
        </Group>
      ),
    });
  }
  return (
    <>
      <DataTable
        label={t("tab.families")}
        list={wholeList(query.data?.items, query)}
        columns={columns}
        rowKey={(one) => one.name}
        empty={t("family.none")}
      />
      {mayWrite && (
        <Button variant="default" size="compact-md" mt="md" leftSection={<IconPlus size={15} stroke={1.7} />} onClick={() => setDraft("new")}>
          {t("family.add")}
        </Button>
      )}
      <Dialog
        opened={draft !== null}
        onClose={() => setDraft(null)}
        title={draft === "new" || draft === null ? t("family.add") : t("family.edit_title", { name: draft.name })}
      >
        {draft && <FamilyForm family={draft === "new" ? null : draft} propose={proposal.propose} />}
      </Dialog>
      {proposal.dialog}
    </>
  );
}

function kindOf(family: Family): Kind {
  return (family.definition as Partial<Family["definition"]>).kind ?? "other";
}

function FamilyForm({ family, propose }: { family: Family | null; propose: ReturnType<typeof useProposal>["propose"] }) {
  const { t } = useTranslation("models");
  const form = useForm({
    initialValues: { name: family?.name ?? "", kind: (family ? kindOf(family) : "standard") as string },
    validate: { name: (value) => (value.trim() && !value.includes("/") ? null : t("family.name_rule")) },
  });
  const send = ({ name, kind }: typeof form.values) =>
    propose((isDryRun) =>
      take(
        api.PUT("/api/v1/families/{name}", {
          params: { path: { name: name.trim() }, query: { dry_run: isDryRun } },
          body: { version: family?.version ?? "", definition: { kind: kind as Kind } },
        }),
      ),
    );
  const { error, submit } = useSubmit(form, send, showRefusal);
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {!family && <TextInput label={t("column.family")} data-autofocus required {...form.getInputProps("name")} />}
        <Select
          label={t("column.quota")}
          description={t("family.kind_hint")}
          data={KINDS.map((one) => ({ value: one, label: t(`family_kind.${one}`) }))}
          allowDeselect={false}
          {...form.getInputProps("kind")}
        />
        {error && <ErrorNote error={error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={form.submitting}>
            {t("catalogue:preview.ask")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
