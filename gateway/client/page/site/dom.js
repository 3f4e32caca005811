// Elements, made and kept in place. Text is text: nothing here makes markup of a string.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. `props`: class, text, on: {event: f}, css: {"--name": value}, data: {}, and attributes. */
export const h = (tag, props = {}, ...children) => filled(document.createElement(tag), props, children);

/** An SVG element. */
export const s = (tag, props = {}, ...children) => filled(document.createElementNS(SVG, tag), props, children);

/** One of the page's icons. */
export const icon = (name) =>
  s("svg", { class: "icon", "aria-hidden": "true", focusable: "false" }, s("use", { href: `#i-${name}` }));

function filled(node, props, children) {
  for (const [name, handler] of Object.entries(props.on ?? {})) node.addEventListener(name, handler);
  put(node, props);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Change what differs, so that nothing that is the same is laid out again. */
export function put(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") continue;
    if (name === "text") {
      if (node.textContent !== String(value)) node.textContent = value;
    } else if (name === "css") {
      for (const [key, it] of Object.entries(value))
        if (node.style.getPropertyValue(key) !== String(it)) node.style.setProperty(key, it);
    } else if (name === "data") {
      for (const [key, it] of Object.entries(value)) if (node.dataset[key] !== String(it)) node.dataset[key] = it;
    } else if (name === "class") {
      if (node.getAttribute("class") !== value) node.setAttribute("class", value);
    } else if (value === false || value === null || value === undefined) {
      if (node.hasAttribute(name)) node.removeAttribute(name);
    } else {
      const text = value === true ? "" : String(value);
      if (node.getAttribute(name) !== text) node.setAttribute(name, text);
    }
  }
  return node;
}

const KEPT = Symbol("kept");

/** Children of `parent`, one an item in their order: made once by key, then updated in place. */
export function keep(parent, items, keyOf, make, update) {
  const kept = (parent[KEPT] ??= new Map());
  const seen = new Set();
  let at = null;
  for (const item of items) {
    const key = keyOf(item);
    if (seen.has(key)) continue;
    seen.add(key);
    let node = kept.get(key);
    if (!node) kept.set(key, (node = make(item)));
    update?.(node, item);
    const next = at ? at.nextSibling : parent.firstChild;
    if (next !== node) parent.insertBefore(node, next);
    at = node;
  }
  for (const [key, node] of kept) {
    if (!seen.has(key)) {
      node.remove();
      kept.delete(key);
    }
  }
}

/** A button for what is hard to undo: the first click asks, a second one within seconds does it. */
export function twice(text, question, act) {
  let armed = 0;
  const disarm = () => {
    clearTimeout(armed);
    armed = 0;
    put(button, { text });
  };
  const button = h("button", {
    type: "button",
    class: "quiet danger",
    text,
    on: {
      click() {
        if (armed) {
          disarm();
          act();
        } else {
          put(button, { text: question });
          armed = setTimeout(disarm, 5000);
        }
      },
    },
  });
  return button;
}

/** Say something to whoever cannot see it happen, and show it for a while. */
export function say(text, kind = "info") {
  let box = document.getElementById("said");
  if (!box) document.body.append((box = h("div", { id: "said", role: "status", "aria-live": "polite" })));
  const line = h("p", { class: `said ${kind}`, text });
  box.append(line);
  setTimeout(() => line.remove(), 7000);
}
