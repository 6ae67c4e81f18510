import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, take } from "@/api/client";
import { useSite } from "@/api/site";
import { CodeBlock, CopyLine } from "@/ui/Code";
import { cheapestOf } from "../prices/model";
import { CLIENTS, type Client, type Ways } from "./clients";
import styles from "./Keys.module.css";

const FIRST = "python";

/** The models of one's plan with their prices; of any plan where it is not known. */
export function usePrices(plan: string | undefined) {
  return useQuery({
    queryKey: ["prices", plan ?? ""],
    queryFn: () => take(api.GET("/api/v1/prices", { params: { query: plan ? { plan } : {} } })),
    staleTime: 300_000,
  });
}

/** How to call the relay from the programs that people use; with a key that was just made, ready to paste. */
export function Connect({ plan, secret }: { plan?: string; secret?: string }) {
  const { t } = useTranslation("keys");
  const [name, choose] = useState(FIRST);
  const site = useSite();
  const { data: prices } = usePrices(plan);
  const origin = site?.public_url || location.origin;
  const chat = prices?.models.filter((one) => one.kind === "chat") ?? [];
  const ways: Ways = {
    origin,
    baseUrl: `${origin}/v1`,
    key: secret ?? "YOUR_KEY",
    model: cheapestOf(chat)?.name ?? "gpt-4o-mini",
    anthropicModel: cheapestOf(chat.filter((one) => one.dialects.includes("anthropic")))?.name ?? "",
  };
  const client = CLIENTS.find((one) => one.name === name)!;
  return (
    <div className={styles.connect}>
      <Select
        label={t("client")}
        data={CLIENTS.map((one) => ({ value: one.name, label: one.title }))}
        value={name}
        onChange={(chosen) => choose(chosen ?? FIRST)}
        allowDeselect={false}
        maxDropdownHeight={360}
      />
      <How client={client} ways={ways} isPricesKnown={prices !== undefined} />
    </div>
  );
}

function How({ client, ways, isPricesKnown }: { client: Client; ways: Ways; isPricesKnown: boolean }) {
  const { t } = useTranslation("keys");
  const lacks = client.needsAnthropic && isPricesKnown && !ways.anthropicModel;
  return (
    <div className={styles.how}>
      <p>{t(`where.${client.name}`)}</p>
      {lacks && <p className={styles.lacks}>{t("no_anthropic")}</p>}
      {client.code && <CodeBlock code={client.code(ways)} label={client.title} />}
      {client.settings && (
        <dl className={styles.settings}>
          {client.settings(ways).map(([field, value]) => (
            <div key={field}>
              <dt>{t(`field.${field}`)}</dt>
              <dd>
                <CopyLine value={value} label={t(`field.${field}`)} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}
