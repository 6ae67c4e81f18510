import { Anchor, Button, Drawer } from "@mantine/core";
import { useDisclosure, useLocalStorage } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { IconAdjustmentsHorizontal, IconPlus } from "@tabler/icons-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, take } from "@/api/client";
import { mayUse, useMember } from "@/api/session";
import { EmptyState } from "@/ui/EmptyState";
import { ErrorNote } from "@/ui/ErrorNote";
import { Page } from "@/ui/Page";
import { PageSkeleton } from "@/ui/PageSkeleton";
import { usePrices } from "../keys/Connect";
import { cheapestOf } from "../prices/model";
import { CallDetails } from "../usage/CallDetails";
import { Composer } from "./Composer";
import { newConversation, type Conversation } from "./conversations";
import { History } from "./History";
import { Messages } from "./Messages";
import { Settings } from "./Settings";
import { useChat } from "./useChat";
import { useConversations } from "./useConversations";
import styles from "./Playground.module.css";

const BLANK = { system: "", temperature: null, maxTokens: null };

/** Chat with the models of one's plan, through the relay, on one's own limits and balance. */
export default function PlaygroundPage() {
  const { t } = useTranslation("playground");
  const member = useMember();
  const wallet = useQuery({ queryKey: ["wallet"], queryFn: () => take(api.GET("/api/v1/wallet")) });
  const prices = usePrices(wallet.data?.plan);
  const models = prices.data?.models.filter((one) => one.kind === "chat");
  const error = wallet.error ?? prices.error;
  if (error) {
    return (
      <Page title={t("title")}>
        <ErrorNote error={error} onRetry={() => void (wallet.error ? wallet.refetch() : prices.refetch())} />
      </Page>
    );
  }
  if (!wallet.data || !models) return <PageSkeleton />;
  if (models.length === 0 || !mayUse(member, "keys:write")) {
    return (
      <Page title={t("title")}>
        <EmptyState title={t(models.length === 0 ? "no_models" : "only_looking")} />
      </Page>
    );
  }
  return <Playground accountId={member.account_id} models={models} />;
}

function Playground({ accountId, models }: { accountId: string; models: Parameters<typeof Settings>[0]["models"] }) {
  const { t } = useTranslation("playground");
  const [lastModel, rememberModel] = useLocalStorage({ key: "posthouse-playground-model", defaultValue: "", getInitialValueInEffect: false });
  const model = models.some((one) => one.name === lastModel) ? lastModel : cheapestOf(models)!.name;
  const { known, isKept, keep, remove } = useConversations(accountId);
  const chat = useChat(newConversation({ model, ...BLANK }), keep);
  const { conversation, isAnswering } = chat;
  const [isOpen, side] = useDisclosure();
  const [call, setCall] = useState(""); // whose details are shown
  useEffect(() => rememberModel(conversation.model), [conversation.model, rememberModel]);
  const begin = () => {
    const { system, temperature, maxTokens } = conversation;
    chat.show(newConversation({ model: conversation.model, system, temperature, maxTokens }));
    side.close();
  };
  const show = (chosen: Conversation) => {
    const isSold = models.some((one) => one.name === chosen.model);
    chat.show(isSold ? chosen : { ...chosen, model });
    side.close();
  };
  const forget = (ids: string[]) => {
    remove(ids);
    if (ids.includes(conversation.id)) begin();
  };
  const panel = (
    <div className={styles.panel}>
      <Button variant="default" leftSection={<IconPlus size={15} aria-hidden />} onClick={begin} disabled={conversation.messages.length === 0}>
        {t("new")}
      </Button>
      <Settings models={models} values={conversation} onChange={chat.change} />
      <div>
        <h2 className={styles.heading}>{t("earlier")}</h2>
        <History known={known} shownId={conversation.id} onShow={show} onRemove={forget} />
        <p className={styles.note}>{t(isKept ? "kept_here" : "not_kept")}</p>
      </div>
    </div>
  );
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={
        <Button className={styles.open} variant="default" leftSection={<IconAdjustmentsHorizontal size={16} aria-hidden />} onClick={side.open}>
          {conversation.model}
        </Button>
      }
    >
      <div className={styles.columns}>
        <div className={styles.chat}>
          {conversation.messages.length === 0 ? (
            <EmptyState title={t("begin")}>
              {t("begin_text")}{" "}
              <Anchor component={Link} to="/keys" underline="always">
                {t("begin_keys")}
              </Anchor>
            </EmptyState>
          ) : (
            <Messages messages={conversation.messages} isAnswering={isAnswering} onAgain={() => void chat.again()} onDetails={setCall} />
          )}
          <Composer
            isAnswering={isAnswering}
            isReady={Boolean(conversation.model)}
            onSay={(text, images) => void chat.say(text, images)}
            onStop={chat.stop}
          />
        </div>
        <aside className={styles.side} aria-label={t("parameters")}>
          {panel}
        </aside>
      </div>
      <Drawer
        opened={isOpen}
        onClose={side.close}
        position="right"
        size="20rem"
        title={t("parameters")}
      >
        {panel}
      </Drawer>
      <CallDetails
        requestId={call}
        read={(request_id) => take(api.GET("/api/v1/usage/{request_id}", { params: { path: { request_id } } }))}
        onClose={() => setCall("")}
      />
    </Page>
  );
}
