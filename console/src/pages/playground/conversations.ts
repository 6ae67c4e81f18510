/** Conversations stay in this browser: in IndexedDB, since pictures soon fill what localStorage has. Each account
 * has a store of its own. */

import { newId } from "@/ui/ids";

interface Answered {
  requestId: string;
  promptTokens: number | null; // null: the upstream did not say
  completionTokens: number | null;
  charge: string | null; // null: not known (yet)
  ms: number;
}

export interface Message {
  id: string;
  role: "user" | "assistant";
  text: string;
  images: string[]; // data: URLs
  thinking?: string; // what a reasoning model said before its answer
  error?: string;
  isStopped?: boolean;
  answered?: Answered;
}

export interface Parameters {
  model: string;
  system: string;
  temperature: number | null; // null: the model's own
  maxTokens: number | null;
}

export interface Conversation extends Parameters {
  id: string;
  title: string; // the beginning of its first message
  messages: Message[];
  updatedMs: number;
}

const STORE = "conversations";
const KEPT_MAX = 200; // the oldest go: a list that nobody reads to its end
const TITLE_CHARS = 60;

export function newConversation(parameters: Parameters): Conversation {
  return { ...parameters, id: newId(), title: "", messages: [], updatedMs: Date.now() };
}

export function titled(conversation: Conversation): Conversation {
  const first = conversation.messages.find((one) => one.role === "user")?.text ?? "";
  return { ...conversation, title: [...first.replace(/\s+/g, " ").trim()].slice(0, TITLE_CHARS).join("") };
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((done, failed) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error ?? new Error("IndexedDB"));
  });
}

/** The store of one account's conversations. Where the browser has none (a private window), all of these reject,
 * and a conversation lasts as long as its page. */
export class Conversations {
  private readonly open: Promise<IDBDatabase>;

  constructor(accountId: string) {
    const request = indexedDB.open(`posthouse-playground-${accountId}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    this.open = settled(request);
    this.open.catch(() => {});
  }

  /** Newest first. */
  async all(): Promise<Conversation[]> {
    const found: Conversation[] = await settled((await this.store("readonly")).getAll());
    return found.sort((one, other) => other.updatedMs - one.updatedMs);
  }

  async put(conversation: Conversation): Promise<void> {
    await settled((await this.store("readwrite")).put(conversation));
  }

  async remove(ids: string[]): Promise<void> {
    const store = await this.store("readwrite");
    await Promise.all(ids.map((id) => settled(store.delete(id))));
  }

  async prune(): Promise<void> {
    await this.remove((await this.all()).slice(KEPT_MAX).map((one) => one.id));
  }

  private async store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    return (await this.open).transaction(STORE, mode).objectStore(STORE);
  }
}
