import { Stack, Textarea, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { useNavigate } from "react-router";
import { api, take } from "@/api/client";
import { Dialog } from "@/ui/Dialog";
import { DialogFoot } from "@/ui/DialogFoot";
import { ErrorNote } from "@/ui/ErrorNote";
import { useSubmit } from "@/ui/forms";

/** Asks for a subject and a text, and goes to the ticket that they make. */
export function NewTicket({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation("desk");
  const navigate = useNavigate();
  const client = useQueryClient();
  const form = useForm({ initialValues: { subject: "", text: "" } });
  const { error, submit } = useSubmit(form, async (body) => {
    const made = await take(api.POST("/api/v1/tickets", { body }));
    await client.invalidateQueries({ queryKey: ["tickets"] });
    await navigate(`/tickets/${made.id}`);
  });
  return (
    <Dialog opened={isOpen} onClose={onClose} title={t("ask")} size="lg">
      <form onSubmit={submit}>
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
          <DialogFoot action={t("send")} isRunning={form.submitting} onCancel={onClose} />
        </Stack>
      </form>
    </Dialog>
  );
}
