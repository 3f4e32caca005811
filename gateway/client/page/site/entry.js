// How this tab becomes the owner's: a link of `ppai open` carries a ticket, which is exchanged for a token once.
// The token lives as long as the tab, and goes nowhere but into the header of requests to this peer.

import { say } from "./dom.js";

const KEPT = "ppai-token";
let token = sessionStorage.getItem(KEPT) || "";

export const isOwner = () => token !== "";

export const withToken = (headers = {}) => (token ? { ...headers, authorization: `Bearer ${token}` } : headers);

export function leave() {
  token = "";
  sessionStorage.removeItem(KEPT);
}

/** Exchange the ticket of the address, if it has one. Returns what went wrong, in words; "" where nothing did. */
export async function enter() {
  const ticket = location.hash.slice(1);
  if (ticket.length < 20) return "";
  history.replaceState(null, "", location.pathname);
  try {
    const said = await ask("/page/enter", { ticket });
    token = said.token;
    sessionStorage.setItem(KEPT, token);
    return "";
  } catch (error) {
    return error.message;
  }
}

/** The JSON that this peer answers: a GET, or with a body a POST. Throws an Error with the peer's own words. */
export async function ask(path, body) {
  const headers = withToken(body === undefined ? {} : { "content-type": "application/json" });
  const asked = {
    headers,
    cache: "no-store",
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  };
  let response;
  try {
    response = await fetch(path, asked);
  } catch {
    throw new Error("The peer does not answer. Is it running? Start it with: ppai serve");
  }
  const said = await response.json().catch(() => null);
  if (!response.ok) throw new Error(said?.error?.message || `The peer answered ${response.status}`);
  return said;
}

/** Have the peer do something, and say `said` when it has, or why not. Returns what it answered; null of a failure. */
export async function tell(path, body, said = "") {
  try {
    const found = await ask(path, body);
    if (said) say(said);
    return found;
  } catch (error) {
    say(error.message, "bad");
    return null;
  }
}
