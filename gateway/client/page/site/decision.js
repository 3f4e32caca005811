// A decision as bars: of each candidate the score, what its cost takes off it, and what is left: its utility.
//
// Everything is in units of score: a second costs β of it, so the formula U = s − β·c is the picture.

import { h, s } from "./dom.js";
import { excluded, percent, reason, seconds } from "./words.js";

const COSTS = [
  ["wait_s", "waiting"],
  ["service_s", "answering"],
  ["transit_s", "on the way"],
  ["risk_s", "doubt"],
  ["crowding_s", "slowing others"],
];
const WIDTH = 600,
  BAR = 18,
  MOST = 12;

/** What to show of one request and what was decided about it; `found` is null where nothing is kept. */
export function decision(request, found) {
  const parts = [];
  if (found) {
    parts.push(h("p", { class: "because" }, "Why: ", h("strong", { text: reason(found.reason) }), `. ${about(found)}`));
    const candidates = found.candidates.filter((one) => !one.excluded),
      others = found.candidates.filter((one) => one.excluded);
    if (candidates.length) parts.push(key(found), bars(candidates, found.beta_per_s, request));
    if (others.length) parts.push(left(others));
  } else {
    parts.push(h("p", { class: "hint", text: "What was decided is no longer kept, or nothing was." }));
  }
  parts.push(went(request));
  return parts;
}

function about({ about: query, privacy }) {
  const said = [];
  if (query.top.length)
    said.push(
      `It is about ${query.top
        .slice(0, 3)
        .map(([name, share]) => `${name} ${percent(share)}`)
        .join(", ")}.`,
    );
  else if (!query.familiar) said.push("Its text is unlike all that is known.");
  if (privacy.rule) said.push(`The privacy rule “${privacy.rule}” lets it go to ${privacy.to}.`);
  return said.join(" ");
}

function key(found) {
  const one = (kind, text) => h("li", {}, h("span", { class: `swatch ${kind}` }), text);
  return h(
    "ul",
    { class: "key" },
    one("left", "utility: what is left"),
    COSTS.map(([name, text]) => one(name, text)),
    h("li", {
      class: "beta",
      text: `one second costs ${(found.beta_per_s * 100).toFixed(found.beta_per_s < 0.01 ? 2 : 1)} points`,
    }),
  );
}

function bars(candidates, beta, request) {
  const least = Math.min(0, ...candidates.map((one) => one.utility));
  const most = Math.max(0.01, ...candidates.map((one) => one.score));
  const scale = (value) => ((value - least) / (most - least)) * WIDTH;
  const shown = candidates.slice(0, MOST);
  const rows = shown.map((one, at) => {
    const svg = s("svg", {
      class: "bar",
      viewBox: `0 0 ${WIDTH} ${BAR}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": spoken(one),
    });
    let end = one.score;
    svg.append(
      s("rect", {
        class: "left",
        x: scale(Math.min(0, one.utility)),
        y: 0,
        width: Math.abs(scale(one.utility) - scale(0)),
        height: BAR,
      }),
    );
    for (const [name] of COSTS) {
      const begin = end - beta * one[name];
      if (one[name] > 0)
        svg.append(
          s("rect", {
            class: name,
            x: scale(begin),
            y: 3,
            width: Math.max(0.6, scale(end) - scale(begin)),
            height: BAR - 6,
          }),
        );
      end = begin;
    }
    svg.append(s("line", { class: "zero", x1: scale(0), x2: scale(0), y1: 0, y2: BAR }));
    return h(
      "tr",
      { class: one.peer === request.peer && one.model === request.model ? "chosen" : "" },
      h(
        "th",
        { scope: "row" },
        h("span", { class: "cand-peer", text: `${at + 1}. ${one.peer}${one.local ? " (here)" : ""}` }),
        h("span", { class: "cand-model", text: one.agent }),
      ),
      h("td", { class: "bar-cell" }, svg, h("span", { class: "basis", text: one.basis })),
      h("td", { class: "num", text: one.score.toFixed(2) }),
      h("td", { class: "num", text: seconds(one.wait_s) }),
      h("td", { class: "num", text: seconds(one.service_s) }),
      h("td", { class: "num", text: seconds(one.transit_s) }),
      h("td", { class: "num", text: seconds(one.cost_s) }),
      h("td", { class: "num strong", text: one.utility.toFixed(3) }),
    );
  });
  const heads = ["Candidate", "Score, less cost", "Score", "Wait", "Service", "Transit", "Cost", "Utility"];
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Candidates" },
    h(
      "table",
      { class: "bars" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((text, at) => h("th", { scope: "col", class: at > 1 ? "num" : "", text })),
        ),
      ),
      h("tbody", {}, rows),
    ),
    candidates.length > MOST && h("p", { class: "hint", text: `and ${candidates.length - MOST} more` }),
  );
}

const spoken = (one) =>
  `score ${one.score.toFixed(2)}, less ${COSTS.filter(([name]) => one[name] > 0)
    .map(([name, text]) => `${text} ${seconds(one[name])}`)
    .join(", ")}, leaves ${one.utility.toFixed(3)}`;

/** Who was no candidate, by the reason. */
function left(others) {
  const by = new Map();
  for (const one of others)
    by.set(one.excluded, [
      ...(by.get(one.excluded) ?? []),
      one.peer === one.agent ? one.peer : `${one.peer}/${one.agent}`,
    ]);
  return h(
    "ul",
    { class: "not-asked" },
    [...by].map(([code, who]) =>
      h(
        "li",
        {},
        h("strong", { text: `${excluded(code)}: ` }),
        who.slice(0, 8).join(", "),
        who.length > 8 && ` and ${who.length - 8} more`,
      ),
    ),
  );
}

function went(request) {
  const told = [
    ["Asked for", request.asked],
    ["Answered by", request.peer && `${request.peer}, ${request.model}`],
    ["First token after", seconds(request.ttft_s)],
    ["Took", seconds(request.latency_s)],
    ["Tokens", request.tokens && `${request.prompt_tokens} read, ${request.tokens} written`],
    ["Expected", request.cost_s !== undefined && `wait ${seconds(request.wait_s)}, cost ${seconds(request.cost_s)}`],
    ["Request", request.request],
  ];
  const list = h(
    "dl",
    { class: "went" },
    told
      .filter(([, value]) => value)
      .map(([name, value]) => h("div", {}, h("dt", { text: name }), h("dd", { text: value }))),
  );
  const tried = (request.tried ?? request.parts ?? []).map((one) =>
    h(
      "li",
      { class: one.status },
      `${one.peer}, ${one.model}: ${one.status}${one.code ? ` (${one.code})` : ""}${one.latency_s ? ` after ${seconds(one.latency_s)}` : ""}`,
    ),
  );
  return h("div", {}, tried.length > 0 && h("ol", { class: "tried" }, tried), list);
}
