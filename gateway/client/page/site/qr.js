// A QR code as a picture: dark on white in every theme, or cameras would not read it.

import { s } from "./dom.js";

/** `rows`: texts of 0 and 1, a quiet zone included. */
export function qrPicture(rows) {
  const size = rows.length;
  let path = "";
  rows.forEach((row, y) => {
    for (const run of row.matchAll(/1+/g)) path += `M${run.index} ${y}h${run[0].length}v1h-${run[0].length}z`;
  });
  return s(
    "svg",
    {
      class: "qr",
      viewBox: `0 0 ${size} ${size}`,
      role: "img",
      "aria-label": "The same line as a QR code",
      "shape-rendering": "crispEdges",
    },
    s("rect", { width: size, height: size, class: "qr-light" }),
    s("path", { d: path, class: "qr-dark" }),
  );
}
