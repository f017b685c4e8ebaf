"""The figures as text, as CSV, and what the run was told."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from commands.show import table
from commands.simulate.figures import Figures
from commands.simulate.options import RATES, Options

TABLES = ("reach by wave", "reach by age", "rings per patient", "rings by outcome", "lines by hour", "escalations",
          "refusals", "not reached", "messages", "work for nurses", "work of the run")  # fmt: skip


def told(options: Options) -> dict[str, Any]:
    """The options in plain values, rates that are not the default last."""
    values = {k: v for k, v in asdict(options).items() if k not in {rate.name for rate in RATES}}
    changed = {rate.name: getattr(options, rate.name) for rate in RATES if getattr(options, rate.name) != rate.default}
    return values | {"start": options.start.isoformat()} | changed


def text(found: Figures, options: Options, took_s: float) -> str:
    parts = [f"{options.patients} operations in {options.days} days from {options.start}, {options.lines} lines, "
             f"seed {options.seed}, chaos: {', '.join(options.chaos) or 'none'}"]  # fmt: skip
    for figure in TABLES:
        rows = [{"": key, **{m: f"{v:g}" for m, v in measures.items()}} for key, measures in found.of(figure).items()]
        if figure == "lines by hour":
            rows = [row for row in rows if row["most"] != "0"]
        if rows:
            parts.append("\n".join([f"\n{figure.capitalize()}", *("  " + line for line in table(rows))]))
    webhooks = found.of("work of the run")["all"]["webhooks"]
    each_ms = 1000 * took_s / max(webhooks, 1)
    parts.append(f"\n{took_s:.1f} seconds, {webhooks:g} webhooks, {each_ms:.2f} ms each in all")
    parts.append(promises(found))
    return "\n".join(parts)


def promises(found: Figures) -> str:
    """Whether every promise was kept, and the first example of each that was not."""
    if not found.violations:
        return "Every promise of the gate and the plan was kept."
    lines = ["Promises broken:"]
    for rule, n in Counter(violation.rule for violation in found.violations).most_common():
        first = next(one for one in found.violations if one.rule == rule)
        lines.append(f"  {n} x {rule}; the first at {first.at:%Y-%m-%d %H:%M:%S} UTC: {first.what}")
    return "\n".join(lines)


def write_csv(found: Figures, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("figure", "key", "measure", "value"))
        writer.writerows((row.figure, row.key, row.measure, f"{row.value:g}") for row in found.rows)
