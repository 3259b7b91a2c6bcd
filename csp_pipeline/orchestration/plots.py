"""Bar charts for asset metadata: an SVG image inside Markdown, which the UI shows without any library.

What belongs here: drawing. What is drawn is `reconciliation_metadata`; its tables have the figures.
"""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from csp_pipeline.domain.money import round_half_away

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

LABELS, BARS, FIGURES, ROW, TOP = 170, 320, 150, 20, 28
"""Widths of the three columns and heights of a row and of the title, in pixels."""
POSITIVE, NEGATIVE = "#1f7a8c", "#b3261e"


def bar_chart(title: str, bars: Sequence[tuple[str, Decimal]]) -> str:
    """A Markdown image of horizontal bars, one below the other; negative ones to the left of the axis.

    Args:
        title: also what is read where images are not shown.
        bars: label and value of each.
    """
    largest = max((abs(value) for _, value in bars), default=0)
    whole = BARS // 2 if any(value < 0 for _, value in bars) else BARS
    axis = LABELS + BARS - whole
    rows = [
        _row(label, value, TOP + ROW * place, axis, int(abs(value) * whole / largest) if largest else 0)
        for place, (label, value) in enumerate(bars)
    ]
    width, height = LABELS + BARS + FIGURES, TOP + ROW * len(bars) + 8
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" fill="white"/>'
        f'<text x="8" y="18" font-weight="bold">{escape(title)}</text>{"".join(rows)}</svg>'
    )
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()})"


def _row(label: str, value: Decimal, top: int, axis: int, length: int) -> str:
    start, colour = (axis - length, NEGATIVE) if value < 0 else (axis, POSITIVE)
    end = LABELS + BARS + FIGURES - 8
    return (
        f'<text x="8" y="{top + 14}">{escape(label)}</text>'
        f'<rect x="{start}" y="{top + 3}" width="{length}" height="{ROW - 6}" fill="{colour}"/>'
        f'<text x="{end}" y="{top + 14}" text-anchor="end">{round_half_away(value, 2):,f}</text>'
    )
