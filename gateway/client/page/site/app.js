import { enter } from "./entry.js";
import { follow } from "./stream.js";

const shown = new Map();
const state = document.getElementById("state");

function draw() {
  document.getElementById("name").textContent = shown.get("me")?.name ?? "PPAI";
  const peers = [...shown].filter(([key]) => key.startsWith("peer/")).map(([, peer]) => {
    const row = document.createElement("li");
    row.textContent = `${peer.shown}: ${peer.state}`;
    return row;
  });
  document.getElementById("peers").replaceChildren(...peers);
}

const failed = await enter();
follow({
  change(change) {
    if (change.all) shown.clear();
    for (const [key, value] of Object.entries(change.set)) shown.set(key, value);
    for (const key of change.gone) shown.delete(key);
    draw();
  },
  past() {},
  state: (now) => (state.textContent = failed || (now === "live" ? "Live" : "This peer does not answer; trying again")),
  left() {},
});
