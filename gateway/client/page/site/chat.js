// A chat with the network: answers stream, say who gave them and why, and two can be asked the same.
//
// What is said lives in this tab alone, and ends with it.

import { decision } from "./decision.js";
import { h, keep, put } from "./dom.js";
import { ask, isOwner, withToken } from "./entry.js";
import { group, me } from "./state.js";
import { reason } from "./words.js";

const AUTO = "";
let log,
  text,
  first,
  second,
  compare,
  send,
  stop,
  running = [],
  next = "";
const turns = []; // {role, content} of the conversation; a compared answer goes on with the left one

export const chat = {
  id: "chat",
  title: "Chat",
  icon: "chat",
  mount(section) {
    log = h("div", { class: "chat-log", "aria-live": "polite", "aria-busy": "false" });
    first = h("select", { "aria-label": "Who answers" });
    second = h("select", { "aria-label": "Compared with", hidden: true });
    compare = h("input", { type: "checkbox", on: { change: () => put(second, { hidden: !compare.checked }) } });
    text = h("textarea", {
      rows: 3,
      "aria-label": "Ask something",
      placeholder: "Ask something. Enter sends, Shift and Enter makes a line.",
      on: {
        keydown(event) {
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            askAll();
          }
        },
      },
    });
    send = h("button", { class: "main", text: "Ask" });
    stop = h("button", {
      type: "button",
      class: "quiet",
      text: "Stop",
      hidden: true,
      on: { click: () => running.forEach((one) => one.abort()) },
    });
    const anew = h("button", {
      type: "button",
      class: "quiet",
      text: "New",
      on: {
        click: () => {
          turns.length = 0;
          log.replaceChildren();
          text.focus();
        },
      },
    });
    section.append(
      log,
      h(
        "form",
        {
          class: "chat-box card",
          on: {
            submit: (event) => {
              event.preventDefault();
              askAll();
            },
          },
        },
        text,
        h(
          "div",
          { class: "toolbar" },
          first,
          second,
          h("label", { class: "check" }, compare, "compare two"),
          h("span", { class: "grow" }),
          anew,
          stop,
          send,
        ),
      ),
    );
  },
  draw(dirty) {
    if (dirty !== null && !["peer", "good", "me"].some((name) => dirty.has(name))) return;
    const choices = [{ value: AUTO, text: "the best for it (auto)" }];
    for (const agent of group("good").get("me") ?? [])
      choices.push({ value: `local ${agent.name}`, text: `${agent.name}, here` });
    for (const peer of group("peer").values()) {
      if (peer.state !== "alive" || !peer.rights.includes("answer")) continue;
      for (const agent of group("good").get(peer.id) ?? [])
        choices.push({ value: `${peer.id} ${agent.name}`, text: `${agent.name}, ${peer.shown}` });
    }
    for (const select of [first, second]) {
      const value = select.value;
      keep(
        select,
        choices,
        (one) => one.value,
        (one) => h("option", { value: one.value }),
        (node, one) => put(node, { text: one.text }),
      );
      if (choices.some((one) => one.value === value)) select.value = value;
    }
    const chosen = next && choices.find((one) => one.value.startsWith(`${next} `));
    if (chosen) first.value = chosen.value;
    next = "";
  },
};

/** The chat begins with this peer's first agent when it is shown next. */
export function askNext(peer) {
  next = peer;
}

async function askAll() {
  const content = text.value.trim();
  if (!content || running.length) return;
  text.value = "";
  turns.push({ role: "user", content });
  const asked = [first.value, ...(compare.checked ? [second.value] : [])];
  const answers = asked.map(() => answerBox());
  log.append(
    h("div", { class: "said-by-you", text: content }),
    h(
      "div",
      { class: asked.length > 1 ? "answers pair" : "answers" },
      answers.map((one) => one.node),
    ),
  );
  log.lastChild.scrollIntoView({ block: "nearest" });
  put(log, { "aria-busy": "true" });
  put(stop, { hidden: false });
  put(send, { disabled: true });
  running = asked.map(() => new AbortController());
  const messages = [...turns];
  const said = await Promise.all(asked.map((who, at) => stream(who, messages, answers[at], running[at].signal)));
  running = [];
  if (said[0]) turns.push({ role: "assistant", content: said[0] });
  else turns.pop();
  put(log, { "aria-busy": "false" });
  put(stop, { hidden: true });
  put(send, { disabled: false });
  text.focus();
}

