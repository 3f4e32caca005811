// A small line of the last five minutes: how many jobs a peer had, and how many waited.

import { put, s } from "./dom.js";
import { SAMPLES } from "./state.js";

const WIDTH = 240,
  HEIGHT = 48;

export function spark() {
  return s(
    "svg",
    { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" },
    s("path", { class: "spark-wait" }),
    s("path", { class: "spark-run" }),
  );
}

/** `samples`: [running, waiting] or null each, the newest last. `slots`: what fills the height. */
export function drawSpark(svg, samples, slots) {
  const top = Math.max(slots, 1, ...samples.map((one) => (one ? one[0] + one[1] : 0)));
  const [wait, run] = svg.children;
  put(run, { d: area(samples, top, (one) => one[0]) });
  put(wait, { d: area(samples, top, (one) => one[0] + one[1]) });
  const newest = samples.at(-1);
  put(svg, {
    "aria-label": newest ? `Five minutes of load; now ${newest[0]} running, ${newest[1]} waiting` : "Load not known",
  });
}

function area(samples, top, value) {
  const step = WIDTH / (SAMPLES - 1),
    first = SAMPLES - samples.length;
  let path = "",
    isOpen = false,
    x = 0;
  samples.forEach((one, at) => {
    x = (first + at) * step;
    if (one === null) {
      if (isOpen) path += `V${HEIGHT}Z`;
      isOpen = false;
      return;
    }
    const y = HEIGHT - (value(one) / top) * (HEIGHT - 3);
    path += isOpen ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `M${x.toFixed(1)} ${HEIGHT}V${y.toFixed(1)}`;
    isOpen = true;
  });
  return isOpen ? `${path}V${HEIGHT}Z` : path;
}
