"""Reads generated files back with the standard library alone: the eye of these tests, not the pipeline's reader."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Row = dict[str, str]

_PORTAL_NAMES = {
    "resellermpnid": "tier2mpnid",
    "totalforcustomer": "total",
    "unitofmeasure": "unit",
    "rateofpartnerearnedcredit": "partnerearnedcreditpercentage",
    "rateofcredit": "creditpercentage",
}


def rows_of(inbox: Path, kind: str) -> list[Row]:
    """All rows of one kind (`reconciliation`, `dailyratedusage`) with lower-case portal names."""
    return [row for path in sorted(inbox.glob(f"*_{kind}*")) for row in _rows(path)]


def amount(text: str) -> Decimal:
    """A number as it was meant: without apostrophe, blank is zero."""
    return Decimal(text.removeprefix("'") or "0")


def _rows(path: Path) -> Iterator[Row]:
    content = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            content = archive.read(archive.namelist()[0])
    elif path.suffix == ".gz":
        content = gzip.decompress(content)
    text = content.decode("utf-8-sig")
    if ".json" in path.name:
        for line in text.splitlines():
            yield _portal(
                {name: _text(value) for name, value in json.loads(line, parse_float=str, parse_int=str).items()}
            )
    else:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            yield _portal(row)


def _text(value: str | None) -> str:
    return "" if value is None else value


def _portal(row: Row) -> Row:
    named = {}
    for name, value in row.items():
        key = name.lower()
        if key.startswith("rateof"):
            value = str(amount(value) * 100) if value else ""  # noqa: PLW2901
        named[_PORTAL_NAMES.get(key, key)] = value
    return named
