"""A picture of lines over a logarithmic axis, as SVG that reads well on light and on dark ground."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_PANEL_WIDTH, _PANEL_HEIGHT = 300, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 50, 44
# Told apart by people who do not see red and green as different, on white and on black.
_COLOURS = ("#3b82c4", "#d97706", "#0f9d76", "#b0569e")
_TICKS = 4
_STYLE = """
text { font: 11px system-ui, sans-serif; fill: #444 } .title { font-size: 13px; font-weight: 600; fill: #111 }
.grid { stroke: #8884; stroke-width: 1 } .line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #bbb } .title { fill: #eee } }
"""


@dataclass(frozen=True, slots=True)
class Line:
    """`points` are (x, y), x from left to right; an x of 0 stands before the logarithmic axis begins."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram: what `title` says, over `x_label`."""

    title: str
    x_label: str
    lines: Sequence[Line]


def picture(rows: Sequence[Sequence[Panel]]) -> str:
    """The panels in rows, all of one size."""
    width, height = max(map(len, rows)) * _PANEL_WIDTH, len(rows) * _PANEL_HEIGHT
    panels = [
        f'<g transform="translate({column * _PANEL_WIDTH} {row * _PANEL_HEIGHT})">{_panel(panel)}</g>'
        for row, panels in enumerate(rows)
        for column, panel in enumerate(panels)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *panels, "</svg>", ""])


def top_of(values: Sequence[float]) -> float:
    """A round number that is at least the greatest value: 1, 2, 4, 5 or 8 times a power of ten."""
    most = max(values, default=0.0)
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if most <= step * power * (1 + 1e-9))


def short(value: float) -> str:
    """`1000` -> `1k`."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def _panel(panel: Panel) -> str:
    xs = sorted({x for line in panel.lines for x, _ in line.points})
    top = top_of([y for line in panel.lines for _, y in line.points])
    parts = [f'<text class="title" x="{_LEFT}" y="18">{escape(panel.title)}</text>', *_legend(panel.lines)]
    for step in range(_TICKS + 1):
        value = top * step / _TICKS
        y = _y(value, top)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_PANEL_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>')
    for x in xs:
        parts.append(f'<text x="{_x(x, xs):.1f}" y="{_y(0, top) + 16:.1f}" text-anchor="middle">{short(x)}</text>')
    parts.append(
        f'<text x="{(_LEFT + _PANEL_WIDTH - _RIGHT) / 2:.1f}" y="{_PANEL_HEIGHT - 10}" text-anchor="middle">'
        f"{escape(panel.x_label)}</text>"
    )
    parts += [_drawn(line, colour, xs, top) for line, colour in zip(panel.lines, _COLOURS, strict=False)]
    return "".join(parts)


def _legend(lines: Sequence[Line]) -> list[str]:
    parts, x = [], float(_LEFT)
    for line, colour in zip(lines, _COLOURS, strict=False):
        parts.append(f'<circle cx="{x + 4:.0f}" cy="34" r="4" fill="{colour}"/>')
        parts.append(f'<text x="{x + 12:.0f}" y="38">{escape(line.name)}</text>')
        x += 26 + 6.2 * len(line.name)
    return parts


def _drawn(line: Line, colour: str, xs: Sequence[float], top: float) -> str:
    places = [(_x(x, xs), _y(y, top)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
    return f'<polyline class="line" stroke="{colour}" points="{path}"/>{dots}'


def _x(value: float, xs: Sequence[float]) -> float:
    """Nothing stands a decade before the least of the others."""
    logs = [math.log10(x) for x in xs if x > 0] or [0.0]
    first = logs[0] - 1 if 0 in xs else logs[0]
    place = math.log10(value) if value > 0 else first
    inner = _PANEL_WIDTH - _LEFT - _RIGHT - 24
    return _LEFT + 12 + inner * (place - first) / ((logs[-1] - first) or 1)


def _y(value: float, top: float) -> float:
    return _PANEL_HEIGHT - _BOTTOM - (_PANEL_HEIGHT - _BOTTOM - _TOP) * value / top
