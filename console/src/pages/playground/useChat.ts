import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { newId } from "@/ui/ids";
import { titled, type Conversation, type Message } from "./conversations";
import { ask, chargedOf, Refused } from "./relay";

interface Chat {
  conversation: Conversation;
  isAnswering: boolean;
  show: (conversation: Conversation) => void;
  change: (fields: Partial<Conversation>) => void;
  say: (text: string, images: string[]) => Promise<void>;
  again: () => Promise<void>;
  stop: () => void;
}

/** One conversation with a model. `keep` is told when a turn has ended. */
export function useChat(first: Conversation, keep: (conversation: Conversation) => void): Chat {
  const { t } = useTranslation("playground");
  const [conversation, setConversation] = useState(first);
  const [isAnswering, setAnswering] = useState(false);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const answer = async (asked: Conversation) => {
    const reply: Message = { id: newId(), role: "assistant", text: "", images: [] };
    const stopper = new AbortController();
    const startedMs = performance.now();
    running.current = stopper;
    setAnswering(true);
    const show = paced(() => setConversation({ ...asked, messages: [...asked.messages, { ...reply }] }));
    show.now();
    let requestId = "";
    try {
      const ended = await ask(asked, asked.messages, stopper.signal, {
        begun: (id) => (requestId = id),
        delta: ({ text, thinking }) => {
          reply.text += text;
          if (thinking) reply.thinking = (reply.thinking ?? "") + thinking;
          show.soon();
        },
      });
      reply.answered = { ...ended, charge: null, ms: performance.now() - startedMs };
    } catch (thrown) {
      if (stopper.signal.aborted) reply.isStopped = true;
      else reply.error = thrown instanceof Refused && thrown.message ? thrown.message : t("broken");
      if (requestId) reply.answered = { requestId, promptTokens: null, completionTokens: null, charge: null, ms: performance.now() - startedMs };
    }
    show.now();
    setAnswering(false);
    const finish = () => {
      const whole = titled({ ...asked, messages: [...asked.messages, { ...reply }] });
      setConversation((now) => (now.id === whole.id ? { ...now, title: whole.title, messages: whole.messages } : now));
      keep(whole);
    };
    finish();
    if (reply.answered && (reply.text || reply.thinking)) {
      reply.answered = { ...reply.answered, ...(await chargedOf(reply.answered.requestId)) };
      if (running.current === stopper) finish(); // else a newer question stands below it
    }
  };

  return {
    conversation,
    isAnswering,
    show: (other) => {
      running.current?.abort();
      setConversation(other);
    },
    change: (fields) => setConversation((now) => ({ ...now, ...fields })),
    say: (text, images) => {
      const message: Message = { id: newId(), role: "user", text, images };
      return answer({ ...conversation, messages: [...conversation.messages, message] });
    },
    again: () => {
      const last = conversation.messages.at(-1);
      const messages = last?.role === "assistant" ? conversation.messages.slice(0, -1) : conversation.messages;
      return answer({ ...conversation, messages });
    },
    stop: () => running.current?.abort(),
  };
}

/** Draws at most once a frame, however fast pieces come. */
function paced(draw: () => void) {
  let waiting = 0;
  const now = () => {
    cancelAnimationFrame(waiting);
    waiting = 0;
    draw();
  };
  return { now, soon: () => (waiting ||= requestAnimationFrame(now)) };
}
