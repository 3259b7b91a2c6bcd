"""Blobs of JSON lines changed on their way out: the basic attribute set, and columns that drift.

What belongs here: changes of columns, line by line in bounded memory. Which export gets them is decided in `exports`.
"""

from __future__ import annotations

import gzip
import json
from itertools import islice
from typing import TYPE_CHECKING

from isal import igzip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINES_AT_ONCE = 20_000
FULL_ONLY = frozenset(
    """customerDomainName customerCountry mpnId resellerMpnId availabilityId productName publisherName publisherId
    subscriptionDescription meterType meterCategory meterId meterSubCategory meterName meterRegion unitOfMeasure
    resourceLocation consumedService resourceGroup serviceInfo1 serviceInfo2 tags entitlementDescription
    partnerEarnedCreditPercentage benefitId""".split()  # noqa: SIM905  (a block of names reads better)
)
DRIFTED_NAMES = (("customerName", "CUSTOMERNAME"), ("skuName", "SkuName"))
NEW_COLUMNS = ',"carbonIntensity":"0.12","costCentreHint":null}'


def rewrite(source: Path, target: Path, changed: Callable[[str], str]) -> None:
    """Write a blob with every line changed.

    Args:
        source: Gzipped JSON lines.
        target: The blob to write; not the source.
        changed: Turns a line, without its end, into another.
    """
    with gzip.open(source, "rt", encoding="utf-8", newline="\n") as lines, target.open("wb") as blob:
        while part := list(islice(lines, LINES_AT_ONCE)):
            text = "".join(changed(line.rstrip("\n")) + "\n" for line in part)
            blob.write(igzip.compress(text.encode(), 1, mtime=0))


def drifted(line: str) -> str:
    """A line with two columns nobody announced, and two names in another case."""
    for name, other in DRIFTED_NAMES:
        line = line.replace(f'"{name}":', f'"{other}":', 1)
    return line[:-1] + NEW_COLUMNS


def basic(line: str) -> str:
    """A line of daily rated usage with the attributes of the basic set alone; numbers keep every digit."""
    decoder = json.JSONDecoder(parse_float=_Digits, parse_int=_Digits)
    row = {name: value for name, value in decoder.decode(line).items() if name not in FULL_ONLY}
    cells = (f"{json.dumps(name)}:{_cell(value)}" for name, value in row.items())
    return "{" + ",".join(cells) + "}"


class _Digits(str):
    """A number as it was written."""

    __slots__ = ()


def _cell(value: object) -> str:
    return str(value) if isinstance(value, _Digits) else json.dumps(value, ensure_ascii=False)
