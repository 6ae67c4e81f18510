import { Autocomplete, Button, Select } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { ErrorNote } from "@/ui/ErrorNote";
import styles from "./Channels.module.css";
import type { Channel } from "./data";
import { PhaseBar } from "./PhaseBar";

const SUGGESTED_MAX = 200;

/** Asks the channel's upstream, and shows where the time went. */
export function TestPanel({ channel }: { channel: Channel }) {
  const { t } = useTranslation("channels");
  const [model, setModel] = useState("");
  const [credential, setCredential] = useState<string | null>(null);
  const test = useMutation({
    mutationFn: (asked: string) =>
      take(
        api.POST("/api/v1/channels/{name}/test", {
          params: { path: { name: channel.name } },
          body: { model: asked, credential: credential ?? "" },
        }),
      ),
  });
  const known = useQuery({
    queryKey: ["models", "of-channel", channel.name, channel.version],
    queryFn: () => take(api.GET("/api/v1/models", { params: { query: { limit: SUGGESTED_MAX } } })),
  });
  const offered = known.data?.items.filter((one) => one.channels.some((way) => way.channel === channel.name)) ?? [];
  const stored = channel.credentials.filter((one) => one.is_stored).map((one) => one.name);
  return (
    <div>
      <form
        className={styles.ask}
        onSubmit={(event) => {
          event.preventDefault();
          test.mutate(model.trim());
        }}
      >
        <Autocomplete
          label={t("test.model")}
          placeholder={t("test.model_none")}
          data={offered.map((one) => one.name)}
          maxDropdownHeight={320}
          value={model}
          onChange={setModel}
          w={240}
        />
        {stored.length > 1 && (
          <Select
            label={t("column.credential")}
            placeholder={t("test.first")}
            data={stored}
            value={credential}
            onChange={setCredential}
            clearable
            clearButtonProps={{ "aria-label": t("test.first") }}
            w={170}
          />
        )}
        <Button type="submit" variant="default" loading={test.isPending}>
          {t(model.trim() ? "test.ask_model" : "test.ask_list")}
        </Button>
        {model.trim() && <span className={styles.quiet}>{t("test.billed")}</span>}
      </form>
      {test.error && <ErrorNote error={test.error} />}
      {test.data && (
        <div style={{ marginTop: "1rem" }}>
          <PhaseBar result={test.data} model={test.variables} />
        </div>
      )}
    </div>
  );
}
