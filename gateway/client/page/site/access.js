// Who may use this machine and be used: those who wait, invitations, those who may, and the owner's word on sharing.

import { h, keep, put, say, twice } from "./dom.js";
import { isOwner, tell } from "./entry.js";
import { qrPicture } from "./qr.js";
import { group, isWaiting, me, sharing } from "./state.js";
import { STATES } from "./words.js";

const STATES_OF_INVITES = {
  open: "open",
  used: "used",
  expired: "too old",
  withdrawn: "withdrawn",
  exhausted: "tried too often",
};
let parts;

export const access = {
  id: "access",
  title: "Access",
  icon: "access",
  mount(section) {
    const own = h("p", { class: "words big" }),
      waiting = h("ul", { class: "cards" }),
      none = h("p", { class: "hint", text: "Nobody waits." });
    const approved = h("ul", { class: "cards" }),
      invites = h("ul", { class: "rows" }),
      made = h("div", { class: "made", "aria-live": "polite" });
    const sharingNow = h("p", {}),
      guest = h("p", { class: "hint", text: "What follows is the owner's: run ppai open to become him in this tab." });
    const forWhom = h("input", {
      name: "for",
      maxlength: 64,
      autocomplete: "off",
      placeholder: "for example: Mila's laptop",
    });
    const hours = h(
      "select",
      { name: "expires" },
      [
        ["3600", "one hour"],
        ["86400", "one day"],
        ["604800", "one week"],
      ].map(([value, text]) => h("option", { value, text })),
    );
    const mine = h("input", { type: "checkbox", name: "mine" }),
      pin = h("input", { type: "checkbox", name: "pin" });
    const form = h(
      "form",
      {
        class: "fields",
        on: {
          submit: (event) => {
            event.preventDefault();
            invite();
          },
        },
      },
      h("label", {}, "For whom", forWhom),
      h("label", {}, "Good for", hours),
      h("label", { class: "check" }, mine, "It is my own machine"),
      h("label", { class: "check" }, pin, "Six digits to type, on this network"),
      h("button", { class: "main", text: "Invite" }),
    );
    const line = h("input", { name: "line", autocomplete: "off", spellcheck: "false", placeholder: "PPAI1:…" });
    const join = h(
      "form",
      {
        class: "fields",
        on: {
          submit: (event) => {
            event.preventDefault();
            takePart(line);
          },
        },
      },
      h("label", {}, "The line that you were given", line),
      h("button", { class: "main", text: "Join" }),
    );
    const pause = (text, body) =>
      h("button", { type: "button", class: "quiet", text, on: { click: () => share(body) } });
    section.append(
      guest,
      h(
        "div",
        { class: "card" },
        h("h2", { text: "This peer, said aloud" }),
        own,
        h("p", {
          class: "hint",
          text: "Whoever approves this peer compares these words with what his own page shows. A name can be anybody's; the words are this peer's key.",
        }),
      ),
      h("div", { class: "card" }, h("h2", { text: "Waiting for you" }), none, waiting),
      h(
        "div",
        { class: "two" },
        h(
          "div",
          { class: "card" },
          h("h2", { text: "Invite a machine" }),
          form,
          made,
          h("h3", { text: "Invitations" }),
          invites,
        ),
        h(
          "div",
          { class: "card" },
          h("h2", { text: "Join by an invitation" }),
          join,
          h("h2", { text: "Sharing" }),
          sharingNow,
          h(
            "div",
            { class: "acts" },
            pause("Pause for an hour", { do: "pause", seconds: 3600 }),
            pause("Pause until I say", { do: "pause" }),
            pause("Share again", { do: "resume" }),
            twice("Drain and end", "Really end this peer?", () => share({ do: "drain" })),
          ),
          h("p", {
            class: "hint",
            text: "A pause keeps others out, never you. Draining lets their jobs end, says goodbye and ends this peer.",
          }),
        ),
      ),
      h("div", { class: "card" }, h("h2", { text: "May use this machine, or be used" }), approved),
    );
    parts = {
      own,
      waiting,
      none,
      approved,
      invites,
      made,
      sharingNow,
      guest,
      form,
      join,
      forWhom,
      hours,
      mine,
      pin,
      section,
    };
  },
  draw(dirty) {
    if (dirty !== null && !["peer", "me", "sharing", "invite"].some((name) => dirty.has(name))) return;
    const peers = [...group("peer").values()];
    put(parts.own, { text: me().words ?? "", title: me().id ?? "" });
    put(parts.guest, { hidden: isOwner() });
    for (const field of parts.section.querySelectorAll("form *, .acts button")) put(field, { disabled: !isOwner() });
    const waiting = peers.filter(isWaiting),
      approved = peers.filter((peer) => peer.rights.length);
    put(parts.none, { hidden: waiting.length > 0 });
    keep(
      parts.waiting,
      waiting,
      (peer) => peer.id,
      (peer) => person(peer, true),
      drawPerson,
    );
    keep(
      parts.approved,
      approved,
      (peer) => peer.id,
      (peer) => person(peer, false),
      drawPerson,
    );
    put(parts.sharingNow, {
      text: sharing().kept_shut
        ? `Others get nothing: ${sharing().kept_shut}.`
        : "Others may use this machine, within your hours and rules.",
    });
    const invites = [...group("invite").values()].sort((a, b) => b.expires - a.expires);
    keep(
      parts.invites,
      invites,
      (one) => one.id,
      (one) =>
        h(
          "li",
          {},
          h("span", {}),
          h("button", {
            type: "button",
            class: "quiet",
            text: "Withdraw",
            on: { click: () => tell("/ppai/v1/uninvite", { who: one.id }, "It lets nobody in any more.") },
          }),
        ),
      (node, one) => {
        const used = one.used_by ? ` by ${one.used_by.name}` : "",
          until =
            one.state === "open"
              ? `, until ${new Date(one.expires * 1000).toLocaleString([], { dateStyle: "short", timeStyle: "short" })}`
              : "";
        put(node.firstChild, {
          text: `${one.for ?? "anybody"}: ${STATES_OF_INVITES[one.state] ?? one.state}${used}${until}`,
        });
        put(node.lastChild, { hidden: one.state !== "open" });
      },
    );
  },
};

