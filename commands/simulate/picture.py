"""The figures as a drawing: one SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from commands.simulate.figures import Figures

WIDTH, HEIGHT, GAP = 860, 190, 60
LEFT, BLUE, GREEN, RED = 60, "#3b6ea5", "#4d8c57", "#b04a3a"
MOST_LABELS = 24


def draw(found: Figures) -> str:
    """Rings by hour, lines in use by hour, reach by wave, escalations by day."""
    hours, waves = found.of("lines by hour"), found.of("reach by wave")
    days = found.of("escalations by day")
    charts = (
        ("Routine rings by hour of the day", [(k, m["rings"]) for k, m in hours.items()], BLUE, "{:.0f}"),
        ("Lines in use by hour of the day, on average", [(k, m["mean"]) for k, m in hours.items()], BLUE, "{:.2f}"),
        ("Reached, by wave", [(k, 100 * m.get("reached_share", 0)) for k, m in waves.items()], GREEN, "{:.0f} %"),
        ("Escalations by day", [(k[5:], m["n"]) for k, m in days.items()], RED, "{:.0f}"),
    )  # fmt: skip
    parts = [_bars(title, bars, n * (HEIGHT + GAP) + GAP, colour, form)
             for n, (title, bars, colour, form) in enumerate(charts)]  # fmt: skip
    height = len(charts) * (HEIGHT + GAP) + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 2 * LEFT} {height}" '
        f'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>'
        + "".join(parts) + "</svg>\n"
    )  # fmt: skip


def _bars(title: str, bars: Sequence[tuple[str, float]], top: float, colour: str, form: str) -> str:
    most = max([value for _, value in bars] or [0]) or 1
    step = WIDTH / max(len(bars), 1)
    parts = [f'<text x="{LEFT}" y="{top - 12}" font-size="14">{escape(title)}</text>']
    every = -(-len(bars) // MOST_LABELS)
    for n, (label, value) in enumerate(bars):
        high, x = (HEIGHT - 30) * value / most, LEFT + n * step
        parts.append(
            f'<rect x="{x + step * 0.1:.1f}" y="{top + HEIGHT - 20 - high:.1f}" width="{step * 0.8:.1f}" '
            f'height="{high:.1f}" fill="{colour}"><title>{escape(label)}: {form.format(value)}</title></rect>'
        )
        if n % every == 0:
            middle = x + step / 2
            parts.append(f'<text x="{middle:.1f}" y="{top + HEIGHT - 5}" text-anchor="middle">{escape(label)}</text>')
    for share in (0, 0.5, 1):
        y = top + HEIGHT - 20 - (HEIGHT - 30) * share
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{form.format(most * share)}</text>')
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ccc"/>')
    return "".join(parts)
