"""Bundles: one price for components that may come and go, shared on each day by those that are charged."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

from csp_pipeline_tests.reference.amounts import ZERO, minor_unit, parse_number
from csp_pipeline_tests.reference.days import ONE_DAY, parse_day

Row = dict[str, str]
Steps = tuple[tuple[date, Decimal], ...]
"""Prices over time, each with its first day."""


def spread_bundles(rows: list[Row], bundles: list[Row]) -> dict[str, Steps]:
    """The prices over time of each component, by contract line; its row gets the last one and the bundle's anchor."""
    offers = {row["bundle_id"]: row for row in bundles}
    sales = defaultdict(list)
    for row in rows:
        if row.get("bundle_id"):
            sales[row["account_id"], row["bundle_id"], row.get("customer_id", "")].append(row)
    found: dict[str, Steps] = {}
    for (_, bundle_id, _), members in sales.items():
        members.sort(key=lambda row: row["contract_line_id"])
        _share_anchor(members)
        steps = _shares_by_day(offers[bundle_id], members)
        for row in members:
            found[row["contract_line_id"]] = steps[row["contract_line_id"]]
            row["unit_price"] = str(found[row["contract_line_id"]][-1][1])
    return found


def _share_anchor(members: list[Row]) -> None:
    """A component without an anchor day has that of its bundle."""
    named = [int(row["anchor_day"]) for row in members if row.get("anchor_day")]
    starts = [day for row in members if (day := parse_day(row["starts_on"])) is not None]
    for row in members:
        row["anchor_day"] = row.get("anchor_day") or str(min(named, default=min(starts).day))


def _charged_days(row: Row) -> tuple[date, date]:
    """First day charged, after a trial, and last day."""
    start, trial_end = parse_day(row["starts_on"]), parse_day(row.get("trial_ends_on"))
    assert start is not None
    begin = start if trial_end is None else max(start, trial_end + ONE_DAY)
    return begin, parse_day(row.get("ends_on")) or date.max - timedelta(days=1)


def _shares_by_day(offer: Row, members: list[Row]) -> dict[str, Steps]:
    days = {row["contract_line_id"]: _charged_days(row) for row in members}
    steps: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    for day in sorted({first for first, _ in days.values()} | {last + ONE_DAY for _, last in days.values()}):
        here = [row for row in members if days[row["contract_line_id"]][0] <= day <= days[row["contract_line_id"]][1]]
        for row, price in zip(here, _shares(offer, here), strict=True):
            known = steps[row["contract_line_id"]]
            if not known or known[-1][1] != price:
                known.append((day, price))
    return {name: tuple(known) for name, known in steps.items()}


def _shares(offer: Row, members: list[Row]) -> list[Decimal]:
    """One price by the components' own prices, in cents by largest remainder."""
    unit = minor_unit(offer["currency"])
    cents = int(Fraction(parse_number(offer["unit_price"]) or ZERO) / Fraction(unit))
    weights = [Fraction(parse_number(row.get("unit_price")) or ZERO) for row in members]
    weights = weights if any(weights) else [Fraction(1)] * len(members)
    shares = [cents * weight / sum(weights) for weight in weights]
    parts = [floor(share) for share in shares]
    order = sorted(range(len(members)), key=lambda n: (parts[n] - shares[n], n))
    for number in order[: cents - sum(parts)]:
        parts[number] += 1
    return [part * unit for part in parts]
