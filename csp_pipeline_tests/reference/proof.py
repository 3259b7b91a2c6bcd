"""Matching lines to usage, proof of an invoice, carrying the billed amount down."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import (
    ZERO,
    allocate,
    minor_places,
    minor_unit,
    percent,
    round_finest,
    round_minor,
    truncate,
)

if TYPE_CHECKING:
    from csp_pipeline_tests.reference.commercial import TaxRate
    from csp_pipeline_tests.reference.documents import Document
    from csp_pipeline_tests.reference.received import CostLine, UsageRow

NOISE = Decimal("0.000001")
ProductKey = tuple[str, str, str, str]
GroupKey = tuple[ProductKey, Decimal, str]
"""Product key, PEC percentage, meter id."""
LineId = tuple[str, int]


@dataclass
class Matching:
    """Which line is which usage group of one document."""

    groups: dict[GroupKey, list[UsageRow]] = field(default_factory=dict)
    matched: dict[LineId, GroupKey] = field(default_factory=dict)


def line_pec_percent(line: CostLine) -> Decimal:
    """Rule 6: the number before % in the entry of PriceAdjustmentDescription that names the earned credit, else 0."""
    text = line.price_adjustment
    try:
        entries = json.loads(text) if text.startswith("[") else [text]
    except json.JSONDecodeError:
        entries = [text]
    for entry in entries:
        number = re.search(r"(\d+(?:\.\d+)?)\s*%", str(entry))
        if "earned credit" in str(entry).casefold() and number:
            return Decimal(number.group(1)).normalize()
    return ZERO


def _pec(value: Decimal) -> Decimal:
    return value.normalize() if value else ZERO


def match_lines(document: Document) -> Matching:
    """Rule 6: same customer, subscription, product, SKU, PEC percentage and summed quantity; each group once."""
    matching = Matching()
    for row in document.usage:
        matching.groups.setdefault((row.product_key, _pec(row.pec_percent), row.meter_id), []).append(row)
    free: dict[tuple[ProductKey, Decimal, Decimal], list[GroupKey]] = defaultdict(list)
    for key in sorted(matching.groups):
        quantity = sum((row.quantity for row in matching.groups[key]), ZERO)
        free[key[0], key[1], quantity].append(key)
    waiting: dict[tuple[ProductKey, Decimal, Decimal], list[CostLine]] = defaultdict(list)
    for line in document.lines:
        if document.is_in_daily_usage(line):
            waiting[line.product_key, line_pec_percent(line), line.quantity].append(line)
    for wanted, lines in waiting.items():
        candidates = free.get(wanted, [])
        pairs = sorted(
            (-_meter_score(line, matching.groups[key]), index, key)
            for index, line in enumerate(lines)
            for key in candidates
        )
        taken: set[int] = set()
        used: set[GroupKey] = set()
        for _, index, key in pairs:
            if index not in taken and key not in used:
                taken.add(index)
                used.add(key)
                matching.matched[lines[index].line_id] = key
    return matching


def _meter_score(line: CostLine, rows: list[UsageRow]) -> int:
    """Rule 6: MeterDescription only chooses between groups of equal quantity."""
    description = line.meter_description.casefold()
    if not description:
        return 0
    meter, category = rows[0].meter_name.casefold(), rows[0].meter_category.casefold()
    if meter and meter == description:
        return 3
    return 2 * bool(meter and meter in description) + bool(category and category in description)


@dataclass(frozen=True)
class Proof:
    """The figures of one row of cost.invoice_proof."""

    document: Document
    figures: dict[str, object]


def prove(document: Document, tax_rates: list[TaxRate]) -> Proof:
    """Rule 6 for one billed document."""
    matching = match_lines(document)
    currency = document.currency
    subtotal = sum((line.subtotal for line in document.lines), ZERO)
    lines_amount = sum((line.total for line in document.lines), ZERO)
    lines_tax = sum((line.tax for line in document.lines), ZERO)
    daily = sum((row.net_amount for row in document.usage), ZERO)
    in_usage = [line for line in document.lines if document.is_in_daily_usage(line)]
    outside = subtotal - sum((line.subtotal for line in in_usage), ZERO)
    rounding = sum(
        (
            _predicted_rounding(line, matching.groups[matching.matched[line.line_id]], currency)
            for line in in_usage
            if line.line_id in matching.matched
        ),
        ZERO,
    )
    bounded = _bounded(in_usage, matching, currency)
    contradicted, bounded_legacy = _legacy_residuals(document, currency)
    outside -= contradicted
    bounded += bounded_legacy
    document_tax, inferred = _document_tax(document, subtotal, lines_amount, lines_tax, tax_rates)
    header_gap = None if document.header is None else document.header.total - lines_amount - document_tax
    usage_gap = subtotal - daily - outside - rounding - bounded
    unexplained = round_finest(max(abs(header_gap or ZERO), abs(usage_gap)))
    state = "unproven" if unexplained != 0 or header_gap is None else "proven" if bounded == 0 else "bounded"
    return Proof(
        document,
        {
            "provider": document.provider,
            "invoice_number": document.invoice_number,
            "billing_month": document.billing_month,
            "currency": currency,
            "header_amount": None if document.header is None else document.header.total,
            "lines_amount": lines_amount,
            "lines_tax_amount": lines_tax,
            "document_tax_amount": document_tax,
            "document_tax_is_inferred": inferred,
            "daily_usage_amount": daily,
            "not_in_daily_usage_amount": outside,
            "rounding_amount": rounding,
            "bounded_amount": bounded,
            "header_gap_amount": None if header_gap is None else round_finest(header_gap),
            "usage_gap_amount": round_finest(usage_gap),
            "unexplained_amount": unexplained,
            "matched_lines_percent": percent(Decimal(len(matching.matched)), Decimal(len(in_usage))),
            "proof_state": state,
        },
    )


def _predicted_rounding(line: CostLine, rows: list[UsageRow], currency: str) -> Decimal:
    """trunc(trunc2(sum pricing) x FX) - sum net of rows in tune - sum (pricing x FX) of the others."""
    rate = line.fx_rate if line.fx_rate is not None else Decimal(1)
    pricing = sum((row.pricing_amount for row in rows), ZERO)
    predicted = truncate(truncate(pricing, 2) * rate, minor_places(currency))
    usage = ZERO
    for row in rows:
        converted = row.pricing_amount * rate
        usage += row.net_amount if abs(row.net_amount - converted) <= NOISE else converted
    return predicted - usage


def _bounded(in_usage: list[CostLine], matching: Matching, currency: str) -> Decimal:
    """Residuals of unmatched lines against the usage left over, within (0.01 x FX + a minor unit) per line."""
    lines: dict[tuple[ProductKey, Decimal], list[CostLine]] = defaultdict(list)
    for line in in_usage:
        if line.line_id not in matching.matched:
            lines[line.product_key, line_pec_percent(line)].append(line)
    taken = set(matching.matched.values())
    net: dict[tuple[ProductKey, Decimal], Decimal] = defaultdict(lambda: ZERO)
    for key, rows in matching.groups.items():
        if key not in taken:
            net[key[0], key[1]] += sum((row.net_amount for row in rows), ZERO)
    total = ZERO
    for group, members in lines.items():
        residual = sum((line.subtotal for line in members), ZERO) - net[group]
        limit = sum(
            (
                Decimal("0.01") * (line.fx_rate if line.fx_rate is not None else Decimal(1)) + minor_unit(currency)
                for line in members
            ),
            ZERO,
        )
        if abs(residual) <= limit:
            total += residual
    return total


def _legacy_residuals(document: Document, currency: str) -> tuple[Decimal, Decimal]:
    """What legacy lines differ by from their own figures, and how much of it is the rounding of usage charges."""
    all_of_it = bounded = ZERO
    for line in document.lines:
        if line.own_formula is None:
            continue
        is_usage = line.kind == "legacy_usage"
        residual = line.subtotal - (round_minor(line.own_formula, currency) if is_usage else line.own_formula)
        all_of_it += residual
        if is_usage and abs(line.subtotal - line.own_formula) <= minor_unit(currency):
            bounded += residual
    return all_of_it, bounded


def _document_tax(
    document: Document, subtotal: Decimal, lines_amount: Decimal, lines_tax: Decimal, tax_rates: list[TaxRate]
) -> tuple[Decimal, bool]:
    """Rule 6: stated tax less line tax; else a rate that fits to the minor unit, when no line has tax; else 0."""
    header = document.header
    if header is None:
        return ZERO, False
    if header.stated_tax is not None:
        return header.stated_tax - lines_tax, False
    gap = header.total - lines_amount
    if gap == 0 or any(line.tax != 0 for line in document.lines):
        return ZERO, False
    rates = [Fraction(rate.rate_percent) for rate in tax_rates] + [Fraction(step, 2) for step in range(6, 61)]
    for rate in rates:
        if round_minor(Fraction(subtotal) * rate / 100, document.currency) == gap:
            return gap, True
    return ZERO, False


def carry_down(document: Document) -> dict[LineId, dict[str | None, Decimal]]:
    """Rule 7: the amount of each Azure plan line by entitlement; lines without any usage go to None."""
    matching = match_lines(document)
    by_meter = matching.groups
    by_percent: dict[tuple[ProductKey, Decimal], list[UsageRow]] = defaultdict(list)
    by_product: dict[ProductKey, list[UsageRow]] = defaultdict(list)
    for row in document.usage:
        by_percent[row.product_key, _pec(row.pec_percent)].append(row)
        by_product[row.product_key].append(row)
    result: dict[LineId, dict[str | None, Decimal]] = {}
    for line in document.lines:
        if document.product_family(line) != "azure_plan":
            continue
        shares: dict[str | None, Decimal] = defaultdict(lambda: ZERO)
        result[line.line_id] = shares
        rows: list[UsageRow] = []
        if document.is_in_daily_usage(line):
            group = matching.matched.get(line.line_id)
            rows = (
                by_meter[group]
                if group is not None
                else by_percent.get((line.product_key, line_pec_percent(line)), []) or by_product[line.product_key]
            )
        if not rows:
            shares[None] += line.subtotal
            continue
        ordered = sorted(rows, key=lambda r: (r.usage_on, r.entitlement_id, r.resource_id, r.source_file, r.source_row))
        weights = [row.net_amount for row in ordered]
        if not any(weights):
            weights = [row.quantity for row in ordered]
        for row, part in zip(ordered, allocate(line.subtotal, weights), strict=True):
            shares[row.entitlement_id] += part
    return result
