"""Draws docs/pictures/rooms.svg from the import table (tests/layers.toml): python docs/pictures/rooms.py

Rows go from who imports to who is imported. An arrow is left out where a longer way of arrows leads to the same box:
what exactly a package may import is told by the table, and by the box when the mouse is over it.
"""

import textwrap
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PICTURE = Path(__file__).with_suffix(".svg")

BOX_W, GAP_X, LANE_W = 222, 20, 20  # a lane is the way of an arrow past a row
LINE_H, HEAD_H, GAP_Y, CHARS = 15, 27, 34, 31
MARGIN, FRAME = 16, 18
PULLS = 6  # rounds of placing; more make arrows straighter, and the picture wider
STYLE = """
    .paper { fill: #ffffff }  .frame { fill: none; stroke: #8c959f; stroke-dasharray: 5 4 }
    .box { fill: #f6f8fa; stroke: #8c959f }  .pure { fill: #dafbe1; stroke: #2da44e }
    text { font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
    .name { font-weight: 600; font-size: 14px }  .title { font-weight: 600; font-size: 18px }
    .green { fill: #116329 }  .note { fill: #59636e; font-size: 11px }
    .arrow { fill: none; stroke: #59636e; stroke-width: 1.3 }  .tip { fill: #59636e }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #0d1117 }  .frame { stroke: #656c76 }
      .box { fill: #161b22; stroke: #656c76 }  .pure { fill: #0f2d1a; stroke: #2ea043 }
      text { fill: #e6edf3 }  .green { fill: #7ee787 }  .note { fill: #9198a1 }
      .arrow { stroke: #9198a1 }  .tip { fill: #9198a1 }
    }"""

Graph = Mapping[str, set[str]]
Table = Mapping[str, Mapping[str, Any]]


def main() -> None:
    PICTURE.write_text(picture(read_table()), encoding="utf-8")


def read_table() -> dict[str, Any]:
    return tomllib.loads((ROOT / "tests" / "layers.toml").read_text(encoding="utf-8"))


def picture(table: Table) -> str:
    """The whole SVG, the same for the same table."""
    packages: Table = table["gateway"]
    layout = Layout(arrows_between(packages), {name: height_of(row) for name, row in packages.items()})
    width = layout.width + 2 * (MARGIN + FRAME)
    head, top = intro(MARGIN + 22), MARGIN + 116
    bench = room_box("benchmarks", table["benchmarks"], MARGIN, top, width - 2 * MARGIN)
    inside_y = top + room_h(table["benchmarks"], width) + GAP_Y + FRAME + 20
    frame_y, frame_h = inside_y - FRAME - 20, layout.height + 2 * FRAME + 20
    floor_y, half = frame_y + frame_h + GAP_Y, (width - 2 * MARGIN - GAP_X) / 2
    floor = [
        room_box(name, table[name], MARGIN + n * (half + GAP_X), floor_y, half)
        for n, name in enumerate(("discovery", "profiler"))
    ]
    height = floor_y + max(room_h(table[name], half) for name in ("discovery", "profiler")) + MARGIN
    middle = width / 2
    between = [
        arrow([(middle, frame_y - GAP_Y), (middle, frame_y)]),
        *(arrow([(x, floor_y - GAP_Y), (x, floor_y)]) for x in (MARGIN + half / 2, width - MARGIN - half / 2)),
    ]
    dx, dy = MARGIN + FRAME, inside_y
    arrows = [arrow([(x + dx, y + dy) for x, y in way]) for way in layout.ways()]
    boxes = [
        package_box(name, row, layout.left[name] + dx, layout.top[layout.rank[name]] + dy)
        for name, row in packages.items()
    ]
    frame = [
        rect("frame", MARGIN, frame_y, width - 2 * MARGIN, frame_h),
        text(MARGIN + 12, frame_y + 22, "gateway", "name"),
    ]
    lines = [*head, bench, *frame, *between, *arrows, *boxes, *floor]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">\n'
        "  <title>The rooms of PPAI and who may import whom</title>\n"
        f"  <style>{STYLE}\n  </style>\n"
        '  <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="tip" d="M0,0 L8,4 L0,8 z"/></marker></defs>\n'
        f"  {rect('paper', 0, 0, width, height)}\n" + "".join(f"  {line}\n" for line in lines) + "</svg>\n"
    )


# --- what is drawn


def arrows_between(packages: Table) -> dict[str, set[str]]:
    """Who imports whom, inside gateway, without the arrows that a longer way replaces."""
    full = {
        name: {one.partition(".")[0] for imports in lists_of(row) for one in imports} & packages.keys() - {name}
        for name, row in packages.items()
    }
    return {
        name: {end for end in ends if not any(end in reached_from(other, full) for other in ends - {end})}
        for name, ends in full.items()
    }


