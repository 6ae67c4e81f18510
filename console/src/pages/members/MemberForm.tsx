import { Button, Group, Select, Stack, Textarea } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import type { components } from "@/api/schema";
import { mayUse, useMember } from "@/api/session";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";
import { sayDone } from "@/ui/notices";
import { ROLES, usePlans } from "./MembersPage";

type Member = components["schemas"]["MemberAnswer"];

/** Plan, note and role of an account below one's own. */
export function MemberForm({ member }: { member: Member }) {
  const { t } = useTranslation("members");
  const client = useQueryClient();
  const plans = usePlans();
  const mayGiveRoles = mayUse(useMember(), "roles:write");
  const form = useForm({ initialValues: { plan: member.plan, note: member.note, role: member.role } });
  const { error, submit } = useSubmit(form, async ({ plan, note, role }) => {
    const at = { params: { path: { account_id: member.id } } };
    try {
      const body = { note, plan: plan === member.plan ? null : plan };
      await take(api.PATCH("/api/v1/admin/members/{account_id}", { ...at, body }));
      if (role !== member.role) await take(api.PUT("/api/v1/accounts/{account_id}/role", { ...at, body: { role } }));
      form.resetDirty();
      sayDone(t("common:saved"));
    } finally {
      await client.invalidateQueries({ queryKey: ["members"] });
    }
  });
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {error && <ErrorNote error={error} />}
        <Select
          label={t("plan")}
          data={plans.includes(form.values.plan) ? plans : [form.values.plan, ...plans]}
          allowDeselect={false}
          {...form.getInputProps("plan")}
        />
        {mayGiveRoles && (
          <Select
            label={t("role")}
            description={t(`role_hint.${form.values.role}`)}
            data={ROLES.map((one) => ({ value: one, label: t(`roles.${one}`) }))}
            allowDeselect={false}
            {...form.getInputProps("role")}
          />
        )}
        <Textarea
          label={t("note")}
          description={t("note_hint")}
          maxLength={4000}
          autosize
          minRows={3}
          maxRows={12}
          {...form.getInputProps("note")}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={form.submitting} disabled={!form.isDirty()}>
            {t("common:save")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
