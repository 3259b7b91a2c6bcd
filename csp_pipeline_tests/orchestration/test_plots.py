"""Charts are SVG that a browser reads, with every bar to scale."""

from __future__ import annotations

import base64
from decimal import Decimal
from xml.etree import ElementTree as ET

from csp_pipeline.orchestration.plots import BARS, LABELS, bar_chart

SVG = "{http://www.w3.org/2000/svg}"


def drawn(chart: str) -> ET.Element:
    encoded = chart.partition("base64,")[2].removesuffix(")")
    return ET.fromstring(base64.b64decode(encoded))  # noqa: S314  (made here)


def test_bars_are_to_scale_and_negative_ones_to_the_left() -> None:
    image = drawn(bar_chart("Margin <EUR>", [("2026-01", Decimal(40)), ("2026-02", Decimal("-20.125"))]))
    _, first, second = image.iter(f"{SVG}rect")
    axis = LABELS + BARS // 2
    assert (int(first.attrib["x"]), int(first.attrib["width"])) == (axis, BARS // 2)
    length = int(second.attrib["width"])
    assert (int(second.attrib["x"]), length) == (axis - length, int(Decimal("20.125") * (BARS // 2) / 40))
    assert [text.text for text in image.iter(f"{SVG}text")] == [
        "Margin <EUR>", "2026-01", "40.00", "2026-02", "-20.13"
    ]  # fmt: skip


def test_nothing_and_zero_can_be_drawn() -> None:
    assert len(list(drawn(bar_chart("Margin", [])).iter(f"{SVG}rect"))) == 1
    assert [bar.attrib["width"] for bar in drawn(bar_chart("Margin", [("a", Decimal(0))])).iter(f"{SVG}rect")][1:] == [
        "0"
    ]