def lists_of(row: Mapping[str, Any]) -> list[list[str]]:
    return [row["imports"], *row.get("files", {}).values()]


def reached_from(start: str, graph: Graph) -> set[str]:
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def rooms_of(row: Mapping[str, Any]) -> list[str]:
    """The other rooms that a package imports from."""
    tops = {one.partition(".")[0] for imports in lists_of(row) for one in imports}
    return sorted(tops & {"discovery", "profiler"})


# --- where it stands


class Layout:
    """Boxes in rows, arrows downward. An arrow that passes a row has a lane of its own there, between the boxes."""

    def __init__(self, graph: Graph, heights: Mapping[str, int]) -> None:
        self.graph, self.heights = graph, heights
        self.rank = dict.fromkeys(graph, 0)
        for _ in graph:  # a longest way has fewer arrows than there are boxes
            for name, ends in graph.items():
                for end in ends:
                    self.rank[end] = max(self.rank[end], self.rank[name] + 1)
        self.chains = [self._chain(name, end) for name in sorted(graph) for end in sorted(graph[name])]
        self.rows = self._ordered()
        self.left = self._placed()
        row_h = [max((heights.get(one, 0) for one in row), default=0) for row in self.rows]
        self.top = [sum(row_h[:n]) + n * GAP_Y for n in range(len(row_h))]
        self.row_h = row_h
        self.height = self.top[-1] + row_h[-1]
        self.width = max(self.left[one] + self._w(one) for row in self.rows for one in row)

    def ways(self) -> list[list[tuple[float, float]]]:
        """The points of every arrow, from the lower edge of a box to the upper edge of another."""
        out, into = self._spread(0), self._spread(-1)
        ways = []
        for n, chain in enumerate(self.chains):
            start, end = self.rank[chain[0]], self.rank[chain[-1]]
            way = [(out[n], self.top[start] + self.heights[chain[0]])]
            if self.heights[chain[0]] < self.row_h[start]:
                way.append((out[n], self.top[start] + self.row_h[start]))
            for lane, row in zip(chain[1:-1], range(start + 1, end), strict=True):
                x = self.left[lane] + LANE_W / 2
                way += [(x, self.top[row]), (x, self.top[row] + self.row_h[row])]
            ways.append([*way, (into[n], float(self.top[end]))])
        return ways

    def _chain(self, start: str, end: str) -> list[str]:
        """The two boxes, and a lane in each row between them."""
        between = range(self.rank[start] + 1, self.rank[end])
        return [start, *(f"{start}>{end}@{row}" for row in between), end]

    def _ordered(self) -> list[list[str]]:
        """Each row from left to right: whoever is linked stands below each other, as far as it goes."""
        rows: list[list[str]] = [[] for _ in range(max(self.rank.values()) + 1)]
        for name, row in self.rank.items():
            rows[row].append(name)
        for chain in self.chains:
            for lane, row in zip(chain[1:-1], range(self.rank[chain[0]] + 1, self.rank[chain[-1]]), strict=True):
                rows[row].append(lane)
        self.near = self._neighbours()
        for _ in range(12):
            for row in (*range(1, len(rows)), *range(len(rows) - 2, -1, -1)):
                place = {one: (n + 0.5) / len(line) for line in rows for n, one in enumerate(line)}
                rows[row].sort(key=lambda one: mean([place[other] for other in self.near[one]], place[one]))
        return rows

    def _neighbours(self) -> dict[str, list[str]]:
        near: dict[str, list[str]] = {one: [] for chain in [list(self.graph), *self.chains] for one in chain}
        for chain in self.chains:
            for one, other in pairwise(chain):
                near[one].append(other)
                near[other].append(one)
        lanes = near.keys() - self.graph.keys()
        straight = {one: [other for other in near[one] if other in lanes] for one in lanes}
        return near | {one: others for one, others in straight.items() if others}

    def _placed(self) -> dict[str, float]:
        """Left edges: a row is pulled towards its neighbours' middles, and pushed apart where boxes would overlap."""
        left: dict[str, float] = {}
        for row in self.rows:
            x = -sum(self._w(one) + GAP_X for one in row) / 2
            for one in row:
                left[one], x = x, x + self._w(one) + GAP_X
        for _ in range(PULLS):
            for row in self.rows:
                wanted = [
                    mean([left[other] + self._w(other) / 2 for other in self.near[one]], left[one] + self._w(one) / 2)
                    - self._w(one) / 2
                    for one in row
                ]
                pushed = wanted[:1]
                for before, x in zip(row[:-1], wanted[1:], strict=True):
                    pushed.append(max(x, pushed[-1] + self._w(before) + GAP_X))
                shift = mean([want - push for want, push in zip(wanted, pushed, strict=True)], 0.0)
                left |= {one: x + shift for one, x in zip(row, pushed, strict=True)}
        least = min(left.values())
        return {one: round(x - least) for one, x in left.items()}

    def _spread(self, end: int) -> list[float]:
        """Where each arrow leaves its first box (end 0) or enters its last (end -1): side by side, none crossing."""
        beside, xs = (1, -2)[end], [0.0] * len(self.chains)
        for name in self.graph:
            own = [n for n, chain in enumerate(self.chains) if chain[end] == name]
            own.sort(key=lambda n: self.left[self.chains[n][beside]] + self._w(self.chains[n][beside]) / 2)
            for place, n in enumerate(own):
                xs[n] = self.left[name] + BOX_W * (place + 1) / (len(own) + 1)
        return xs

    def _w(self, one: str) -> int:
        return BOX_W if one in self.graph else LANE_W


def mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


# --- how it is drawn


def intro(y: float) -> list[str]:
    said = (
        "An arrow points at what a package may import. It is left out where a longer way leads to the same box, but",
        "a longer way alone allows nothing. The whole table, from which this is drawn, is tests/layers.toml.",
        "Green is pure: values in, values out, without I/O, clock, randomness or waiting, frameworks or torch.",
        "Of a white box, the files after `pure:` are. `+ discovery` says that it imports from that room, too.",
    )
    title = text(MARGIN, y, "The rooms of PPAI, the packages of its gateway, and who may import whom", "title")
    return [title, *(text(MARGIN, y + 24 + 17 * n, line) for n, line in enumerate(said))]


def package_box(name: str, row: Mapping[str, Any], x: float, y: float) -> str:
    is_pure = row.get("pure") == "all"
    known = ", ".join(sorted({one for imports in lists_of(row) for one in imports})) or "nothing"
    parts = [
        f"<title>{name} may import: {escape(known)}</title>",
        rect("pure" if is_pure else "box", x, y, BOX_W, height_of(row)),
        text(x + 10, y + 19, name, "name"),
        *(
            text(x + 10, y + HEAD_H + LINE_H * (n + 0.7), line, kind)
            for n, (line, kind) in enumerate(package_lines(row))
        ),
    ]
    return f"<g>{''.join(parts)}</g>"


def height_of(row: Mapping[str, Any]) -> int:
    return HEAD_H + LINE_H * len(package_lines(row)) + 9


def package_lines(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(text, kind) of each line: what it holds, which files are pure where not all are, which other rooms it uses."""
    pure, rooms = row.get("pure", []), rooms_of(row)
    said = [(row["holds"], "")]
    if pure and pure != "all":
        said.append((f"pure: {', '.join(pure)}", "green"))
    if rooms:
        said.append((f"+ {' and '.join(rooms)}", "note"))
    return [(line, kind) for text, kind in said for line in textwrap.wrap(text, CHARS)]


def room_lines(row: Mapping[str, Any], width: float) -> list[str]:
    """What a whole room holds, and which files are pure or what it may import."""
    more = f"pure: {', '.join(row['pure'])}" if row.get("pure") else f"may import: {', '.join(row['imports'])}"
    return [row["holds"], *textwrap.wrap(more, int(width / 7))]


def room_h(row: Mapping[str, Any], width: float) -> float:
    return HEAD_H + LINE_H * len(room_lines(row, width)) + 9


def room_box(name: str, row: Mapping[str, Any], x: float, y: float, width: float) -> str:
    held, *more = room_lines(row, width)
    parts = [
        rect("box", x, y, width, room_h(row, width)),
        text(x + 12, y + 20, name, "name"),
        text(x + 12, y + HEAD_H + LINE_H * 0.7, held),
        *(
            text(x + 12, y + HEAD_H + LINE_H * (n + 1.7), line, "green" if row.get("pure") else "note")
            for n, line in enumerate(more)
        ),
    ]
    return f"<g>{''.join(parts)}</g>"


def rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height:.0f}" rx="6"/>'


def text(x: float, y: float, said: str, kind: str = "") -> str:
    more = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{more}>{escape(said)}</text>'


def arrow(points: Iterable[tuple[float, float]]) -> str:
    """A line downward through the points: straight past boxes, bent between rows."""
    (x, y), *rest = points
    way = f"M{x:.0f},{y:.0f}"
    for to_x, to_y in rest:
        middle = (y + to_y) / 2
        bend = f"C{x:.0f},{middle:.0f} {to_x:.0f},{middle:.0f} " if to_x != x else "L"
        way += f" {bend}{to_x:.0f},{to_y:.0f}"
        x, y = to_x, to_y
    return f'<path class="arrow" d="{way}" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    main()
