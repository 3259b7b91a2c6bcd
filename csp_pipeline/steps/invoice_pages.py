"""Issued documents as pages for people: one HTML file each, made from the ledger alone, so the same bytes every time.

What belongs here: how numbers and names are written, and which pages are missing. What a document says is not decided
here; the layout is in `pages/`.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from csp_pipeline.domain.descriptions import MONTHS, day_text, number_text, period_text
from csp_pipeline.domain.quantities import ZERO
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
    """Write the page of every issued document that has none yet, or one that does not say what the ledger says.

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
        page = render_document(document)
        if not path.is_file() or path.read_bytes() != page.encode():
            write_text(path, page)
            at(f"{document.invoice_number} is written to {path}.")
            written.append(path)
    return written


def page_of(home: Home, document: IssuedDocument) -> Path:
    """Where a document's page is."""
    return home.reports / "invoices" / f"{document.invoice_number}.html"


def render_document(document: IssuedDocument) -> str:
    """The page of a document: who, what, which period, why each line, tax and total, and its content hash."""
    return template("invoice.html").render(document=document, taxes=tax_rows(document))


def tax_rows(document: IssuedDocument) -> list[tuple[str, Decimal]]:
    """The taxes of a document in words with their amounts: what is not taxed says why."""
    rows: list[tuple[str, Decimal]] = []
    for tax in document.taxes:
        category = f" {tax.tax_category}" if tax.tax_category else ""
        rated = [
            line.charge.net_amount
            for line in document.lines
            if line.tax_category == tax.tax_category and line.tax_percent == tax.percent
        ]
        net = amount_text(sum(rated, ZERO), document.decimals)
        if rated and document.tax_note and not tax.percent:
            rows.append((f"Reverse charge, no tax on {net}", tax.tax_amount))
        elif rated:
            rows.append((f"Tax{category}, {quantity_text(tax.percent)} % of {net}", tax.tax_amount))
        if not tax.percent and (unrated := tax.net_amount - sum(rated, ZERO)):
            lacking = amount_text(unrated, document.decimals)
            stated = f" for{category}" if category else ""
            rows.append((f"No tax rate is stated{stated}, no tax on {lacking}", ZERO))
    return rows


def tax_text(percent: Decimal | None, tax_note: str) -> str:
    """The tax of a line: its percentage, or why there is none."""
    if percent is None:
        return "none stated"
    return "reverse charge" if tax_note and not percent else f"{quantity_text(percent)} %"


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
        amount=amount_text,
        quantity=quantity_text,
        price=price_text,
        day=day_text,
        month=month_text,
        until=_until,
        tax=tax_text,
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


def month_text(month: str) -> str:
    """A month as people write it: September 2026."""
    return f"{MONTHS[int(month[5:7]) - 1]} {month[:4]}"


def _until(start: date, end: date) -> str:
    """A half-open service period, short enough for a column: 12 Jul to 11 Aug 2026."""
    words = period_text(start, end)
    for name in MONTHS:
        words = words.replace(name, name[:3])
    return words
