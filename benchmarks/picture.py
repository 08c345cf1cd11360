"""Bars of how many times as fast as the best peer Dyn is, as an SVG drawing that fits a README."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, ROW, LABEL, RIGHT = 760, 26, 190, 210
MOST = 8.0
"""Times as fast at the end of the axis, which is logarithmic."""
LEAST = 0.5
TICKS = (0.5, 1, 2, 4, 8)


def place(times: float) -> float:
    """Where a ratio stands, in points from the left."""
    share = math.log(min(max(times, LEAST), MOST) / LEAST) / math.log(MOST / LEAST)
    return LABEL + share * (WIDTH - LABEL - RIGHT)


def bars(lines: Sequence[Mapping[str, Any]]) -> str:
    """`lines`: rows with `w`, `what`, `times`, `us`, `peer` and `peer_us`; those without a peer are left out."""
    drawn = [one for one in lines if one["times"]]
    height = ROW * (len(drawn) + 2)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
             '<style>text{fill:#444} .bar{fill:#3b7dd8} .slower{fill:#c9803a} .tick{stroke:#bbb} .one{stroke:#444}'
             '@media(prefers-color-scheme:dark){text{fill:#ccc} .tick{stroke:#555} .one{stroke:#ccc}}</style>']
    for tick in TICKS:
        x = place(tick)
        kind = "one" if tick == 1 else "tick"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{ROW * 0.9:.0f}" y2="{height - ROW // 2}"/>')
        parts.append(f'<text x="{x:.1f}" y="{ROW * 0.7:.0f}" text-anchor="middle">{tick:g}x</text>')
    for index, one in enumerate(drawn):
        y = ROW * (index + 1.2)
        start, end = sorted((place(1), place(one["times"])))
        middle = y + ROW * 0.48
        parts.append(f'<text x="{LABEL - 8}" y="{middle:.0f}" text-anchor="end">{escape(one["w"])} {escape(one["what"])}</text>')
        kind = "bar" if one["times"] >= 1 else "slower"
        parts.append(f'<rect class="{kind}" x="{start:.1f}" y="{y:.0f}" width="{max(end - start, 1):.1f}" height="{ROW * 0.65:.0f}"/>')
        told = f'{one["times"]:.1f}x: {one["us"]:,.0f} us, {one["peer"]} {one["peer_us"]:,.0f}'
        parts.append(f'<text x="{max(end, place(1)) + 6:.0f}" y="{middle:.0f}">{escape(told)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
