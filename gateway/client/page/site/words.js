// How values are said to a person.

export const STATES = { alive: "alive", suspect: "not heard of lately", dead: "gone", left: "left" };

const REASONS = {
  best: "the best for it: what it gives, less what it costs",
  topic: "the text is of this agent's topics",
  unfamiliar: "unlike all that is known, so general ability decided",
  local_idle: "this machine was idle, and about as good",
  only_candidate: "there was no other",
  explored: "tried out by lot, to learn how it does",
  pinned: "the program named it",
  client: "the program wanted it to stay here",
  last_resort: "nobody else could",
  fallback: "nobody suited, so this machine tried",
  none: "nobody could be asked",
  random: "by lot (mode random)",
  paper: "by the paper's own rule",
  "mode:local": "this machine only (mode local)",
};

const EXCLUDED = {
  dead: "gone",
  suspect: "not heard of lately",
  not_approved: "not approved",
  place: "elsewhere than this machine",
  privacy: "a privacy rule",
  model: "another model",
  endpoint: "lacks what was asked",
  modality: "cannot take it",
  context: "too long for it",
  pinned: "another was named",
  closed: "its door is closed",
  silent: "did not answer in time",
  retried: "failed this just now",
  score: "not good enough at it",
  embedded: "the small model stands back",
  trial: "on trial, had its share",
  distrusted: "audits found it out",
  last_resort: "only if nobody else can",
  continuing: "cannot go on with it",
  agent: "asked by name only",
  cold: "not loaded",
};

/** Why the first one was chosen. */
export function reason(code) {
  if (!code) return "";
  if (code.startsWith("privacy:")) return `the rule “${code.slice(8)}” keeps it`;
  if (code.startsWith("field:")) return `the field ${code.slice(6)} may not travel`;
  if (code.startsWith("endpoint:")) return `who has ${code.slice(9)}`;
  return REASONS[code] ?? code.replaceAll("_", " ");
}

/** Why one was no candidate. */
export function excluded(code) {
  if (code.startsWith("privacy:")) return `rule “${code.slice(8)}”`;
  if (code.startsWith("field:")) return `refuses ${code.slice(6)}`;
  return EXCLUDED[code] ?? code.replaceAll("_", " ");
}

export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 0.0005) return "0 s";
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 99.5) return `${value.toFixed(value < 9.95 ? 1 : 0)} s`;
  return `${Math.round(value / 60)} min`;
}

export function clock(at) {
  return new Date(at * 1000).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  });
}

export const percent = (value) => `${Math.round(value * 100)}\u00a0%`;

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

export function thousands(n) {
  return n >= 1e9
    ? `${(n / 1e9).toFixed(1)} B`
    : n >= 1e6
      ? `${(n / 1e6).toFixed(1)} M`
      : n >= 1e4
        ? `${Math.round(n / 1000)} k`
        : n.toLocaleString();
}

/** How a peer is connected. */
export function path(peer) {
  if (peer.state === "dead" || peer.state === "left") return "not connected";
  if (!peer.path) return peer.addresses.length ? "it calls us; we cannot call it" : "it asks only; nobody reaches it";
  if (peer.punched) return `direct, through both NATs (${peer.path})`;
  return peer.relayed ? `through a relay (${peer.path})` : `direct (${peer.path})`;
}
