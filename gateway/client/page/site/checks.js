// The doctor's checks: the same that `ppai doctor` makes, when asked for.

import { h, put } from "./dom.js";
import { ask, isOwner } from "./entry.js";

const KINDS = { true: ["ok", "holds"], false: ["fail", "fails"], null: ["open", "not told"] };
let list, head, button;

export const checks = {
  id: "checks",
  title: "Checks",
  icon: "checks",
  mount(section) {
    list = h("ul", { class: "findings" });
    head = h("p", {
      class: "lead",
      role: "status",
      text: "What ppai doctor looks at: this machine, its engines, its network. Each engine is asked for one token.",
    });
    button = h("button", { type: "button", class: "main", text: "Examine this peer", on: { click: examine } });
    section.append(head, h("div", { class: "toolbar" }, button), list);
  },
  draw() {
    put(button, { disabled: !isOwner(), title: isOwner() ? "" : "The owner's: run ppai open" });
  },
};

async function examine() {
  put(button, { disabled: true, text: "Examining" });
  try {
    const found = await ask("/ppai/v1/doctor", {});
    const failed = found.filter((one) => one.ok === false).length;
    put(head, {
      text: failed ? `${failed} of ${found.length} checks failed.` : `None of ${found.length} checks failed.`,
    });
    list.replaceChildren(
      ...[...found]
        .sort((a, b) => (a.ok === false ? 0 : a.ok === null ? 1 : 2) - (b.ok === false ? 0 : b.ok === null ? 1 : 2))
        .map(finding),
    );
  } catch (error) {
    put(head, { text: error.message });
  }
  put(button, { disabled: false, text: "Examine again" });
}

function finding(one) {
  const [kind, word] = KINDS[String(one.ok)];
  return h(
    "li",
    { class: `finding ${kind}` },
    h("span", { class: "mark", role: "img", "aria-label": word }),
    h("code", { text: one.id }),
    h("span", { text: one.said }),
    one.remedy && h("span", { class: "remedy" }, `Remedy: ${one.remedy}`),
  );
}