function person(peer, isNew) {
  const approve = (mine) =>
    tell(
      "/ppai/v1/approve",
      { who: peer.id, ...(mine ? { mine } : {}) },
      `${peer.shown} may ask this machine and answer it; it must approve this one too.`,
    );
  return h(
    "li",
    { class: "person" },
    h("span", { class: "mark" }),
    h("strong", {}),
    h("span", { class: "words" }),
    h("span", { class: "hint" }),
    h(
      "span",
      { class: "acts" },
      isNew && h("button", { type: "button", class: "main", text: "Approve", on: { click: () => approve(false) } }),
      isNew &&
        h("button", { type: "button", class: "quiet", text: "Approve as mine", on: { click: () => approve(true) } }),
      !isNew &&
        twice("Revoke", "Really revoke?", () =>
          tell("/ppai/v1/revoke", { who: peer.id }, `${peer.shown} may no longer ask this machine, nor be asked.`),
        ),
    ),
  );
}

function drawPerson(node, peer) {
  const [, name, words, hint] = node.children;
  put(node, { class: `person ${isWaiting(peer) ? "waiting" : peer.state}` });
  put(name, { text: peer.shown });
  put(words, { text: peer.words, title: peer.id });
  const may = peer.rights.map((right) => ({ ask: "asks us", answer: "answers us" })[right]).join(" and ");
  put(hint, {
    text: [peer.addresses.join(", "), STATES[peer.state], may, peer.mine && "yours"].filter(Boolean).join(" · "),
  });
}

async function invite() {
  const { forWhom, hours, mine, pin, made } = parts;
  const found = await tell("/ppai/v1/invite", {
    for: forWhom.value || null,
    expires_s: Number(hours.value),
    rights: ["ask", "answer"],
    mine: mine.checked,
    pin: pin.checked,
    qr: !pin.checked,
  });
  if (!found) return;
  const copy = h("button", {
    type: "button",
    class: "quiet",
    text: "Copy",
    on: {
      click: () =>
        navigator.clipboard.writeText(found.line).then(
          () => say("Copied."),
          () => say("This browser does not let it be copied: select the line.", "bad"),
        ),
    },
  });
  made.replaceChildren(
    ...(found.pin
      ? [
          h("p", { text: "On the other machine:" }),
          h("pre", { text: "ppai join --pin" }),
          h("p", { class: "pin", text: found.pin }),
        ]
      : [
          h("p", { text: "On the other machine, once:" }),
          h("pre", { class: "line", tabindex: "0", "aria-label": "The line to run", text: `ppai join ${found.line}` }),
          copy,
          found.qr && qrPicture(found.qr),
        ].filter(Boolean)),
  );
}

async function takePart(field) {
  const line = field.value
    .trim()
    .replace(/^ppai join\s+/, "")
    .replace(/^['"]|['"]$/g, "");
  if (!line) return;
  const found = await tell("/ppai/v1/join", { line, rights: ["ask", "answer"] }, "");
  if (!found) return;
  say(`Joined ${found.name}: both approve each other.`);
  field.value = "";
}

const share = (body) =>
  tell(
    "/ppai/v1/sharing",
    body,
    {
      pause: "Others get nothing now.",
      resume: "Others may use this machine.",
      drain: "Others' jobs end, then this peer.",
    }[body.do],
  );
