// The network: the picture, every peer as a list, one of them in full, and the requests as they come.

import { h, keep, put, twice } from "./dom.js";
import { askNext } from "./chat.js";
import { isOwner, tell } from "./entry.js";
import { Picture } from "./picture.js";
import { requestRow, newest } from "./requests.js";
import { drawSpark, spark } from "./spark.js";
import { group, isWaiting, me, past, sharing } from "./state.js";
import { STATES, count, path, percent, thousands } from "./words.js";

const ORDER = { alive: 0, suspect: 1, left: 2, dead: 3 };

let selected = "",
  filter = "";
let parts;

export const network = {
  id: "network",
  title: "Network",
  icon: "network",
  mount(section) {
    const picture = new Picture(choose);
    const list = h("ul", { class: "peers" });
    const find = h("input", {
      type: "search",
      placeholder: "Find a peer or model",
      "aria-label": "Find a peer or model",
      on: {
        input: (event) => {
          filter = event.target.value.toLowerCase();
          this.draw(null);
        },
      },
    });
    const detail = h("div", { class: "card detail" });
    const lately = h("ol", { class: "lately" });
    const latelyNote = h("p", { class: "hint" });
    const empty = h(
      "div",
      { class: "card empty", hidden: true },
      h("h2", { text: "No other peers yet" }),
      h(
        "p",
        {},
        "Start PPAI on another machine of this network, or invite one: ",
        h("a", { href: "#access", text: "make an invitation" }),
        ".",
      ),
    );
    section.append(
      h(
        "div",
        { class: "network-grid" },
        h("div", { class: "stage" }, picture.svg, legend()),
        h("div", { class: "side" }, detail),
        h(
          "div",
          { class: "listing card" },
          h("div", { class: "card-head" }, h("h2", { text: "Peers" }), find),
          empty,
          list,
        ),
        h(
          "div",
          { class: "flow card" },
          h("div", { class: "card-head" }, h("h2", { text: "Requests" }), h("a", { href: "#requests", text: "All" })),
          latelyNote,
          lately,
        ),
      ),
    );
    parts = { picture, list, detail, lately, latelyNote, empty, find };
    setInterval(() => parts.picture.ended.size && !document.hidden && parts.picture.draw(selected), 500);
  },
  draw(dirty) {
    const changed = (...names) => dirty === null || names.some((name) => dirty.has(name));
    if (selected && !group("peer").has(selected)) selected = "";
    if (changed("peer", "load", "request", "me", "good")) parts.picture.draw(selected);
    if (changed("peer", "load", "good")) drawList();
    if (changed("peer", "load", "good", "past", "me", "tab", "sharing")) drawDetail();
    if (changed("request")) drawLately();
  },
};

function choose(id) {
  selected = id;
  network.draw(null);
}

function drawList() {
  const peers = [...group("peer").values()]
    .filter(matches)
    .sort(
      (a, b) =>
        isWaiting(b) - isWaiting(a) ||
        ORDER[a.state] - ORDER[b.state] ||
        b.mine - a.mine ||
        a.shown.localeCompare(b.shown),
    );
  put(parts.empty, { hidden: group("peer").size > 0 });
  put(parts.find, { hidden: group("peer").size < 6 });
  keep(
    parts.list,
    peers,
    (peer) => peer.id,
    (peer) =>
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "peer", on: { click: () => choose(peer.id) } },
          h("span", { class: "mark" }),
          h("span", { class: "peer-name" }),
          h("span", { class: "peer-sub" }),
          h("span", { class: "peer-load" }),
        ),
      ),
    (node, peer) => {
      const [mark, name, sub, load] = node.firstChild.children;
      const [running, waiting] = group("load").get(peer.id) ?? [];
      put(node.firstChild, {
        "aria-pressed": String(selected === peer.id),
        class: `peer ${isWaiting(peer) ? "waiting" : peer.state}`,
      });
      put(name, { text: peer.shown });
      put(sub, {
        text: isWaiting(peer) ? "waits to be approved" : peer.state === "alive" ? models(peer) : STATES[peer.state],
      });
      put(mark, { title: STATES[peer.state] });
      put(load, {
        text:
          running === null || running === undefined ? "" : `${running}/${peer.slots}${waiting ? ` +${waiting}` : ""}`,
        title: "running of slots, and waiting",
      });
    },
  );
}

const models = (peer) => (group("good").get(peer.id) ?? []).map((agent) => agent.name).join(", ") || "no models";

const matches = (peer) => !filter || `${peer.shown} ${peer.id} ${models(peer)}`.toLowerCase().includes(filter);

function drawDetail() {
  if (parts.detailOf !== selected) {
    parts.detail.replaceChildren(...(selected ? peerDetail() : ownDetail()));
    parts.detailOf = selected;
  }
  (selected ? drawPeer : drawOwn)();
}

const row = (label, key) => [h("dt", { text: label }), h("dd", { data: { key } })];
const field = (key) => parts.detail.querySelector(`[data-key="${key}"]`);

function ownDetail() {
  return [
    h("p", { class: "over", text: "this machine" }),
    h("h2", { data: { key: "name" } }),
    h("p", { class: "words", data: { key: "words" } }),
    spark(),
    h(
      "dl",
      {},
      row("Load", "load"),
      row("Peers call it at", "addresses"),
      row("Lets in", "admission"),
      row("PPAI", "version"),
    ),
    h("h3", { text: "Serves" }),
    h("ul", { class: "tags", data: { key: "models" } }),
  ];
}

const ADMISSION = {
  tofu: "whom you approve",
  secret: "who knows the secret",
  open: "everybody",
  allowlist: "whom a list names",
};

