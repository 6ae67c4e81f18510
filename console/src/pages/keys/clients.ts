import { SNIPPETS } from "../home/snippets";

/** What goes into a client's settings. */
export interface Ways {
  origin: string; // without /v1
  baseUrl: string; // with it
  key: string;
  model: string;
  anthropicModel: string; // "" where no model speaks Anthropic's API
}

export interface Client {
  name: string;
  title: string;
  settings?: (ways: Ways) => [field: string, value: string][]; // `field` is a key of the texts
  code?: (ways: Ways) => string;
  needsAnthropic?: boolean;
}

const KEY = "YOUR_KEY";

/** Programs that people use, and what each calls the address and the key. Where to type it stands in the texts. */
export const CLIENTS: Client[] = [
  ...SNIPPETS.map((one) => ({
    name: one.name,
    title: one.title,
    code: (ways: Ways) => one.code(ways.baseUrl, ways.model).replace(KEY, ways.key),
  })),
  {
    name: "cherry-studio",
    title: "Cherry Studio",
    settings: ({ origin, key, model }) => [
      ["api_key", key],
      ["api_host", origin],
      ["model", model],
    ],
  },
  {
    name: "lobechat",
    title: "LobeChat",
    settings: ({ baseUrl, key, model }) => [
      ["api_key", key],
      ["proxy_url", baseUrl],
      ["model", model],
    ],
  },
  {
    name: "chatbox",
    title: "Chatbox",
    settings: ({ origin, key, model }) => [
      ["api_key", key],
      ["api_host", origin],
      ["api_path", "/v1/chat/completions"],
      ["model", model],
    ],
  },
  {
    name: "nextchat",
    title: "NextChat",
    settings: ({ origin, key, model }) => [
      ["endpoint", origin],
      ["api_key", key],
      ["custom_model", model],
    ],
  },
  {
    name: "open-webui",
    title: "Open WebUI",
    settings: ({ baseUrl, key }) => [
      ["url", baseUrl],
      ["api_key", key],
    ],
  },
  {
    name: "codex",
    title: "Codex CLI",
    code: ({ baseUrl, key, model }) => `# ~/.codex/config.toml
model = "${model}"
model_provider = "relay"

[model_providers.relay]
name = "Relay"
base_url = "${baseUrl}"
env_key = "RELAY_API_KEY"
wire_api = "chat"

# in the shell
export RELAY_API_KEY="${key}"`,
  },
  {
    name: "claude-code",
    title: "Claude Code",
    needsAnthropic: true,
    code: ({ origin, key, anthropicModel }) => `export ANTHROPIC_BASE_URL="${origin}"
export ANTHROPIC_AUTH_TOKEN="${key}"
export ANTHROPIC_MODEL="${anthropicModel || "MODEL"}"
claude`,
  },
  {
    name: "cursor",
    title: "Cursor",
    settings: ({ baseUrl, key, model }) => [
      ["openai_key", key],
      ["override_url", baseUrl],
      ["model", model],
    ],
  },
  {
    name: "dify",
    title: "Dify",
    settings: ({ baseUrl, key, model }) => [
      ["model", model],
      ["api_key", key],
      ["endpoint_url", baseUrl],
    ],
  },
  {
    name: "immersive-translate",
    title: "Immersive Translate",
    settings: ({ baseUrl, key, model }) => [
      ["full_url", `${baseUrl}/chat/completions`],
      ["api_key", key],
      ["model", model],
    ],
  },
];
