"""Curves as an SVG, one panel beside the other; sizes on a logarithmic axis."""

import math
from collections.abc import Sequence

from bench.report import Curve, number

_WIDTH, _HEIGHT = 380, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 20, 30, 45
_STYLE = (
    "text{font:12px sans-serif;fill:#555}"
    "line{stroke:#bbb}polyline{fill:none;stroke:#3b6ea8;stroke-width:2}circle{fill:#3b6ea8}"
)


def as_svg(curves: Sequence[Curve]) -> str:
    """All curves in one picture, readable on light and dark pages."""
    width = _WIDTH * len(curves)
    panels = "".join(
        f'<g transform="translate({place * _WIDTH} 0)">{_panel(curve)}</g>'
        for place, curve in enumerate(curves)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}">'
        f"<style>{_STYLE}</style>{panels}</svg>\n"
    )


def _panel(curve: Curve) -> str:
    top = 1.2 * max(value for _, value in curve.points)
    places = [(_across(curve, size), _up(value, top)) for size, value in curve.points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{number(value)}</text>'
        f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{size:,}</text>'
        for (x, y), (size, value) in zip(places, curve.points, strict=True)
    )
    floor = _HEIGHT - _BOTTOM
    return (
        f'<line x1="{_LEFT}" y1="{floor}" x2="{_WIDTH - _RIGHT}" y2="{floor}"/>'
        f'<line x1="{_LEFT}" y1="{_TOP}" x2="{_LEFT}" y2="{floor}"/>'
        f'<polyline points="{line}"/>{marks}'
        f'<text x="{_LEFT}" y="16">{curve.up}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 8}" text-anchor="end">{curve.across}</text>'
    )


def _across(curve: Curve, size: int) -> float:
    """Sizes in decades, kept off the axis by half a label."""
    first, last = (math.log10(curve.points[place][0]) for place in (0, -1))
    share = (math.log10(size) - first) / ((last - first) or 1)
    return _LEFT + 25 + share * (_WIDTH - _RIGHT - _LEFT - 55)


def _up(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _BOTTOM - _TOP)
