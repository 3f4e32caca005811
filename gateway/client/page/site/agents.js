// What each agent is good at: a row an agent, a column a category, as measured, with the evidence behind it.

import { h, keep, put } from "./dom.js";
import { group, isLive, me } from "./state.js";
import { count, percent, thousands } from "./words.js";

const MOST = 40; // rows that are drawn unless all are asked for: thousands of cells take their time

let head,
  body,
  detail,
  note,
  all,
  sort = "name",
  onlyMeasured = false,
  filter = "",
  showsAll = false;

export const agents = {
  id: "agents",
  title: "Agents",
  icon: "agents",
  mount(section) {
    head = h("tr", {});
    body = h("tbody", {});
    detail = h("p", { class: "cell-told", "aria-live": "polite" });
    note = h("p", { class: "hint" });
    const measured = h("input", {
      type: "checkbox",
      on: {
        change: (event) => {
          onlyMeasured = event.target.checked;
          draw();
        },
      },
    });
    const find = h("input", {
      type: "search",
      class: "find",
      placeholder: "Find an agent or peer",
      "aria-label": "Find an agent or peer",
      on: {
        input: (event) => {
          filter = event.target.value.toLowerCase();
          draw();
        },
      },
    });
    all = h("button", {
      type: "button",
      class: "quiet",
      on: {
        click: () => {
          showsAll = true;
          draw();
        },
      },
    });
    section.append(
      h("p", {
        class: "lead",
        text: "The share of questions of each kind that an agent answered right, as its peer measured it. The fuller a cell's bar, the more questions are behind it. Choose a category to sort by it.",
      }),
      h("div", { class: "toolbar" }, find, h("label", { class: "check" }, measured, "measured only"), scale()),
      detail,
      h(
        "div",
        { class: "scroll heat-box", tabindex: "0", role: "region", "aria-label": "What each agent is good at" },
        h("table", { class: "heat" }, h("thead", {}, head), body),
      ),
      h("div", { class: "toolbar" }, note, all),
    );
    body.addEventListener("pointerover", (event) => tell(event.target.closest("td")));
    body.addEventListener("focusin", (event) => tell(event.target.closest("td, th")));
    body.addEventListener("keydown", move);
  },
  draw: (dirty) => (dirty === null || dirty.has("good") || dirty.has("peer") || dirty.has("me")) && draw(),
};

/** Every agent of every live peer: {key, peer, agent}. */
function rows() {
  const found = (group("good").get("me") ?? []).map((agent) => ({
    key: `me ${agent.name}`,
    peer: me().name,
    agent,
    isOwn: true,
  }));
  for (const peer of group("peer").values()) {
    if (isLive(peer))
      for (const agent of group("good").get(peer.id) ?? [])
        found.push({ key: `${peer.id} ${agent.name}`, peer: peer.shown, agent, isOwn: false });
  }
  return found;
}

function draw() {
  const categories = me().categories ?? [];
  const at = categories.indexOf(sort);
  const found = rows()
    .filter(
      ({ agent, peer }) =>
        (!onlyMeasured || agent.good) && (!filter || `${agent.name} ${peer}`.toLowerCase().includes(filter)),
    )
    .sort((a, b) =>
      at < 0
        ? b.isOwn - a.isOwn || a.peer.localeCompare(b.peer) || a.agent.name.localeCompare(b.agent.name)
        : (b.agent.good?.[at] ?? -1) - (a.agent.good?.[at] ?? -1),
    );
  const shown = showsAll ? found : found.slice(0, MOST);
  put(all, { hidden: shown.length === found.length, text: `Show all ${found.length}` });
  keep(
    head,
    ["name", ...categories],
    (name) => name,
    (name) =>
      h(
        "th",
        { scope: "col" },
        h(
          "button",
          {
            type: "button",
            on: {
              click: () => {
                sort = name;
                draw();
              },
            },
          },
          h("span", { text: name === "name" ? "Agent" : name }),
        ),
      ),
    (node, name) =>
      put(node, {
        "aria-sort": name === sort ? (name === "name" ? "ascending" : "descending") : "none",
        class: name === "name" ? "corner" : "",
      }),
  );
  keep(
    body,
    shown,
    ({ key }) => key,
    () => heatRow(),
    (node, row) => drawRow(node, row, categories),
  );
  const unmeasured = found.filter(({ agent }) => !agent.good).length;
  put(note, {
    text: !found.length
      ? "No agents."
      : `${count(found.length, "agent")}, ${unmeasured} unmeasured: those are judged by what their name lets expect, until somebody measures them.`,
  });
}

function heatRow() {
  return h(
    "tr",
    {},
    h("th", { scope: "row", tabindex: "-1" }, h("span", { class: "heat-agent" }), h("span", { class: "heat-peer" })),
  );
}

function drawRow(node, { peer, agent, isOwn }, categories) {
  const state = `${peer} ${isOwn} ${categories.length} ${agent.good} ${agent.evidence}`;
  if (node.drawn === state) return;
  node.drawn = state;
  put(node.firstChild.firstChild, { text: agent.name, title: agent.description || agent.prior });
  put(node.firstChild.lastChild, {
    text: `${isOwn ? "this machine" : peer}${agent.kind === "agent" ? " · personal agent" : ""}`,
  });
  while (node.children.length > 1) node.lastChild.remove();
  if (!agent.good) {
    const { questions, right, right_without: without } = agent.domain ?? {};
    const own =
      questions &&
      `its owner's ${questions} questions: ${percent(right)} right, ${percent(without)} by its model alone`;
    node.append(
      h(
        "td",
        {
          class: "unmeasured",
          colspan: categories.length,
          tabindex: "-1",
          data: { told: `${agent.name} of ${peer}: unmeasured; ${agent.prior}` },
        },
        h("span", {
          text:
            own ||
            `unmeasured · ${agent.prior}${agent.parameters ? ` · ${thousands(agent.parameters)} parameters` : ""}`,
        }),
      ),
    );
    return;
  }
  categories.forEach((category, at) => {
    const value = agent.good[at],
      evidence = agent.evidence[at];
    const told = `${agent.name} of ${peer}, ${category}: ${value === null ? "unmeasured" : `${percent(value)} right in ${count(evidence, "question")}`}`;
    node.append(
      value === null
        ? h("td", { class: "none", tabindex: "-1", data: { told } }, h("span", { class: "unseen", text: "unmeasured" }))
        : h(
            "td",
            {
              class: "cell",
              tabindex: "-1",
              data: { told },
              css: { "--value": value, "--evidence": Math.min(1, evidence / 12) },
            },
            h("span", { text: Math.round(value * 100) }),
          ),
    );
  });
  if (node === node.parentNode?.firstChild) node.firstChild.setAttribute("tabindex", "0");
}

const tell = (cell) => cell?.dataset.told && put(detail, { text: cell.dataset.told });

/** Arrow keys go from cell to cell. */
function move(event) {
  const cell = event.target.closest("td, th"),
    steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  const step = steps[event.key];
  if (!cell || !step) return;
  event.preventDefault();
  const row =
    step[0] > 0 ? cell.parentNode.nextSibling : step[0] < 0 ? cell.parentNode.previousSibling : cell.parentNode;
  const to = row?.children[Math.min(row.children.length - 1, Math.max(0, cell.cellIndex + step[1]))];
  to?.focus();
}

function scale() {
  const step = (value) =>
    h("span", { class: "cell", css: { "--value": value, "--evidence": 1 }, text: Math.round(value * 100) });
  return h("p", { class: "scale" }, "right, % ", [0, 0.25, 0.5, 0.75, 1].map(step));
}
