// What the openai package for Node sees of a peer: node node_client.mjs URL MODULE, one JSON object on stdout.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [url, folder] = process.argv.slice(2);
const { default: OpenAI } = await import(pathToFileURL(join(folder, "index.mjs")));
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0, timeout: 60000 });
const messages = [{ role: "user", content: "Say good morning." }];
const some = { max_tokens: 8, ignore_eos: true }; // so many tokens, whatever the model would have said
const words = (text) => {
  if (!text) throw new Error("no words");
  return "ok";
};
const refused = async (code, call) => {
  try {
    await call();
  } catch (error) {
    if (error.code !== code || !error.requestID) throw error;
    return `${error.constructor.name} \`${code}\``;
  }
  throw new Error("it was answered");
};
const checks = {
  models: async () => words((await client.models.list()).data.map((model) => model.id).join()),
  chat: async () =>
    words((await client.chat.completions.create({ model: "auto", messages, ...some })).choices[0].message.content),
  "chat, streamed": async () => {
    let text = "";
    const stream = await client.chat.completions.create({ model: "auto", messages, stream: true, ...some });
    for await (const chunk of stream) text += chunk.choices[0].delta.content ?? "";
    return words(text);
  },
  "a tool is called, streamed": async () => {
    const parameters = { type: "object", properties: { city: { type: "string", enum: ["Oslo"] } }, required: ["city"] };
    const tools = [{ type: "function", function: { name: "weather", description: "Weather of a city.", parameters } }];
    const tool_choice = { type: "function", function: { name: "weather" } };
    try {
      const stream = client.chat.completions.stream({ model: "auto", messages, tools, tool_choice, max_tokens: 100 });
      const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
      const [call] = message.tool_calls;
      const whole = finish_reason === "length" || JSON.parse(call.function.arguments) !== undefined; // cut is no fault
      return words(call.function.name === "weather" && whole);
    } catch (error) {
      if (error.code !== "capability_missing") throw error;
      return `${error.constructor.name} \`${error.code}\``;
    }
  },
  completions: async () =>
    words((await client.completions.create({ model: "auto", prompt: "Once", ...some })).choices[0].text),
  responses: async () =>
    words((await client.responses.create({ model: "auto", input: "hi", max_output_tokens: 8 })).usage.output_tokens),
  "responses, streamed": async () => {
    let last = "";
    const stream = await client.responses.create({ model: "auto", input: "hi", max_output_tokens: 8, stream: true });
    for await (const event of stream) last = event.type;
    return words(last === "response.completed" ? last : "");
  },
  "embeddings, which no peer makes": () =>
    refused("capability_missing", () => client.embeddings.create({ model: "auto", input: "hi" })),
  "an unknown model": () =>
    refused("model_not_found", () => client.chat.completions.create({ model: "nobody", messages })),
};
const seen = {};
for (const [name, check] of Object.entries(checks)) {
  try {
    seen[name] = await check();
  } catch (error) {
    seen[name] = `failed: ${error}`.slice(0, 300);
  }
}
const { version } = JSON.parse(readFileSync(join(folder, "package.json")));
console.log(JSON.stringify({ version, seen }));
