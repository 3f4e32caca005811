// The network as a picture: this machine in the middle, its owner's other machines around it, then who is approved, then
// all others. A ring around each fills with its load; lines move while a request of ours is there.

import { keep, put, s } from "./dom.js";
import { group, isWaiting, me } from "./state.js";
import { STATES } from "./words.js";

const SIZE = 720,
  MIDDLE = SIZE / 2; // the height in which it is laid out; its width follows the room that there is
const RINGS = ["mine", "approved", "others"];
const RING_NAMES = { mine: "your machines", approved: "approved", others: "others" };
const SIZES = [
  [12, 27],
  [26, 20],
  [70, 13],
  [160, 9],
]; // up to so many peers, this radius
const FEW = 14; // peers, up to which each has its own angle
const INNER = 135; // the least radius of a ring: names stand between it and the middle
const JUST_MS = 1500; // for which a line still shows a request that has ended

const ringOf = (peer) => (peer.mine ? "mine" : peer.rights.includes("answer") ? "approved" : "others");

/** Where each peer stands: {peer, x, y, r} each, and the rings. The same peers stand at the same places. */
export function layout(peers, stretch) {
  const r = (SIZES.find(([most]) => peers.length <= most) ?? [0, 6.5])[1];
  const apart = r > 15 ? 4.6 * r : 2.9 * r,
    rows = [];
  let radius = INNER;
  for (const name of RINGS) {
    const here = peers.filter((peer) => ringOf(peer) === name).sort((a, b) => (a.id < b.id ? -1 : 1));
    for (let at = 0; at < here.length; radius += r > 15 ? 3.5 * r : 2.7 * r) {
      const room = Math.max(4, Math.floor((Math.PI * (1 + stretch) * radius) / apart));
      const size = Math.min(room, Math.ceil((here.length - at) / Math.ceil((here.length - at) / room)));
      rows.push({ name, radius, peers: here.slice(at, at + size), isFirst: at === 0 });
      at += size;
    }
  }
  const most = MIDDLE - r - (r > 15 ? 38 : 16),
    outer = rows.at(-1)?.radius ?? INNER;
  const inner = rows.length === 1 ? most * 0.72 : Math.min(INNER, most * 0.5);
  const at = (value) => (rows.length === 1 ? inner : inner + ((value - INNER) / (outer - INNER)) * (most - inner));
  const placed = [],
    rings = [];
  rows.forEach((row, index) => {
    const ring = at(row.radius),
      turn = (n) => -Math.PI / 2 + ((n + (index % 2 ? 0.5 : 0.25)) / row.peers.length) * 2 * Math.PI;
    const where = (angle) => ({
      x: stretch * MIDDLE + stretch * ring * Math.cos(angle),
      y: MIDDLE + ring * Math.sin(angle),
    });
    rings.push({ ...row, radius: ring, label: { x: stretch * MIDDLE, y: MIDDLE + ring } });
    row.peers.forEach((peer, n) => placed.push({ peer, r, ring, ...where(turn(n)) }));
  });
  if (peers.length <= FEW) spread(placed, rings, stretch);
  return { placed, rings };
}

/** Give each of few an angle of its own, those of one ring far apart, so that no line passes behind another peer. */
function spread(placed, rings, stretch) {
  const all = placed.length,
    free = new Set(placed.keys());
  const angle = (slot) => -Math.PI / 2 + (slot / all) * 2 * Math.PI;
  const apart = (one, other) => Math.min((one - other + 2 * all) % all, (other - one + 2 * all) % all);
  rings.forEach((ring, index) => {
    const here = placed.filter((it) => it.ring === ring.radius);
    here.forEach((it, n) => {
      const ideal = ((n + index / 2) / here.length) * all;
      const slot = [...free].reduce((best, one) => (apart(one, ideal) < apart(best, ideal) ? one : best));
      free.delete(slot);
      it.x = stretch * (MIDDLE + it.ring * Math.cos(angle(slot + 0.5)));
      it.y = MIDDLE + it.ring * Math.sin(angle(slot + 0.5));
    });
    const between = angle(Math.floor(all / 2));
    ring.label = {
      x: stretch * (MIDDLE + ring.radius * Math.cos(between)),
      y: MIDDLE + ring.radius * Math.sin(between),
    };
  });
}

