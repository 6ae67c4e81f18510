import { Button, FileButton, Group, Input } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, headersFor, problemOf, take } from "@/api/client";
import { useSite } from "@/api/site";
import { Confirm } from "@/ui/Confirm";
import { ErrorNote } from "@/ui/ErrorNote";
import styles from "./Settings.module.css";

/** The logo; it is uploaded and taken away at once, without the form. */
export function Logo() {
  const { t } = useTranslation("settings");
  const client = useQueryClient();
  const logo = useSite()?.logo;
  const refresh = async () => {
    await client.invalidateQueries({ queryKey: ["settings"] });
    await client.invalidateQueries({ queryKey: ["site"] });
  };
  const upload = useMutation({ mutationFn: put, onSuccess: refresh });
  const [isLeaving, setLeaving] = useState(false);
  const remove = async () => {
    await take(api.DELETE("/api/v1/settings/logo"));
    await refresh();
  };
  return (
    <Input.Wrapper labelElement="div" label={t("logo")} description={t("logo_hint")}>
      <Group gap="xs" mt={6}>
        {logo && <img className={styles.logo} src={logo} alt={t("logo")} />}
        <FileButton accept="image/png,image/jpeg,image/webp" onChange={(file) => file && upload.mutate(file)}>
          {(props) => (
            <Button {...props} variant="default" loading={upload.isPending}>
              {t(logo ? "logo_replace" : "logo_upload")}
            </Button>
          )}
        </FileButton>
        {logo && (
          <Button variant="subtle" color="red" onClick={() => setLeaving(true)}>
            {t("logo_remove")}
          </Button>
        )}
      </Group>
      {upload.error && <ErrorNote error={upload.error} />}
      <Confirm
        title={t("logo_remove_question")}
        action={t("logo_remove")}
        isOpen={isLeaving}
        onClose={() => setLeaving(false)}
        onConfirm={remove}
      >
        {t("logo_remove_text")}
      </Confirm>
    </Input.Wrapper>
  );
}

/** Sends the image as it is. */
async function put(file: File): Promise<void> {
  const headers = { ...headersFor("PUT"), "content-type": "application/octet-stream" };
  const response = await fetch("/api/v1/settings/logo", { method: "PUT", headers, body: file, credentials: "same-origin" });
  if (response.ok) return;
  const body: unknown = await response.json().catch(() => null);
  const problem = problemOf(response, body);
  throw new Error(problem.fields["image"] ?? problem.message);
}
