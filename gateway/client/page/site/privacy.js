// The owner's rules on what may leave, what each has decided, and a box to try a text against them.

import { h, keep, put } from "./dom.js";
import { ask, isOwner } from "./entry.js";
import { group } from "./state.js";
import { count } from "./words.js";

const TO = {
  "this machine": "stays on this machine",
  "my machines": "goes to your own machines only",
  approved: "goes to approved peers only",
  anyone: "may go to anyone",
};
const REACHES = ["this machine", "my machines", "approved", "anyone"];
let list, none, found, text, guest, button;

export const privacy = {
  id: "privacy",
  title: "Privacy",
  icon: "privacy",
  mount(section) {
    list = h("ul", { class: "rules" });
    none = h("p", {
      class: "hint",
      text: "There are no rules: a request may go to whoever answers best among those you approved.",
    });
    guest = h("p", { class: "hint", text: "Rules are shown to the owner alone: run ppai open." });
    found = h("div", { class: "verdict", "aria-live": "polite" });
    text = h("textarea", { rows: 4, placeholder: "Paste what a program would send" });
    button = h("button", { class: "main", text: "Would it leave?" });
    section.append(
      h("p", {
        class: "lead",
        text: "Whoever answers a request can read it. Rules say how far one may go; of several that hold, the strictest counts. They stand under privacy.rules in the settings.",
      }),
      h(
        "div",
        { class: "card" },
        h("h2", { text: "Rules, and what they did since this peer started" }),
        guest,
        none,
        list,
      ),
      h(
        "form",
        {
          class: "card fields",
          on: {
            submit: (event) => {
              event.preventDefault();
              attempt();
            },
          },
        },
        h("label", {}, "Try a text. It is judged on this machine, sent to nobody and kept nowhere.", text),
        button,
        found,
      ),
    );
  },
  draw(dirty) {
    if (dirty !== null && !dirty.has("rule") && !dirty.has("me")) return;
    const rules = [...group("rule").values()].sort((a, b) => REACHES.indexOf(a.to) - REACHES.indexOf(b.to));
    put(guest, { hidden: isOwner() });
    put(none, { hidden: !isOwner() || rules.length > 0 });
    put(button, { disabled: !isOwner() });
    keep(
      list,
      rules,
      (rule) => rule.name,
      (rule) =>
        h(
          "li",
          { class: "rule" },
          h("strong", { text: rule.name }),
          h("span", { class: "reach" }, ladder(rule.to)),
          h("span", {}),
          h("span", { class: "held" }),
        ),
      (node, rule) => {
        put(node.children[2], { text: `A request ${rule.when} ${TO[rule.to]}.` });
        put(node.children[3], {
          text: rule.held ? `decided ${count(rule.held, "request")}` : "has not been needed yet",
        });
      },
    );
  },
};

/** How far: four steps, filled up to the one that is reached. */
function ladder(to) {
  const reached = REACHES.indexOf(to);
  return h(
    "span",
    { class: "ladder", role: "img", "aria-label": TO[to] },
    REACHES.map((name, at) => h("span", { class: at <= reached ? "step on" : "step", title: name })),
  );
}

async function attempt() {
  if (!text.value) return;
  try {
    const said = await ask("/ppai/v1/privacy", { text: text.value });
    found.replaceChildren(
      h(
        "p",
        { class: said.to === "anyone" ? "ok" : "held" },
        h("strong", { text: `It ${TO[said.to]}` }),
        said.rule ? `, by the rule “${said.rule}”${said.told ? "" : ", which could not be told"}.` : ".",
      ),
      h(
        "ul",
        { class: "rows" },
        said.rules.map((rule) =>
          h("li", {
            text: `${rule.name}: ${rule.holds === null ? "cannot be told" : rule.holds ? "holds" : "does not hold"}`,
          }),
        ),
      ),
    );
  } catch (error) {
    found.replaceChildren(h("p", { class: "bad", text: error.message }));
  }
}
