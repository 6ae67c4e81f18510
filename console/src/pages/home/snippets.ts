interface Snippet {
  name: string;
  title: string;
  code: (baseUrl: string, model: string) => string;
}

/** A first call, in the languages that most begin with. */
export const SNIPPETS: Snippet[] = [
  {
    name: "python",
    title: "Python",
    code: (baseUrl, model) => `from openai import OpenAI

client = OpenAI(
    base_url="${baseUrl}",
    api_key="YOUR_KEY",
)
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello 你好"}],
)
print(answer.choices[0].message.content)`,
  },
  {
    name: "node",
    title: "Node.js",
    code: (baseUrl, model) => `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "${baseUrl}",
  apiKey: "YOUR_KEY",
});
const answer = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Hello 你好" }],
});
console.log(answer.choices[0].message.content);`,
  },
  {
    name: "curl",
    title: "curl",
    code: (baseUrl, model) => `curl ${baseUrl}/chat/completions \\
  -H "Authorization: Bearer YOUR_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "model": "${model}",
    "messages": [
      {"role": "user", "content": "Hello 你好"}
    ]
  }'`,
  },
];
