import { Button, Group, Modal, Stack, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import { showProblem } from "@/ui/forms";

/** Asks for a subject and a text, and goes to the ticket that they make. */
export function NewTicket({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation("desk");
  const navigate = useNavigate();
  const client = useQueryClient();
  const [error, setError] = useState<Error | null>(null);
  const form = useForm({ initialValues: { subject: "", text: "" } });
  const send = form.onSubmit(async (body) => {
    try {
      const made = await take(api.POST("/api/v1/tickets", { body }));
      await client.invalidateQueries({ queryKey: ["tickets"] });
      await navigate(`/tickets/${made.id}`);
    } catch (thrown) {
      setError(showProblem(form, thrown));
    }
  });
  return (
    <Modal opened={isOpen} onClose={onClose} title={t("ask")} size="lg" closeButtonProps={{ "aria-label": t("common:close") }}>
      <form onSubmit={send}>
        <Stack gap="md">
          {error && <ErrorNote error={error} />}
          <TextInput
            label={t("subject")}
            description={t("subject_hint")}
            maxLength={120}
            required
            data-autofocus
            {...form.getInputProps("subject")}
          />
          <Textarea
            label={t("text")}
            description={t("text_hint")}
            maxLength={10_000}
            required
            autosize
            minRows={6}
            maxRows={16}
            {...form.getInputProps("text")}
          />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              {t("common:cancel")}
            </Button>
            <Button type="submit" loading={form.submitting}>
              {t("send")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
