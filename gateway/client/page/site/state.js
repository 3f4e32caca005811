// What this peer tells of itself and others, by group and id: `group("peer")` is a Map from id to row.
//
// Changes are drawn once a frame, however many come; while the tab is hidden nothing is drawn.

const groups = new Map();
const listeners = new Set();
let dirty = new Set();
let isDue = false;

export const SAMPLES = 60,
  EVERY_MS = 5000;
export const past = new Map(); // by peer, the last five minutes of [running, waiting] or null

export const group = (name) => groups.get(name) ?? groups.set(name, new Map()).get(name);
export const me = () => group("me").get("") ?? {};
export const sharing = () => group("sharing").get("") ?? {};

export const isLive = (peer) => peer.state === "alive" || peer.state === "suspect";

/** Whether it is there and waits for the owner's word: the peer's own rule, by which one that was revoked does not wait. */
export const isWaiting = (peer) => peer.waiting;

/** Call `draw(dirty)` in the next frame after changes; `dirty` is the Set of groups that changed. Returns how to end it. */
export function onChange(draw) {
  listeners.add(draw);
  return () => listeners.delete(draw);
}

export function apply(change) {
  if (change.all)
    for (const [name, rows] of groups) {
      rows.clear();
      touch(name);
    }
  for (const [key, value] of Object.entries(change.set)) {
    const [name, id] = parts(key);
    group(name).set(id, value);
    touch(name);
  }
  for (const key of change.gone) {
    const [name, id] = parts(key);
    group(name).delete(id);
    touch(name);
  }
}

export function applyPast(loads) {
  past.clear();
  for (const [peer, samples] of Object.entries(loads)) past.set(peer, samples);
  touch("past");
}

function parts(key) {
  const slash = key.indexOf("/");
  return slash < 0 ? [key, ""] : [key.slice(0, slash), key.slice(slash + 1)];
}

function touch(name) {
  dirty.add(name);
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    const now = dirty;
    dirty = new Set();
    isDue = false;
    for (const draw of listeners) draw(now);
  });
}

setInterval(() => {
  for (const [peer, load] of group("load")) {
    const samples = past.get(peer) ?? past.set(peer, []).get(peer);
    samples.push(load[0] === null ? null : [load[0], load[1]]);
    if (samples.length > SAMPLES) samples.shift();
  }
  for (const peer of past.keys()) if (!group("load").has(peer)) past.delete(peer);
  touch("past");
}, EVERY_MS);