export class Picture {
  /** `select(id)` is called with the peer that was clicked; "" is this machine. */
  constructor(select) {
    this.select = select;
    this.ended = new Map(); // by peer's shown name, when a request of ours ended there last
    this.seen = new Map(); // by number, whether it ran when it was looked at last
    this.rings = s("g", { class: "rings" });
    this.lines = s("g", { class: "lines" });
    this.nodes = s("g", { class: "nodes" });
    this.own = this.ownNode();
    this.stretch = 1;
    this.selected = "";
    this.svg = s(
      "svg",
      { class: "picture", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": "The network" },
      this.rings,
      this.lines,
      this.nodes,
      this.own.node,
    );
    new ResizeObserver(() => this.fit()).observe(this.svg);
  }

  /** Use the room that there is: rings are as much wider than high. */
  fit() {
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (!width || !height) return;
    this.stretch = Math.min(1.6, Math.max(0.72, width / height));
    put(this.svg, { viewBox: `0 0 ${Math.round(SIZE * this.stretch)} ${SIZE}` });
    this.draw(this.selected);
  }

  draw(selected) {
    this.selected = selected;
    const peers = [...group("peer").values()],
      middle = MIDDLE * this.stretch;
    const { placed, rings } = layout(peers, this.stretch);
    const asked = this.asked();
    const showsNames = peers.length <= 40;
    this.isNarrow = this.svg.clientWidth < 520;
    put(this.svg, { "aria-label": summary(peers), data: { many: peers.length > 70, narrow: this.isNarrow } });
    keep(
      this.rings,
      rings,
      (ring) => `${ring.name} ${Math.round(ring.radius)}`,
      () => s("g", {}, s("ellipse", { cy: MIDDLE, class: "ring" }), s("text", { class: "ring-name" })),
      (node, ring) => {
        put(node.firstChild, { cx: middle, rx: (ring.radius * this.stretch).toFixed(1), ry: ring.radius.toFixed(1) });
        put(node.lastChild, {
          x: ring.label.x.toFixed(1),
          y: ring.label.y.toFixed(1),
          text: ring.isFirst && showsNames ? RING_NAMES[ring.name] : "",
        });
      },
    );
    keep(
      this.lines,
      placed.filter(({ peer }) => peer.rights.length && peer.state !== "dead" && peer.state !== "left"),
      ({ peer }) => peer.id,
      () => s("line", { y1: MIDDLE }),
      (line, { peer, x, y }) =>
        put(line, {
          x1: middle,
          x2: x.toFixed(1),
          y2: y.toFixed(1),
          class: `line ${peer.relayed ? "relayed" : peer.path ? "direct" : "inbound"} ${asked.running.has(peer.shown) ? "asked" : asked.just.has(peer.shown) ? "just" : ""}`,
        }),
    );
    keep(
      this.nodes,
      placed,
      ({ peer }) => peer.id,
      ({ peer }) => this.node(peer.id),
      (node, it) => this.drawNode(node, it, selected, showsNames),
    );
    this.drawOwn(selected, asked);
  }

  /** Who is asked now, and by whom a request has just been answered, by name. */
  asked() {
    const running = new Map(),
      now = performance.now();
    for (const [number, one] of group("request")) {
      if (one.is_running && one.peer) running.set(one.peer, (running.get(one.peer) ?? 0) + 1);
      const before = this.seen.get(number);
      if (this.hasLooked && !one.is_running && one.peer && before !== false) this.ended.set(one.peer, now);
      this.seen.set(number, one.is_running);
    }
    for (const number of this.seen.keys()) if (!group("request").has(number)) this.seen.delete(number);
    for (const [peer, at] of this.ended) if (now - at > JUST_MS) this.ended.delete(peer);
    this.hasLooked = this.seen.size > 0 || this.hasLooked;
    return { running, just: this.ended };
  }

  node(id) {
    return s(
      "g",
      { class: "node", on: { click: () => this.select(id) } },
      s("title"),
      s("circle", { class: "halo" }),
      s("circle", { class: "disc" }),
      s("circle", { class: "track" }),
      s("circle", { class: "load" }),
      s("path", { class: "sign" }),
      s("text", { class: "node-count" }),
      s("text", { class: "node-name" }),
      s("text", { class: "node-model" }),
    );
  }

  drawNode(node, { peer, x, y, r }, selected, showsNames) {
    const [title, halo, disc, track, load, sign, busy, name, model] = node.children;
    const [running, waiting] = group("load").get(peer.id) ?? [null, null];
    const share = running === null || !peer.slots ? 0 : Math.min(1, running / peer.slots);
    const kind = isWaiting(peer) ? "waiting" : peer.state;
    put(node, {
      class: `node ${kind} ${peer.trust?.verdict === "worse" ? "distrusted" : ""} ${selected === peer.id ? "selected" : ""}`,
      transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`,
    });
    put(title, {
      text: `${peer.shown}: ${isWaiting(peer) ? "waits to be approved" : STATES[peer.state]}${running === null ? "" : `, ${running} of ${peer.slots} busy`}`,
    });
    put(halo, { r: r + 9 });
    put(disc, { r });
    put(track, { r: r + 4 });
    arc(load, r + 4, share);
    put(sign, { d: SIGNS[kind]?.(r) ?? "" });
    put(busy, { text: r > 15 && running !== null ? `${running}${waiting ? `+${waiting}` : ""}` : "", y: 5 });
    const above = y < MIDDLE - 40 ? -1 : 1; // names stand away from the middle
    const line = this.isNarrow ? 19 : 15,
      first = this.isNarrow ? 25 : 21;
    const isNamed = showsNames || selected === peer.id;
    put(name, {
      y: above > 0 ? r + first : -r - (r > 15 ? 11 + line : 10),
      text: isNamed ? short(peer.shown, 16) : "",
    });
    put(model, {
      y: above > 0 ? r + first + line : -r - 11,
      text: showsNames && r > 15 ? short(group("good").get(peer.id)?.[0]?.name ?? "", 20) : "",
    });
  }

  ownNode() {
    const node = s(
      "g",
      { class: "node own", on: { click: () => this.select("") } },
      s("title"),
      s("circle", { class: "halo", r: 50 }),
      s("circle", { class: "disc", r: 38 }),
      s("circle", { class: "track", r: 44 }),
      s("circle", { class: "load" }),
      s("text", { class: "node-name", y: -1 }),
      s("text", { class: "node-model", y: 15 }),
    );
    return { node };
  }

  drawOwn(selected, asked) {
    const [title, , , , load, name, sub] = this.own.node.children;
    const own = me(),
      [running = 0, waiting = 0] = group("load").get("me") ?? [];
    put(this.own.node, {
      transform: `translate(${MIDDLE * this.stretch} ${MIDDLE})`,
      class: `node own ${selected === "" ? "selected" : ""} ${asked.running.has(own.name) ? "asked" : ""}`,
    });
    put(title, { text: `${own.name}: this machine` });
    arc(load, 44, Math.min(1, running / Math.max(1, own.slots ?? 1)));
    put(name, { text: short(own.name ?? "", 9) });
    put(sub, { text: waiting ? `${running} + ${waiting} wait` : `${running} of ${own.slots ?? 0}` });
  }
}

// So that states differ by shape, not by colour alone: "?" for who was not heard of, a stroke through who is gone, a plus for
// who waits.
const SIGNS = {
  suspect: (r) => `M0 ${-r * 0.42}V${r * 0.08}M0 ${r * 0.36}V${r * 0.4}`,
  dead: (r) => `M${-r * 0.42} ${-r * 0.42}L${r * 0.42} ${r * 0.42}M${r * 0.42} ${-r * 0.42}L${-r * 0.42} ${r * 0.42}`,
  left: (r) => `M${-r * 0.45} 0H${r * 0.45}`,
  waiting: (r) => `M${-r * 0.4} 0H${r * 0.4}M0 ${-r * 0.4}V${r * 0.4}`,
};

function arc(circle, r, share) {
  const around = 2 * Math.PI * r;
  put(circle, {
    r,
    "stroke-dasharray": `${(share * around).toFixed(1)} ${around.toFixed(1)}`,
    transform: "rotate(-90)",
  });
}

const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function summary(peers) {
  const alive = peers.filter((peer) => peer.state === "alive").length;
  return `The network: this machine and ${peers.length} peers, ${alive} of them alive. The list beside it says the same.`;
}
