"""A result as a table for people."""

from collections.abc import Mapping
from typing import Any


def table(result: Mapping[str, Any]) -> str:
    """Rows as aligned columns, then the checks."""
    if "rows" not in result:
        return "\n".join(f"{key}: {value}" for key, value in result.items())
    lines = [f"{'policy':32} {'x':>8} {'mean s':>16} {'p99 s':>8} {'accuracy':>14}"]
    for row in result["rows"]:
        x = "-" if row["x"] is None else f"{row['x']:g}" if isinstance(row["x"], float | int) else row["x"]
        low, high = row["ci"]["mean_s"]
        line = f"{row['policy']:32} {x:>8} {row['mean_s']:8.3f} ± {(high - low) / 2:5.3f} {row['p99_s']:8.2f}"
        if row["accuracy"] is not None:
            bottom, top = row["ci"]["accuracy"]
            line += f" {row['accuracy']:7.2f} ± {(top - bottom) / 2:4.2f}"
        lines.append(line)
    for name, check in result.get("checks", {}).items():
        lines.append(f"{name}: {check['mean']:.3f} [{check['ci'][0]:.3f}, {check['ci'][1]:.3f}]")
    return "\n".join(lines)