function answerBox() {
  const by = h("p", { class: "by", text: "deciding" }),
    body = h("div", { class: "said-text" }),
    why = h("div", { class: "why" });
  const thought = h("div", { class: "said-text" }),
    thinking = h("details", { class: "thinking", hidden: true }, h("summary", { text: "What it thought" }), thought);
  return { node: h("article", { class: "answer" }, by, thinking, body, why), by, body, why, thought, thinking };
}

/** Ask one and show what comes. Returns the answer's text, as far as it came. */
async function stream(who, messages, box, signal) {
  const [peer, ...model] = who.split(" ");
  const headers = { "content-type": "application/json", ...(peer ? { "x-ppai-route": peer } : {}) };
  const body = JSON.stringify({
    model: model.join(" ") || "auto",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  const began = performance.now();
  let answer = "",
    firstAt = 0,
    tokens = 0;
  try {
    const response = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: withToken(headers),
      body,
      signal,
      cache: "no-store",
    });
    if (!response.ok)
      throw new Error(
        (await response.json().catch(() => null))?.error?.message ?? `The peer answered ${response.status}`,
      );
    const id = response.headers.get("x-request-id");
    showBy(
      box,
      response.headers.get("x-ppai-peer"),
      response.headers.get("x-ppai-model"),
      response.headers.get("x-ppai-reason"),
    );
    for await (const piece of lines(response.body)) {
      if (piece.startsWith(": ppai ")) {
        const told = Object.fromEntries([...piece.matchAll(/(\w+)=(\S+)/g)].map(([, key, value]) => [key, value]));
        showBy(box, told.peer, told.model, told.reason);
      }
      if (!piece.startsWith("data: ") || piece === "data: [DONE]") continue;
      const event = JSON.parse(piece.slice(6));
      if (event.error) throw new Error(event.error.message);
      tokens = event.usage?.completion_tokens ?? tokens;
      const { content, reasoning_content, reasoning = reasoning_content } = event.choices?.[0]?.delta ?? {};
      if (content || reasoning) firstAt ||= performance.now();
      if (reasoning) box.thought.append(reasoning);
      if (content) {
        answer += content;
        put(box.body, { text: answer });
      }
      put(box.thinking, { hidden: !box.thought.textContent });
    }
    const took = performance.now() - began,
      writing = performance.now() - firstAt;
    const speed =
      firstAt && tokens > 1 && writing > 50 ? `, ${Math.round(tokens / (writing / 1000))} tokens a second` : "";
    box.why.append(
      h("span", {
        class: "hint",
        text: `${(took / 1000).toFixed(1)} s${firstAt ? `, first word after ${((firstAt - began) / 1000).toFixed(1)} s` : ", and no word"}${speed}. `,
      }),
    );
    if (isOwner() && id) box.why.append(whyBox(id));
  } catch (error) {
    box.why.append(
      h("p", { class: signal.aborted ? "hint" : "bad", text: signal.aborted ? "stopped" : error.message }),
    );
  }
  return answer;
}

function showBy(box, peer, model, why) {
  if (!peer) return;
  const name = decodeURIComponent(peer);
  box.by.replaceChildren(
    h("strong", { text: name === me().name ? `${name} (here)` : name }),
    ` · ${decodeURIComponent(model ?? "")} · ${reason(why)}`,
  );
}

/** Opens into the request's decision. */
function whyBox(id) {
  const body = h("div", { class: "decision" });
  const box = h(
    "details",
    {
      on: {
        async toggle() {
          if (!box.open || body.firstChild) return;
          const request = [...group("request").values()].find((one) => one.request === id) ?? {};
          try {
            body.replaceChildren(...decision(request, await ask(`/ppai/v1/decisions/${id}`)));
          } catch (error) {
            body.replaceChildren(h("p", { class: "hint", text: error.message }));
          }
        },
      },
    },
    h("summary", { text: "Why this one" }),
    body,
  );
  return box;
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n");
    text = parts.pop();
    yield* parts.map((line) => line.replace(/\r$/, ""));
  }
}
