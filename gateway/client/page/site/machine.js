// This machine: its engines, their models, the door before them, and who waits in line.

import { h, keep, put } from "./dom.js";
import { group, me, past, sharing } from "./state.js";
import { drawSpark, spark } from "./spark.js";
import { count, thousands } from "./words.js";

const DOORS = { open: "open to others", soft: "open, but others would wait", closed: "closed to others" };
const PLACES = { here: "on this machine", "other host": "on another machine", cloud: "in a cloud" };

let list, own, line, note;

export const machine = {
  id: "machine",
  title: "This machine",
  icon: "machine",
  mount(section) {
    list = h("div", { class: "engines" });
    line = spark();
    own = h("dl", {});
    note = h(
      "div",
      { class: "card empty", hidden: true },
      h("h2", { text: "No engine answers" }),
      h("p", {
        text: "This peer asks others. To serve models too, start vLLM, llama.cpp, Ollama or LM Studio here, or run",
      }),
      h("p", {}, h("code", { text: "ppai pull smollm2" })),
    );
    section.append(h("div", { class: "card" }, h("h2", { text: "The last five minutes" }), line, own), note, list);
  },
  draw(dirty) {
    if (dirty !== null && !["engine", "me", "sharing", "load", "past"].some((name) => dirty.has(name))) return;
    const [running = 0, waiting = 0, door = ""] = group("load").get("me") ?? [];
    drawSpark(line, past.get("me") ?? [], me().slots ?? 1);
    const facts = [
      ["Running", `${running} of ${me().slots ?? 0}`],
      ["Waiting in line", waiting],
      ["Jobs of others", sharing().others ?? 0],
      ["Door", sharing().kept_shut ? `shut: ${sharing().kept_shut}` : (DOORS[door] ?? door)],
      ["Programs ask", `${me().url ?? ""}/v1`],
    ];
    keep(
      own,
      facts,
      ([name]) => name,
      ([name]) => h("div", {}, h("dt", { text: name }), h("dd", {})),
      (node, [, value]) => put(node.lastChild, { text: value }),
    );
    const engines = [...group("engine")];
    put(note, { hidden: engines.some(([, engine]) => !engine.problem) });
    keep(
      list,
      engines,
      ([name]) => name,
      ([name]) => card(name),
      (node, [, engine]) => drawEngine(node, engine),
    );
  },
};

function card(name) {
  return h(
    "article",
    { class: "card engine" },
    h("h2", { text: name }),
    h("p", { class: "over" }),
    h("p", { class: "problem" }),
    h("div", { class: "slots", role: "img" }),
    h("ul", { class: "models" }),
    h("p", { class: "hint" }),
  );
}

function drawEngine(node, engine) {
  const [, over, problem, slots, models, hint] = node.children;
  put(over, { text: `${engine.origin}${engine.place ? `, ${PLACES[engine.place] ?? engine.place}` : ""}` });
  put(problem, { text: engine.problem ?? "", hidden: !engine.problem });
  const many = Math.min(engine.slots, 32);
  put(slots, {
    "aria-label": `${engine.running} of ${count(engine.slots, "slot")} busy, ${engine.waiting} waiting`,
    hidden: Boolean(engine.problem),
  });
  keep(
    slots,
    Array.from({ length: many + Math.min(engine.waiting, 12) }, (_, at) => at),
    (at) => at,
    () => h("span", {}),
    (slot, at) =>
      put(slot, {
        class:
          at >= many
            ? "queued"
            : at < engine.running - engine.remote_running
              ? "own"
              : at < engine.running
                ? "theirs"
                : "free",
      }),
  );
  keep(
    models,
    engine.models,
    (model) => model.id,
    (model) => h("li", {}, h("strong", { text: model.id }), h("span", {})),
    (item, model) =>
      put(item.lastChild, {
        text: [
          model.context_tokens && `${thousands(model.context_tokens)} tokens`,
          model.parameters && `${thousands(model.parameters)} parameters`,
          model.quantisation,
          model.loaded ? "loaded" : "not loaded",
          model.profiled ? "measured" : "not measured yet",
          ...model.abilities.filter((one) => one !== "text"),
        ]
          .filter(Boolean)
          .join(" · "),
      }),
  );
  put(hint, { text: engine.not_adopted.join(" "), hidden: !engine.not_adopted.length });
}
