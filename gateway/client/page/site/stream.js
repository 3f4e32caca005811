// The stream of what is there and what changes. After a break it is asked for again, from where it broke off.
//
// EventSource cannot send the owner's token, so events are read from a fetch.

import { isOwner, leave, withToken } from "./entry.js";

const AGAIN_MS = [300, 1000, 2000, 5000]; // before each further try
const SILENT_MS = 40000; // the peer gives a sign of life every 15 s

/**
 * Read events for ever. `on.change(data)`, `on.past(data)`, `on.left()`, and `on.state`: "live", "lost", or "refused" where
 * the peer asks for a key that this tab does not have.
 */
export async function follow(on) {
  let last = "";
  const left = () => {
    leave();
    last = "";
    on.left();
  };
  for (let tries = 0; ;) {
    const ending = new AbortController();
    const wasOwner = isOwner();
    let state = "lost";
    try {
      const response = await fetch("/ppai/v1/watch", {
        headers: withToken(last ? { "last-event-id": last } : {}),
        cache: "no-store",
        signal: ending.signal,
      });
      if (response.status === 401) {
        state = "refused";
        if (wasOwner) left(); // the peer was started again, and knows the token no longer
      }
      if (!response.ok) throw new Error(String(response.status));
      tries = 0;
      on.state("live");
      for await (const event of eventsOf(response.body, ending)) {
        if (event.id) last = event.id;
        if (event.name === "change") on.change(JSON.parse(event.data));
        else if (event.name === "past") on.past(JSON.parse(event.data));
        else if (event.name === "entry") left();
      }
    } catch {
      // it broke off, or nobody answered
    }
    ending.abort();
    if (wasOwner && !isOwner()) continue; // at once, as a guest
    on.state(state);
    await new Promise((resume) => setTimeout(resume, AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)]));
  }
}

/** Events of a stream, `{id, name, data}` each; ends where the peer has been silent for too long. */
async function* eventsOf(body, ending) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const silent = setTimeout(() => ending.abort(), SILENT_MS);
    const { value, done } = await reader.read().finally(() => clearTimeout(silent));
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const event = { id: "", name: "", data: "" };
      for (const line of text.slice(0, end).split("\n")) {
        const colon = line.indexOf(": ");
        if (colon < 1) continue; // a comment
        const field = line.slice(0, colon);
        if (field === "id") event.id = line.slice(colon + 2);
        else if (field === "event") event.name = line.slice(colon + 2);
        else if (field === "data") event.data += line.slice(colon + 2);
      }
      if (event.name) yield event;
    }
  }
}
