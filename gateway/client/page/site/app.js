// The page: which area is shown, what needs the owner, and the stream behind all of it.

import { access } from "./access.js";
import { agents } from "./agents.js";
import { chat } from "./chat.js";
import { checks } from "./checks.js";
import { h, icon, keep, put, say } from "./dom.js";
import { enter, isOwner, tell } from "./entry.js";
import { machine } from "./machine.js";
import { network } from "./network.js";
import { privacy } from "./privacy.js";
import { requests } from "./requests.js";
import { apply, applyPast, group, isWaiting, me, onChange, sharing } from "./state.js";
import { follow } from "./stream.js";
import { count } from "./words.js";

const AREAS = [network, requests, agents, chat, machine, access, privacy, checks];
const STATES = {
  live: "Live",
  lost: "This peer does not answer; trying again",
  refused: "This peer shows itself to its owner alone: run ppai open",
};
const main = document.getElementById("main");
const mounted = new Map(); // by area, its section
let shown = null;

/** Show an area; its section is made when it is first looked at, and keeps what was typed into it. */
function show(id, isAsked) {
  const area = AREAS.find((one) => one.id === id) ?? AREAS[0];
  if (shown === area) return;
  mounted.get(shown)?.setAttribute("hidden", "");
  shown = area;
  if (!mounted.has(area)) {
    const section = h(
      "section",
      { class: `area ${area.id}`, "aria-labelledby": `h-${area.id}` },
      h("h1", { id: `h-${area.id}`, tabindex: "-1", text: area.title }),
    );
    area.mount(section);
    mounted.set(area, section);
    main.append(section);
  }
  mounted.get(area).removeAttribute("hidden");
  area.draw(null);
  for (const link of document.querySelectorAll(".areas a"))
    put(link, { "aria-current": link.hash === `#${area.id}` && "page" });
  document.title = `${area.title} · ${me().name ?? "PPAI"}`;
  if (isAsked) mounted.get(area).firstChild.focus();
}

document
  .querySelector(".areas")
  .append(...AREAS.map((area) => h("a", { href: `#${area.id}` }, icon(area.icon), h("span", { text: area.title }))));
addEventListener("hashchange", () => location.hash !== "#main" && show(location.hash.slice(1), true));

onChange((dirty) => {
  if (dirty.has("me") || dirty.has("sharing")) drawTop();
  if (dirty.has("peer") || dirty.has("me") || dirty.has("sharing")) drawNews();
  shown?.draw(dirty);
});

function drawTop() {
  const { name = "PPAI", network: net = "" } = me();
  put(document.getElementById("name"), { text: name });
  put(document.getElementById("net"), { text: net && `network ${net}` });
  const pause = document.getElementById("pause");
  put(pause, { hidden: !isOwner(), text: sharing().kept_shut ? "Share again" : "Pause sharing" });
  if (shown) document.title = `${shown.title} · ${name}`;
}

/** What needs somebody: peers that wait, what is missing, sharing that is off. */
function drawNews() {
  const waiting = [...group("peer").values()].filter(isWaiting);
  const news = [];
  if (!isOwner() && me().id) {
    news.push(["link", "You see what programs of this machine may read. As its owner, run", "ppai open", null]);
  }
  if (waiting.length) {
    const who = waiting.length === 1 ? `“${waiting[0].name}”` : count(waiting.length, "peer");
    news.push(["wait", `${who} ${waiting.length === 1 ? "waits" : "wait"} to be approved.`, "", "access"]);
  }
  for (const lack of me().missing ?? []) news.push([`lack ${lack}`, lack, "", "checks"]);
  if (me().identity_in_use)
    news.push([
      "twice",
      "This peer's identity is in use elsewhere: two peers run from copies of one home.",
      "",
      "checks",
    ]);
  if (sharing().kept_shut) news.push(["shut", `Others get nothing now: ${sharing().kept_shut}.`, "", null]);
  keep(
    document.getElementById("news"),
    news,
    ([key]) => key,
    ([, text, code, area]) =>
      h(
        "p",
        { class: "news" },
        h("span", { text }),
        code && h("code", { text: code }),
        area && h("a", { href: `#${area}`, text: area === "access" ? "Look at it" : "See the checks" }),
      ),
    (node, [, text]) => put(node.firstChild, { text }),
  );
}

document.getElementById("pause").addEventListener("click", () =>
  sharing().kept_shut
    ? tell("/ppai/v1/sharing", { do: "resume" }, "Others may use this machine again.")
    : tell("/ppai/v1/sharing", { do: "pause" }, "Others get nothing until you share again. Your own requests go on."),
);

// Light or dark: as the system says, until somebody chooses. The choice is no secret, and is kept.
const THEMES = ["", "dark", "light"];
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  put(document.getElementById("theme"), {
    text: { dark: "Dark", light: "Light" }[theme] ?? "Auto",
    title: "Colours: dark, light, or as the system says",
  });
}
const kept = () => localStorage.getItem("ppai-theme") ?? "";
setTheme(kept());
document.getElementById("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(kept()) + 1) % THEMES.length];
  localStorage.setItem("ppai-theme", next);
  setTheme(next);
});

const failed = await enter();
if (failed) say(failed, "bad");
show(location.hash.slice(1), false);
follow({
  change: apply,
  past: applyPast,
  state(now) {
    const box = document.getElementById("state");
    put(box, { data: { state: now } });
    put(box.lastChild, { text: STATES[now] });
  },
  left() {
    say("This tab is no longer the owner's: run ppai open for a new link.", "bad");
    apply({ all: true, set: {}, gone: [] }); // what a guest may see comes anew
  },
});
