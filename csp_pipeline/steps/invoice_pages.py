"""Issued documents as pages for people: one HTML file each, made from the ledger alone, so the same bytes every time.

What belongs here: how numbers and names are written, and which pages are missing. What a document says is not decided
here; the layout is in `pages/`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from csp_pipeline.domain.descriptions import MONTHS, number_text, period_text
from csp_pipeline.storage.durable import write_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from decimal import Decimal
    from pathlib import Path

    from jinja2 import Environment, Template

    from csp_pipeline.domain.issued import Issued, IssuedDocument
    from csp_pipeline.storage.home import Home


def write_pages(home: Home, issued: Issued, *, at: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Write the page of every issued document that has none yet; one that is there stays.

    Args:
        home: pages go below `reports/invoices`.
        issued: every document.
        at: told a sentence after each page.

    Returns:
        The pages written.
    """
    written = []
    for document in issued.documents:
        path = page_of(home, document)
        if not path.is_file():
            write_text(path, render_document(document))
            at(f"{document.invoice_number} is written to {path}.")
            written.append(path)
    return written


def page_of(home: Home, document: IssuedDocument) -> Path:
    """Where a document's page is."""
    return home.reports / "invoices" / f"{document.invoice_number}.html"


def render_document(document: IssuedDocument) -> str:
    """The page of a document: who, what, which period, why each line, tax and total, and its content hash."""
    return template("invoice.html").render(document=document)


@cache
def template(name: str) -> Template:
    """A layout of `pages/`."""
    text = (resources.files("csp_pipeline.steps") / "pages" / name).read_text("utf-8")
    return _environment().from_string(text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  (needed by few commands)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        amount=amount_text, quantity=quantity_text, price=price_text, day=day_text, month=month_text, until=_until
    )
    return environment


def amount_text(amount: Decimal, decimals: int) -> str:
    """An amount with thousands separators and the decimals of its currency."""
    return f"{amount:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def quantity_text(quantity: Decimal | None) -> str:
    """A quantity without zeros at its end; empty when there is none."""
    return "" if quantity is None else number_text(quantity).replace("-", "\N{MINUS SIGN}")


def price_text(price: Decimal | None, decimals: int) -> str:
    """A price with every digit that it has, at least those of its currency; empty when there is none."""
    if price is None:
        return ""
    digits = len(number_text(price).partition(".")[2])
    return amount_text(price, max(decimals, digits))


def day_text(day: date) -> str:
    """A day as people write it: 8 October 2026."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def month_text(month: str) -> str:
    """A month as people write it: September 2026."""
    return f"{MONTHS[int(month[5:7]) - 1]} {month[:4]}"


def _until(start: date, end: date) -> str:
    """A half-open service period, short enough for a column: 12 Jul to 11 Aug 2026."""
    words = period_text(start, end)
    for name in MONTHS:
        words = words.replace(name, name[:3])
    return words
