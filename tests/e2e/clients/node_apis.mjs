// What a client for Node of Responses or Messages sees of two peers: node node_apis.mjs CLIENT URLS NODE_MODULES, one
// JSON object on stdout. URLS are those of the peer that is asked, of its engine and of the other peer's.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [client, urls, folder] = process.argv.slice(2);
const [url, ...engines] = urls.split(" ");
const require = createRequire(pathToFileURL(join(folder, "any.js")));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const PLACES = { "your own engine": "mine", "another peer's": "theirs" };
const HI = "Say good morning.";
const MANY = "Say many words.";
const FOUND = "print(1)";
const parameters = { type: "object", properties: { path: { type: "string" } }, required: ["path"] };
const same = (wanted, found) => {
  if (JSON.stringify(wanted) !== JSON.stringify(found)) throw new Error(JSON.stringify(found));
  return "ok";
};
const words = (text, tokens) => {
  if (!text || !(tokens > 0)) throw new Error(`${text} in ${tokens} tokens`);
  return "ok";
};
const refused = async (call) => {
  try {
    await call();
  } catch (error) {
    const status = error.status ?? error.statusCode;
    if (status !== 404) throw error;
    return `${error.constructor.name} ${status}`;
  }
  throw new Error("it was answered");
};
const active = async (model) => {
  const engine = engines[Object.values(PLACES).indexOf(model)];
  const asked = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
  return (await (await fetch(`${engine}/active`, asked)).json()).active;
};
const noticed = async (leave, model) => {
  await leave(model);
  const began = performance.now();
  while ((await active(model)) && performance.now() - began < 10000) await new Promise((end) => setTimeout(end, 10));
  const took = performance.now() - began;
  if (took >= 1000) throw new Error(`its engine worked on for ${took} ms`);
  return "ok";
};

const openai = async () => {
  const { default: OpenAI } = await load("openai");
  const sdk = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, timeout: 60000 });
  const tools = [{ type: "function", name: "read_file", parameters, strict: false }];
  const ask = async (model, input, stream, more = {}) => {
    if (!stream) return sdk.responses.create({ model, input, ...more });
    return sdk.responses.stream({ model, input, ...more }).finalResponse();
  };
  const said = (response) => words(response.output_text, response.usage.output_tokens);
  const usesTool = async (model, stream) => {
    const [call] = (await ask(model, HI, stream, { tools })).output;
    same(["read_file", { path: "a.py" }], [call.name, JSON.parse(call.arguments)]);
    const result = { type: "function_call_output", call_id: call.call_id, output: FOUND };
    return said(await ask(model, [{ role: "user", content: HI }, call, result], stream, { tools }));
  };
  const leave = async (model) => {
    let heard = 0;
    for await (const event of await sdk.responses.create({ model, input: MANY, stream: true })) {
      if (event.type === "response.output_text.delta" && ++heard === 5) break;
    }
  };
  return {
    words: async (model) => said(await ask(model, HI, false)),
    "words, streamed": async (model) => said(await ask(model, HI, true)),
    "a tool, and what it found": (model) => usesTool(model, false),
    "a tool, and what it found, streamed": (model) => usesTool(model, true),
    "who leaves is noticed within 1 s": (model) => noticed(leave, model),
    "an unknown model": () => refused(() => ask("nobody", HI, false)),
  };
};

