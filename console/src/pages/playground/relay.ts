import { api, take } from "@/api/client";
import { language } from "@/app/i18n";
import type { Message, Parameters } from "./conversations";

/** Calls the relay as any client does, with the playground's own key. */

const PATH = "/v1/chat/completions";
const RENEW_MS = 300_000; // before the key ends
const UNAUTHORIZED = 401;
const COST_TRIES = 15;
const COST_PAUSE_MS = 400; // an answer that was stopped is charged a moment later, once its tokens are counted

interface Key {
  key: string;
  expires_ms: number;
}

export interface Charged {
  promptTokens: number;
  completionTokens: number;
  charge: string;
}

interface Delta {
  text: string;
  thinking: string;
}

export interface Ended {
  requestId: string;
  promptTokens: number | null;
  completionTokens: number | null;
}

/** What the relay or an upstream said instead of an answer, for people. */
export class Refused extends Error {}

let issued: Promise<Key> | null = null;

async function keyNow(): Promise<string> {
  const known = await issued?.catch(() => null);
  if (!known || known.expires_ms - Date.now() < RENEW_MS) issued = take(api.POST("/api/v1/playground/key"));
  return (await issued!).key;
}

async function send(body: unknown, signal: AbortSignal): Promise<Response> {
  const call = async () =>
    fetch(PATH, {
      method: "POST",
      signal,
      credentials: "omit",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${await keyNow()}`,
        "accept-language": language(),
      },
      body: JSON.stringify(body),
    });
  const answer = await call();
  if (answer.status !== UNAUTHORIZED) return answer;
  issued = null; // other pages have asked for newer keys since
  return call();
}

/** Asks for an answer and hands out what comes of it; ends with the answer. Throws Refused, or what `fetch` throws
 * when it is stopped or the relay is out of reach. */
export async function ask(
  parameters: Parameters,
  messages: Message[],
  signal: AbortSignal,
  on: { begun: (requestId: string) => void; delta: (delta: Delta) => void },
): Promise<Ended> {
  const answer = await send(bodyOf(parameters, messages), signal);
  const requestId = answer.headers.get("x-posthouse-request-id") ?? "";
  on.begun(requestId);
  if (!answer.ok || !answer.body) throw new Refused(await refusalOf(answer));
  const ended: Ended = { requestId, promptTokens: null, completionTokens: null };
  for await (const event of eventsOf(answer.body)) {
    if (event.error) throw new Refused(event.error.message ?? "");
    if (event.usage) {
      ended.promptTokens = event.usage.prompt_tokens ?? null;
      ended.completionTokens = event.usage.completion_tokens ?? null;
    }
    const delta = event.choices?.[0]?.delta;
    if (delta) on.delta({ text: delta.content ?? "", thinking: delta.reasoning_content ?? delta.reasoning ?? "" });
  }
  return ended;
}

/** What a call used and cost, exactly as it was charged; null where that is not to be had. */
export async function chargedOf(requestId: string): Promise<Charged | null> {
  for (let tries = 0; requestId && tries < COST_TRIES; tries += 1) {
    if (tries > 0) await new Promise((done) => setTimeout(done, COST_PAUSE_MS));
    const { data } = await api
      .GET("/api/v1/usage/{request_id}", { params: { path: { request_id: requestId } } })
      .catch(() => ({ data: undefined }));
    if (data) return { promptTokens: data.prompt_tokens, completionTokens: data.completion_tokens, charge: data.charge };
  }
  return null;
}

function bodyOf({ model, system, temperature, maxTokens }: Parameters, messages: Message[]) {
  const said = messages.filter((one) => one.text || one.images.length > 0);
  return {
    model,
    stream: true,
    stream_options: { include_usage: true },
    ...(temperature !== null && { temperature }),
    ...(maxTokens !== null && { max_tokens: maxTokens }),
    messages: [...(system.trim() ? [{ role: "system", content: system }] : []), ...said.map(contentOf)],
  };
}

function contentOf({ role, text, images }: Message) {
  if (images.length === 0) return { role, content: text };
  const pictures = images.map((url) => ({ type: "image_url", image_url: { url } }));
  return { role, content: [...(text ? [{ type: "text", text }] : []), ...pictures] };
}

async function refusalOf(answer: Response): Promise<string> {
  try {
    const body = (await answer.json()) as { error?: { message?: string } };
    return body.error?.message || answer.statusText;
  } catch {
    return answer.statusText;
  }
}

interface Chunk {
  choices?: { delta?: { content?: string | null; reasoning_content?: string; reasoning?: string } }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
  error?: { message?: string };
}

/** The data of a stream's events; what is no JSON ([DONE]) is left out. */
async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Chunk> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += decoder.decode(value, { stream: !done });
    const lines = rest.split("\n");
    rest = done ? "" : lines.pop()!;
    for (const line of lines) {
      const data = /^data:\s*(\{.*)$/.exec(line)?.[1];
      if (data) yield JSON.parse(data) as Chunk;
    }
    if (done) return;
  }
}
