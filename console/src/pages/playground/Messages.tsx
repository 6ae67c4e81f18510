import { ActionIcon, Anchor, Loader, Tooltip } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Copy } from "@/ui/Copy";
import { Count, formatDuration } from "@/ui/Count";
import { Markdown } from "@/ui/Markdown";
import { Money } from "@/ui/Money";
import type { Message } from "./conversations";
import styles from "./Playground.module.css";

interface Props {
  messages: Message[];
  isAnswering: boolean;
  onAgain: () => void;
  onDetails: (requestId: string) => void;
}

const NEAR_END_PX = 160; // who has scrolled further up reads there, and is left alone

/** What was said, with tokens and cost under each answer. */
export function Messages({ messages, isAnswering, onAgain, onDetails }: Props) {
  const { t } = useTranslation("playground");
  const end = useRef<HTMLDivElement>(null);
  const last = messages.at(-1);
  const length = (last?.text.length ?? 0) + (last?.thinking?.length ?? 0);
  useEffect(() => {
    const below = (end.current?.getBoundingClientRect().top ?? 0) - innerHeight;
    if (below < NEAR_END_PX) end.current?.scrollIntoView({ block: "end" });
  }, [messages.length, length]);
  return (
    <div className={styles.messages}>
      <ol aria-label={t("conversation")}>
        {messages.map((one, index) => {
          const isLast = index === messages.length - 1;
          return (
            <li key={one.id} data-role={one.role}>
              <span className={styles.speaker}>{t(`role.${one.role}`)}</span>
              <Said message={one} isRunning={isLast && isAnswering} />
              {one.role === "assistant" && !(isLast && isAnswering) && (
                <Foot message={one} onAgain={isLast ? onAgain : undefined} onDetails={onDetails} />
              )}
            </li>
          );
        })}
      </ol>
      <div ref={end} className={styles.end} role="status">
        {!isAnswering && last?.role === "assistant" && <span className={styles.unseen}>{t(last.isStopped ? "stopped" : "answered")}</span>}
      </div>
    </div>
  );
}

function Said({ message, isRunning }: { message: Message; isRunning: boolean }) {
  const { t } = useTranslation("playground");
  return (
    <div className={styles.said} aria-busy={isRunning || undefined}>
      {message.images.length > 0 && (
        <div className={styles.pictures}>
          {message.images.map((url, index) => (
            <img key={index} src={url} alt={t("picture", { number: index + 1 })} />
          ))}
        </div>
      )}
      {message.thinking && (
        <details className={styles.thinking} open={isRunning && !message.text}>
          <summary>{t("thinking")}</summary>
          <p>{message.thinking}</p>
        </details>
      )}
      {message.role === "user" ? <p className={styles.plain}>{message.text}</p> : message.text && <Markdown>{message.text}</Markdown>}
      {isRunning && !message.text && <Loader size="xs" type="dots" aria-label={t("waiting")} />}
      {message.error && (
        <p className={styles.failed} role="alert">
          {message.error}
        </p>
      )}
      {message.isStopped && <p className={styles.stopped}>{t("stopped")}</p>}
    </div>
  );
}

interface FootProps {
  message: Message;
  onAgain?: () => void;
  onDetails: (requestId: string) => void;
}

function Foot({ message, onAgain, onDetails }: FootProps) {
  const { t, i18n } = useTranslation("playground");
  const { answered } = message;
  return (
    <div className={styles.foot}>
      {answered && (
        <>
          {answered.promptTokens !== null && (
            <span>
              {t("tokens_in")} <Count value={answered.promptTokens} /> · {t("tokens_out")}{" "}
              <Count value={answered.completionTokens ?? 0} />
            </span>
          )}
          {answered.charge !== null && (
            <span>
              <Money value={answered.charge} decimals="all" />
            </span>
          )}
          <span>{formatDuration(answered.ms, i18n.language)}</span>
          {answered.charge !== null && (
            <Anchor component="button" size="xs" onClick={() => onDetails(answered.requestId)}>
              {t("details")}
            </Anchor>
          )}
        </>
      )}
      <span className={styles.tools}>
        {message.text && <Copy value={message.text} what={t("the_answer")} />}
        {onAgain && (
          <Tooltip label={t("again")}>
            <ActionIcon size="md" aria-label={t("again")} onClick={onAgain}>
              <IconRefresh size={15} stroke={1.7} aria-hidden />
            </ActionIcon>
          </Tooltip>
        )}
      </span>
    </div>
  );
}
