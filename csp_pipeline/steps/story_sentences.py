"""The words of a customer's story: one sentence for a row of the published tables, with the rows that prove it.

What belongs here: wording, and how figures look to a person: amounts with the decimals of their currency, and two more
where those would hide something. The tables have every digit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from csp_pipeline.domain.currencies import minor_unit_decimals
from csp_pipeline.domain.money import round_half_away

if TYPE_CHECKING:
    from decimal import Decimal

Row = dict[str, Any]
_LINES = {"revenue": "billing.invoice_lines", "cost": "cost.invoice_lines"}
"""The tables of the lines that reconciliation.drill_down ends in."""


class Proof(NamedTuple):
    """A row that proves a sentence.

    Attributes:
        table: where it is published.
        key: its key there.
        source: the file and row it came from, of a provider's line.
    """

    table: str
    key: str
    source: str | None = None


@dataclass(frozen=True)
class Sentence:
    """One sentence of a story and what proves it."""

    text: str
    rows: tuple[Proof, ...] = ()


def outcome(row: Row) -> Sentence:
    """What a currency leaves in all, and how many services match."""
    currency = row["currency"]
    earned = f"In all we earned {_money(row['revenue_amount'], currency)} and "
    if row["cost_amount"] is None:
        result = earned + "not every cost has a rate to compare by"
    else:
        margin = row["revenue_amount"] - row["cost_amount"]
        share = _share(margin, row["revenue_amount"])
        result = (
            f"{earned}it cost us {_money(row['cost_amount'], currency)}: a margin of {_money(margin, currency)}{share}"
        )
    states = [
        f"{row[status]} {words}"
        for status, words in (
            ("matched", "matched"),
            ("explained", "explained"),
            ("action_needed", "for a person"),
            ("unexplained", "unexplained"),
        )
        if row[status]
    ]
    return Sentence(f"{result}. {_count(row['services'], 'service')}: {_listed(states)}.")


def service(row: Row) -> Sentence:
    """Seats, revenue, cost and margin of one row of revenue_vs_cost, with the lines that it opens up to."""
    named = (("reference.contract_lines", "contract_line_id"), ("partner_center.subscriptions", "subscription_id"))
    earned = f"{_seats(row)}we earned {_money(row['revenue_amount'], row['currency'])} and "
    return Sentence(
        f"{row['product']}: {earned}{_cost(row)}{_margin(row)}.",
        (
            *(Proof(table, row[name]) for table, name in named if row[name]),
            *(Proof(_LINES[one["side"]], one["key"], _source(one)) for one in row["proofs"] or ()),
        ),
    )


def provider_document(row: Row) -> Sentence:
    """What one document of a provider charges for the customer, line by line to the file it stands in."""
    provider = str(row["provider"] or "").title() or "The provider"
    return Sentence(
        f"{provider} charges {_before_tax(row)} of its invoice {row['invoice_number']}.",
        tuple(Proof("cost.invoice_lines", one["key"], _source(one)) for one in row["proofs"]),
    )


def our_document(row: Row) -> Sentence:
    """What one document of ours charges the customer."""
    return Sentence(
        f"{row['document'][:1].upper()}{row['document'][1:]} charges {_before_tax(row)}.",
        tuple(Proof("billing.invoice_lines", key) for key in row["keys"]),
    )


def change(row: Row) -> Sentence:
    """Who changed the seats, when."""
    return Sentence(
        f"On {row['changed_at']:%d %B %Y at %H:%M} UTC {row['actor'] or 'somebody'} changed the seats of "
        f"{row['subscription_id']} from {_number(row['quantity_before'])} to {_number(row['quantity_after'])}.",
        (Proof("partner_center.subscription_changes", row["change_id"]),),
    )


def difference(row: Row) -> Sentence:
    """One part of a difference, with its cause and what was decided on it."""
    decided = f" Somebody decided: {row['resolution']}." if row["resolution"] else ""
    side = "more" if row["amount"] >= 0 else "less"
    return Sentence(
        f"We earned {_money(abs(row['amount']), row['currency'])} {side} than the provider's lines say "
        f"({row['cause'].replace('_', ' ')}): {row['explanation']}{decided}",
        _proofs(row["evidence"]),
    )


def leak(row: Row) -> Sentence:
    """What leaks a month, why, and what to do."""
    return Sentence(
        f"{_money(row['monthly_amount'], row['currency'])} a month leak ({row['kind'].replace('_', ' ')}): "
        f"{row['finding']} What to do: {row['what_to_do']}.",
        _proofs(row["evidence"]),
    )


def _source(line: Row) -> str | None:
    return f"{line['file']}, row {line['row']}" if line["file"] else None


def _before_tax(row: Row) -> str:
    return f"{_money(row['amount'], row['currency'])} before tax in {_count(row['lines'], 'line')}"


def _seats(row: Row) -> str:
    if row["billed_quantity"] is None and row["provider_quantity"] is None:
        return ""
    seen = row["partner_center_quantity"]
    now = "" if seen is None else f", Partner Center shows {_number(seen)} now"
    ours, provider = _number(row["billed_quantity"] or 0), _number(row["provider_quantity"] or 0)
    return f"we billed {ours} and the provider {provider}{now}; "


def _cost(row: Row) -> str:
    original = f"{_money(row['cost_original_amount'], row['cost_currency'])}" if row["cost_currency"] else ""
    if row["cost_amount"] is None:
        return f"it cost {original}, without a rate to compare by"
    at_rate = (
        f" ({original} at {_number(row['fx_rate'])})" if row["cost_currency"] not in {None, row["currency"]} else ""
    )
    return f"it cost us {_money(row['cost_amount'], row['currency'])}{at_rate}"


def _margin(row: Row) -> str:
    if row["margin_amount"] is None:
        return ""
    share = _share(row["margin_amount"], row["revenue_amount"])
    return f", a margin of {_money(row['margin_amount'], row['currency'])}{share}"


def _share(part: Decimal, whole: Decimal) -> str:
    return f" ({_number(round_half_away(part * 100 / whole, 2))} percent)" if whole else ""


def _proofs(evidence: str | None) -> tuple[Proof, ...]:
    return tuple(Proof(row["table"], row["key"]) for row in json.loads(evidence or "[]"))


def _money(amount: Decimal, currency: str) -> str:
    """1,234.50 EUR: the decimals of the currency, and two more where these would not tell the amount."""
    decimals = minor_unit_decimals(currency)
    rounded = round_half_away(amount, decimals)
    shown = f"{rounded:,f}" if rounded == amount else f"{round_half_away(amount, decimals + 2):,f}"
    return f"{shown} {currency}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _number(number: Decimal | int | None) -> str:
    if number is None:
        return "an unknown number"
    whole, _, decimals = f"{number:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0')}".rstrip(".")
