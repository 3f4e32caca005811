// The last requests of this machine's programs: who answered, how it went, and each with its decision.

import { decision } from "./decision.js";
import { h, keep, put } from "./dom.js";
import { ask, isOwner } from "./entry.js";
import { group } from "./state.js";
import { clock, reason, seconds } from "./words.js";

const STATUS = {
  ok: "done",
  failed: "failed",
  cancelled: "left by its program",
  refused: "refused",
  running: "running",
};

/** [number, request], the newest first. */
export const newest = () => [...group("request")].sort(([a], [b]) => b - a);

let list,
  note,
  only = "";

export const requests = {
  id: "requests",
  title: "Requests",
  icon: "requests",
  mount(section) {
    const kinds = [
      ["", "All"],
      ["running", "Running"],
      ["failed", "Went wrong"],
      ["away", "Answered elsewhere"],
    ];
    const choice = h(
      "div",
      { class: "segments", role: "group", "aria-label": "Which requests" },
      kinds.map(([kind, text]) =>
        h("button", {
          type: "button",
          text,
          "aria-pressed": String(kind === only),
          on: {
            click(event) {
              only = kind;
              for (const other of event.target.parentNode.children)
                put(other, { "aria-pressed": String(other === event.target) });
              draw();
            },
          },
        }),
      ),
    );
    list = h("ol", { class: "requests" });
    note = h("p", { class: "hint" });
    section.append(
      h("p", {
        class: "lead",
        text: "Open one to see who was considered, what each would have given and cost, and why the first was chosen. No words of a request are kept.",
      }),
      choice,
      note,
      list,
    );
  },
  draw: (dirty) => (dirty === null || dirty.has("request")) && draw(),
};

const FITS = {
  "": () => true,
  running: (one) => one.is_running,
  failed: (one) => one.status === "failed" || one.status === "refused",
  away: (one) => one.peer && !(group("me").get("")?.name === one.peer),
};

function draw() {
  const shown = isOwner() ? newest().filter(([, one]) => FITS[only](one)) : [];
  put(note, {
    hidden: shown.length > 0,
    text: isOwner()
      ? "None yet: ask something, here in Chat or from any program."
      : "Requests are shown to the owner alone: run ppai open.",
  });
  keep(
    list,
    shown,
    ([number]) => number,
    ([number]) => openable(number),
    (node, [, request]) => node.show(request),
  );
}

/** A request that opens into its decision, which is asked for then. */
function openable(number) {
  const head = requestRow();
  const body = h("div", { class: "decision" });
  const box = h("details", {}, h("summary", {}, head), body);
  let request,
    drawn = "";
  const load = async () => {
    const state = `${request.status} ${request.attempts}`;
    if (drawn === state) return;
    drawn = state;
    try {
      const found = request.is_explained ? await ask(`/ppai/v1/decisions/${number}`) : null;
      body.replaceChildren(...decision(request, found));
    } catch (error) {
      body.replaceChildren(h("p", { class: "hint", text: error.message }));
    }
  };
  box.addEventListener("toggle", () => box.open && load());
  const item = h("li", {}, box);
  item.show = (now) => {
    request = now;
    head.show(now);
    if (box.open) load();
  };
  return item;
}

/** One line about a request; `show(request)` draws it. */
export function requestRow() {
  const [state, at, who, why, took] = ["req-state", "req-at", "req-who", "req-why", "req-took"].map((name) =>
    h("span", { class: name }),
  );
  const node = h("span", { class: "req" }, state, at, who, why, took);
  node.show = (one) => {
    put(node, { class: `req ${one.is_running ? "running" : one.status}` });
    put(state, { title: STATUS[one.status] ?? one.status, text: "" });
    put(at, { text: clock(one.at) });
    put(who, {
      text: one.peer ? (one.is_running ? `sent to ${one.peer}` : one.peer) : one.is_running ? "deciding" : "nobody",
    });
    put(why, {
      text:
        one.status === "refused"
          ? one.reason?.replaceAll("_", " ")
          : `${one.model ?? one.endpoint ?? ""}${one.attempts > 1 ? ` · ${one.attempts} attempts` : ""} · ${reason(one.reason)}`,
    });
    put(took, {
      text: one.is_running
        ? "…"
        : one.status === "ok"
          ? `${seconds(one.latency_s)}${speed(one)}`
          : (STATUS[one.status] ?? one.status),
    });
  };
  return node;
}

function speed(one) {
  const took = (one.latency_s ?? 0) - (one.ttft_s ?? 0);
  return one.tokens > 4 && took > 0.05 ? ` · ${Math.round(one.tokens / took)} tok/s` : "";
}