function drawOwn() {
  const own = me(),
    [running = 0, waiting = 0] = group("load").get("me") ?? [];
  put(field("name"), { text: own.name ?? "" });
  put(field("words"), { text: own.words ?? "", title: own.id ?? "" });
  put(field("load"), {
    text: `${running} of ${own.slots ?? 0} running${waiting ? `, ${waiting} waiting` : ""}; ${count(sharing().others ?? 0, "job")} of others`,
  });
  put(field("addresses"), { text: (own.addresses ?? []).join(", ") });
  put(field("admission"), { text: ADMISSION[own.admission] ?? own.admission ?? "" });
  put(field("version"), { text: own.version ?? "" });
  drawSpark(parts.detail.querySelector(".spark"), past.get("me") ?? [], own.slots ?? 1);
  drawTags(field("models"), group("good").get("me") ?? []);
}

function drawTags(list, agents) {
  keep(
    list,
    agents,
    (agent) => agent.name,
    (agent) => h("li", { title: agent.prior }),
    (node, agent) => put(node, { text: agent.name }),
  );
}

function peerDetail() {
  const id = selected;
  const order = (path, said, body = {}) => tell(path, { who: id, ...body }, said(group("peer").get(id)?.shown ?? "It"));
  const act = (label, kind, ...told) =>
    h("button", { type: "button", class: kind, text: label, data: { act: label }, on: { click: () => order(...told) } });
  const revoke = twice("Revoke", "Really revoke?", () =>
    order("/ppai/v1/revoke", (who) => `${who} may no longer ask this machine, nor be asked.`),
  );
  put(revoke, { data: { act: "Revoke" } });
  return [
    h("p", { class: "over", data: { key: "state" } }),
    h("h2", { data: { key: "name" } }),
    h("p", { class: "words", data: { key: "words" } }),
    spark(),
    h(
      "dl",
      {},
      row("Load", "load"),
      row("Way", "path"),
      row("May", "rights"),
      row("Audits", "trust"),
      row("Gave us", "got"),
      row("Got from us", "given"),
    ),
    h("h3", { text: "Serves" }),
    h("ul", { class: "tags", data: { key: "models" } }),
    h(
      "div",
      { class: "acts" },
      act(
        "Approve",
        "main",
        "/ppai/v1/approve",
        (who) => `${who} may ask this machine and answer it; it must approve this one too.`,
      ),
      act("It is mine", "quiet", "/ppai/v1/approve", (who) => `${who} counts as your own machine.`, { mine: true }),
      revoke,
      h("a", { class: "button quiet", href: "#chat", data: { act: "Ask" }, text: "Ask it", on: { click: () => askNext(id) } }),
    ),
  ];
}

function drawPeer() {
  const peer = group("peer").get(selected),
    tab = group("tab").get(selected);
  const [running, waiting, door, rtt] = group("load").get(selected) ?? [];
  const isAlive = running !== null && running !== undefined;
  put(field("state"), {
    text: isWaiting(peer)
      ? "waits to be approved"
      : `${STATES[peer.state]}${peer.reason && peer.state !== "alive" ? `: ${peer.reason}` : ""}`,
    class: `over ${isWaiting(peer) ? "waiting" : peer.state}`,
  });
  put(field("name"), { text: peer.shown });
  put(field("words"), { text: peer.words, title: peer.id });
  put(field("load"), {
    text: isAlive
      ? `${running} of ${peer.slots} running${waiting ? `, ${waiting} waiting` : ""}${door && door !== "open" ? `, door ${door}` : ""}`
      : "not known",
  });
  put(field("path"), { text: `${path(peer)}${rtt ? `, ${rtt} ms there and back` : ""}` });
  put(field("rights"), {
    text: `${peer.rights.map((right) => ({ ask: "ask us", answer: "answer us" })[right]).join(" and ") || "nothing yet"}${peer.mine ? "; yours" : ""}${peer.refuses_us ? `; it refuses us: ${peer.refuses_us}` : ""}`,
  });
  put(field("trust"), {
    text: peer.trust
      ? `${peer.trust.words}${peer.trust.asked ? `, ${Math.round(peer.trust.asked)} asked, honesty ${percent(Math.min(1, peer.trust.weight))}` : ""}`
      : "untested",
  });
  for (const side of ["got", "given"]) {
    put(field(side), {
      text: tab
        ? `${count(tab[side].answers, "answer")}, ${thousands(tab[side].tokens)} tokens`
        : isOwner()
          ? "nothing yet"
          : "told to the owner",
    });
  }
  drawSpark(parts.detail.querySelector(".spark"), past.get(selected) ?? [], peer.slots);
  drawTags(field("models"), group("good").get(selected) ?? []);
  for (const button of parts.detail.querySelectorAll("[data-act]")) {
    const has = {
      Approve: !peer.rights.length,
      "It is mine": peer.rights.length > 0 && !peer.mine,
      Revoke: peer.rights.length > 0,
      Ask: peer.rights.includes("answer") && isAlive,
    };
    put(button, { hidden: !has[button.dataset.act] || (button.dataset.act !== "Ask" && !isOwner()) });
  }
}

function drawLately() {
  const shown = newest().slice(0, innerWidth >= 1900 ? 22 : 9);
  keep(
    parts.lately,
    shown,
    ([number]) => number,
    () => h("li", {}, requestRow()),
    (node, [, request]) => node.firstChild.show(request),
  );
  put(parts.latelyNote, {
    hidden: shown.length > 0,
    text: isOwner() ? "None yet." : "Requests are shown to the owner alone: run ppai open.",
  });
}

function legend() {
  const one = (kind, text) => h("li", {}, h("span", { class: `mark ${kind}` }), text);
  return h(
    "ul",
    { class: "legend" },
    one("alive", "alive"),
    one("suspect", "not heard of"),
    one("dead", "gone"),
    one("waiting", "waits for you"),
  );
}