const anthropic = async () => {
  const { default: Anthropic } = await load("@anthropic-ai/sdk");
  const sdk = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0, timeout: 60000 });
  const tools = [{ name: "read_file", input_schema: parameters }];
  const asked = (model, turns, more) => ({
    model,
    max_tokens: 300,
    messages: typeof turns === "string" ? [{ role: "user", content: turns }] : turns,
    ...more,
  });
  const ask = (model, turns, stream, more = {}) =>
    stream ? sdk.messages.stream(asked(model, turns, more)).finalMessage() : sdk.messages.create(asked(model, turns, more));
  const said = ({ content, usage }) => words(content.map((block) => block.text ?? "").join(""), usage.output_tokens);
  const usesTool = async (model, stream) => {
    const first = await ask(model, HI, stream, { tools });
    const [call] = first.content;
    same(["tool_use", "read_file", { path: "a.py" }], [first.stop_reason, call.name, call.input]);
    const turns = [
      { role: "user", content: HI },
      { role: "assistant", content: first.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: FOUND }] },
    ];
    return said(await ask(model, turns, stream, { tools }));
  };
  const leave = async (model) => {
    let heard = 0;
    for await (const event of await sdk.messages.create({ ...asked(model, MANY), stream: true })) {
      if (event.type === "content_block_delta" && ++heard === 5) break;
    }
  };
  return {
    words: async (model) => said(await ask(model, HI, false)),
    "words, streamed": async (model) => said(await ask(model, HI, true)),
    "a tool, and what it found": (model) => usesTool(model, false),
    "a tool, and what it found, streamed": (model) => usesTool(model, true),
    "tokens are counted": async (model) => {
      const { input_tokens } = await sdk.messages.countTokens({ model, messages: [{ role: "user", content: HI }] });
      return words("some", input_tokens);
    },
    "who leaves is noticed within 1 s": (model) => noticed(leave, model),
    "an unknown model": () => refused(() => ask("nobody", HI, false)),
  };
};

// Vercel's AI SDK by either API: it runs the tool itself.
const vercel = async (provider) => {
  const { generateText, streamText, tool, stepCountIs } = await load("ai");
  const { z } = await load("zod");
  const settings = { prompt: HI, maxRetries: 0, maxOutputTokens: 300 };
  const usesTool = async (model, ask) => {
    let path = "";
    const read_file = tool({
      description: "A file.",
      inputSchema: z.object({ path: z.string() }),
      execute: async (asked) => ((path = asked.path), FOUND),
    });
    const done = await ask({ ...settings, model: provider(model), tools: { read_file }, stopWhen: stepCountIs(3) });
    same("a.py", path);
    return done;
  };
  const whole = async (asked) => {
    const { text, usage } = await generateText(asked);
    return words(text, usage.outputTokens);
  };
  const streamed = async (asked) => {
    const stream = streamText({ ...asked, onError: ({ error }) => { throw error; } });
    let text = "";
    for await (const piece of stream.textStream) text += piece;
    return words(text, (await stream.usage).outputTokens);
  };
  const leave = async (model) => {
    const stop = new AbortController();
    const stream = streamText({ ...settings, model: provider(model), prompt: MANY, abortSignal: stop.signal, onError: () => {} });
    let heard = 0;
    for await (const _ of stream.textStream) if (++heard === 5) break;
    stop.abort();
  };
  return {
    words: (model) => whole({ ...settings, model: provider(model) }),
    "words, streamed": (model) => streamed({ ...settings, model: provider(model) }),
    "a tool, and what it found": (model) => usesTool(model, whole),
    "a tool, and what it found, streamed": (model) => usesTool(model, streamed),
    "who leaves is noticed within 1 s": (model) => noticed(leave, model),
    "an unknown model": () => refused(() => whole({ ...settings, model: provider("nobody") })),
  };
};
const withOpenAI = async () => {
  const { createOpenAI } = await load("@ai-sdk/openai");
  return vercel(createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" }).responses);
};
const withAnthropic = async () => {
  const { createAnthropic } = await load("@ai-sdk/anthropic");
  return vercel(createAnthropic({ baseURL: `${url}/v1`, apiKey: "none" }));
};

const [suite, named] = {
  openai: [openai, "openai"],
  anthropic: [anthropic, "@anthropic-ai/sdk"],
  "ai-sdk, Responses": [withOpenAI, "@ai-sdk/openai"],
  "ai-sdk, Messages": [withAnthropic, "@ai-sdk/anthropic"],
}[client];
const seen = {};
for (const [what, check] of Object.entries(await suite())) {
  for (const [place, model] of Object.entries(PLACES)) {
    const row = what === "an unknown model" ? what : `${what}, ${place}`;
    try {
      seen[row] = await check(model);
    } catch (error) {
      seen[row] = `failed: ${error}`.slice(0, 300);
    }
  }
}
const { version } = JSON.parse(readFileSync(join(folder, named, "package.json")));
console.log(JSON.stringify({ version, seen }));
process.exit(0); // what a client keeps open must not keep this open
