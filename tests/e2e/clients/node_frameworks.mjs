// What a framework for Node sees of a peer: node node_frameworks.mjs FRAMEWORK URL NODE_MODULES, one JSON object on stdout.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [framework, url, folder] = process.argv.slice(2);
const require = createRequire(pathToFileURL(join(folder, "any.js")));
const load = (name) => import(pathToFileURL(require.resolve(name)));
const prompt = "Say good morning.";
const said = (text) => {
  if (typeof text !== "string") throw new Error(`no words: ${text}`);
  return "ok";
};
const tell = (error) => `${error.constructor.name} ${error.statusCode ?? error.status}`;
const refused = async (status, call) => {
  try {
    await call();
  } catch (error) {
    if ((error.statusCode ?? error.status) !== status) throw error;
    return tell(error);
  }
  throw new Error("it was answered");
};
const orRefused = async (call) => {
  try {
    return await call();
  } catch (error) {
    if ((error.statusCode ?? error.status) !== 422) throw error;
    return tell(error);
  }
};

const vercel = async () => {
  const { generateText, streamText, generateObject, tool, stepCountIs } = await load("ai");
  const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
  const { z } = await load("zod");
  const peer = createOpenAICompatible({ name: "ppai", baseURL: `${url}/v1`, supportsStructuredOutputs: true });
  const asked = { model: peer("auto"), prompt, maxOutputTokens: 8, maxRetries: 0 };
  let seen = "";
  const weather = tool({
    description: "The weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => (seen = `It rains in ${city}.`),
  });
  return {
    chat: async () => said((await generateText(asked)).text),
    "chat, streamed": async () => {
      let text = "";
      const { textStream } = streamText({ ...asked, onError: ({ error }) => { throw error; } });
      for await (const piece of textStream) text += piece;
      return said(text);
    },
    "chat, JSON schema": async () => {
      const schema = z.object({ yes: z.boolean() });
      const { object } = await generateObject({ ...asked, maxOutputTokens: 200, schema });
      return said(typeof object.yes === "boolean" ? "ok" : undefined);
    },
    "an agent with a tool": () =>
      orRefused(async () => {
        await generateText({ ...asked, tools: { weather }, stopWhen: stepCountIs(3) });
        return said(seen === "It rains in Oslo." ? seen : undefined);
      }),
    "an unknown model": () => refused(404, () => generateText({ ...asked, model: peer("nobody") })),
  };
};

const langchain = async () => {
  const { ChatOpenAI } = await load("@langchain/openai");
  const { tool } = await load("@langchain/core/tools");
  const { z } = await load("zod");
  const model = (name = "auto") =>
    new ChatOpenAI({ model: name, apiKey: "none", maxTokens: 200, maxRetries: 0, configuration: { baseURL: `${url}/v1` } });
  const weather = tool(() => "", { name: "weather", description: "Of a city.", schema: z.object({ city: z.string() }) });
  return {
    chat: async () => said((await model().invoke(prompt)).content),
    "chat, streamed": async () => {
      let text = "";
      for await (const piece of await model().stream(prompt)) text += piece.content;
      return said(text);
    },
    "chat, JSON schema": async () => {
      const asked = model().withStructuredOutput(z.object({ yes: z.boolean() }), { method: "jsonSchema" });
      return said(typeof (await asked.invoke(prompt)).yes === "boolean" ? "ok" : undefined);
    },
    "a tool is called": () =>
      orRefused(async () => {
        const [call] = (await model().bindTools([weather]).invoke(prompt)).tool_calls;
        return said(call.name === "weather" && call.args.city === "Oslo" ? "ok" : undefined);
      }),
    "an unknown model": () => refused(404, () => model("nobody").invoke(prompt)),
  };
};

const [suite, named] = { "ai-sdk": [vercel, "ai"], "langchain-js": [langchain, "@langchain/openai"] }[framework];
const seen = {};
for (const [name, check] of Object.entries(await suite())) {
  try {
    seen[name] = await check();
  } catch (error) {
    seen[name] = `failed: ${error}`.slice(0, 300);
  }
}
const { version } = JSON.parse(readFileSync(join(folder, named, "package.json")));
console.log(JSON.stringify({ version, seen }));
