"""The partner's commercial terms, read from CSV files (a blank optional cell means "not used")."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import parse_number
from csp_pipeline_tests.reference.bundles import Steps, spread_bundles
from csp_pipeline_tests.reference.days import next_month, parse_day

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

MONTHS = {"monthly": 1, "quarterly": 3, "annual": 12}


@dataclass(frozen=True)
class Account:
    """A customer account."""

    account_id: str
    name: str
    currency: str
    tax_rate_id: str


@dataclass(frozen=True)
class Tier:
    """A tier: above ``lower``; ``size`` is that of a package, 0 for single units."""

    lower: Fraction
    unit: Fraction
    flat: Fraction
    size: Fraction

    def is_reached(self, quantity: Fraction) -> bool:
        """A tier from 0 always is."""
        return self.lower == 0 or quantity > self.lower

    def price(self, units: Fraction) -> Fraction:
        """Units, or started packages of them, at the tier's price."""
        return self.unit * (ceil(units / self.size) if self.size else units)


@dataclass(frozen=True)
class ContractLine:
    """One contract line; ``ends_on`` is inclusive, blank is open."""

    contract_line_id: str
    account_id: str
    customer_id: str
    subscription_id: str
    entitlement_id: str
    product_id: str
    sku_id: str
    description: str
    pricing_model: str
    unit_price: Decimal
    currency: str
    markup_percent: Decimal
    cost_basis: str
    discount_percent: Decimal
    discount_ends_on: date | None
    quantity_source: str
    quantity: Decimal | None
    months: int
    billing_timing: str
    anchor_day: int | None
    proration: str
    tax_category: str
    starts_on: date
    ends_on: date | None
    cost_source: str
    tiers: tuple[Tier, ...] = ()
    minimum: Fraction | None = None
    maximum: Fraction | None = None
    discount_amount: Fraction | None = None
    trial_ends_on: date | None = None
    is_one_time: bool = False
    steps: Steps = ()

    def at(self, day: date) -> ContractLine:
        """The same line at the price of a day, where it has several over time."""
        begun = [price for start, price in self.steps if start <= day] or [price for _, price in self.steps[:1]]
        return replace(self, unit_price=begun[-1]) if begun else self

    @property
    def has_units(self) -> bool:
        """Whether its price depends on a quantity."""
        return self.pricing_model in ("per_unit", "graduated", "volume", "package")

    @property
    def charged_from(self) -> date:
        """The first day charged: after the trial."""
        if self.trial_ends_on is None:
            return self.starts_on
        return max(self.starts_on, self.trial_ends_on + timedelta(days=1))

    def is_free_on(self, day: date) -> bool:
        """Whether the day is in a trial."""
        return self.starts_on <= day < self.charged_from

    def price_of(self, quantity: Fraction) -> Fraction:
        """Rule 9.3: what a quantity costs for a full cycle."""
        if not self.tiers:
            return quantity * Fraction(self.unit_price)
        if self.pricing_model == "volume":
            reached = [tier for tier in self.tiers if tier.lower < quantity] or list(self.tiers[:1])
            return reached[-1].price(quantity) + reached[-1].flat if reached[-1].is_reached(quantity) else Fraction(0)
        uppers = [*(tier.lower for tier in self.tiers[1:]), quantity]
        return sum(
            (
                tier.price(max(min(quantity, upper) - tier.lower, Fraction(0))) + tier.flat
                for tier, upper in zip(self.tiers, uppers, strict=True)
                if tier.is_reached(quantity)
            ),
            Fraction(0),
        )

    def discount_factor(self, service_start: date) -> Fraction:
        """1 - discount, while the discount lasts."""
        if self.discount_ends_on is not None and service_start > self.discount_ends_on:
            return Fraction(1)
        return 1 - Fraction(self.discount_percent) / 100

    @property
    def monthly_price(self) -> Fraction:
        """The selling price: unit price divided by the months of the cycle."""
        return Fraction(self.unit_price) / self.months

    def is_in_force(self, start: date, end_inclusive: date) -> bool:
        """Whether the contract line is valid on any day of the period."""
        return self.starts_on <= end_inclusive and (self.ends_on is None or self.ends_on >= start)


@dataclass(frozen=True)
class TaxRate:
    """A tax rate of the partner's own documents."""

    tax_rate_id: str
    tax_category: str
    rate_percent: Decimal
    valid_from: date | None
    valid_to: date | None


@dataclass
class Commercial:
    """All terms."""

    accounts: dict[str, Account] = field(default_factory=dict)
    tenants: dict[str, str] = field(default_factory=dict)
    contract_lines: list[ContractLine] = field(default_factory=list)
    tax_rates: list[TaxRate] = field(default_factory=list)
    rates: dict[tuple[str, str, str], tuple[Decimal, str]] = field(default_factory=dict)
    resolutions: list[dict[str, str]] = field(default_factory=list)
    resellers: dict[str, str] = field(default_factory=dict)
    """Account by MPN id of a reseller."""
    links: list[tuple[str, str, date | None]] = field(default_factory=list)
    """Confirmed links: from, to, and from when on."""
    _by_customer: dict[str, list[ContractLine]] = field(default_factory=dict)

    def lines_of_customer(self, customer_id: str) -> list[ContractLine]:
        """Contract lines that name the customer; the empty id asks for those that name none."""
        if not self._by_customer:
            for line in self.contract_lines:
                self._by_customer.setdefault(line.customer_id, []).append(line)
        return self._by_customer.get(customer_id, [])

    def account_of(self, customer_id: str, reseller_mpn_id: str) -> str | None:
        """The account of a tenant, else that of its reseller; 0 and -1 stand for no reseller."""
        reseller = None if reseller_mpn_id in ("0", "-1") else self.resellers.get(reseller_mpn_id)
        return self.tenants.get(customer_id) or reseller

    def former_ids(self, subscription_id: str, on: date) -> set[str]:
        """Ids of the subscriptions that one took the place of by a day, through any number of links."""
        found: set[str] = set()
        waiting = [subscription_id]
        while waiting:
            current = waiting.pop()
            for source, target, valid_from in self.links:
                if target == current and source not in found and (valid_from is None or on >= valid_from):
                    found.add(source)
                    waiting.append(source)
        return found

    def rate(self, month: str, source: str, target: str) -> tuple[Fraction, str, str] | None:
        """Rate, its month and where it is from: 1, direct, else inverse; None when missing."""
        if source == target:
            return Fraction(1), month, ""
        if (month, source, target) in self.rates:
            value, origin = self.rates[month, source, target]
            return Fraction(value), month, origin
        if (month, target, source) in self.rates:
            value, origin = self.rates[month, target, source]
            return 1 / Fraction(value), month, origin
        return None

    def tax_percent(self, account: Account, category: str, on: date) -> Decimal | None:
        """The rate of the account's tax for a category on a day: the category's own, else that of a blank category."""
        for wanted in (category, ""):
            for rate in self.tax_rates:
                if (
                    rate.tax_rate_id == account.tax_rate_id
                    and rate.tax_category == wanted
                    and (rate.valid_from is None or rate.valid_from <= on)
                    and (rate.valid_to is None or rate.valid_to >= on)
                ):
                    return rate.rate_percent
        return None


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    text = path.read_bytes().decode("utf-8-sig")
    return [
        {key.strip(): (value or "").strip() for key, value in row.items() if key is not None}
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]


def read_commercial(folder: Path) -> Commercial:
    """Read the folder of commercial CSV files; a missing table counts as empty."""
    terms = Commercial()
    for row in _table(folder, "accounts"):
        account = Account(row["account_id"], row.get("name", ""), row.get("currency", ""), row.get("tax_rate_id", ""))
        terms.accounts[account.account_id] = account
    for row in _table(folder, "account_tenants"):
        terms.tenants[row["customer_id"]] = row["account_id"]
    tiers = defaultdict(list)
    for row in _table(folder, "price_tiers"):
        tiers[row["contract_line_id"]].append(
            Tier(
                *(
                    Fraction(_number(row, name))
                    for name in ("from_quantity", "unit_price", "flat_amount", "package_size")
                )
            )
        )
    rows = _table(folder, "contract_lines")
    steps = spread_bundles(rows, _table(folder, "bundles"))
    for row in rows:
        name = row["contract_line_id"]
        line = _contract_line(row, sorted(tiers[name], key=lambda tier: tier.lower))
        terms.contract_lines.append(replace(line, steps=steps.get(name, ())))
    terms.contract_lines.sort(key=lambda line: line.contract_line_id)
    for row in _table(folder, "tax_rates"):
        terms.tax_rates.append(
            TaxRate(
                row["tax_rate_id"],
                row.get("tax_category", ""),
                _number(row, "rate_percent"),
                parse_day(row.get("valid_from")),
                parse_day(row.get("valid_to")),
            )
        )
    for row in _table(folder, "exchange_rates"):
        month = row["rate_month"]
        month = f"{month[:4]}-{month[4:]}" if "-" not in month else next_month(month, 0)
        key = (month, row["from_currency"], row["to_currency"])
        terms.rates[key] = (_number(row, "rate"), row.get("source", ""))
    terms.resolutions = _table(folder, "resolutions")
    terms.resellers = {row["reseller_mpn_id"]: row["account_id"] for row in _table(folder, "account_resellers")}
    terms.links = [
        (row["from_subscription_id"], row["to_subscription_id"], parse_day(row.get("valid_from")))
        for row in _table(folder, "subscription_links")
        if row.get("confirmed", "").casefold() == "true"
    ]
    return terms


def _number(row: dict[str, str], name: str, default: str = "0") -> Decimal:
    value = parse_number(row.get(name))
    return Decimal(default) if value is None else value


def _optional(row: dict[str, str], name: str) -> Fraction | None:
    value = parse_number(row.get(name))
    return None if value is None else Fraction(value)


def _contract_line(row: dict[str, str], tiers: list[Tier]) -> ContractLine:
    def text(name: str, default: str = "") -> str:
        return row.get(name) or default

    starts_on = parse_day(row.get("starts_on"))
    if starts_on is None:
        raise ValueError(f"contract line {row['contract_line_id']}: starts_on is blank")
    return ContractLine(
        row["contract_line_id"],
        row["account_id"],
        text("customer_id"),
        text("subscription_id"),
        text("entitlement_id"),
        text("product_id"),
        text("sku_id"),
        text("description"),
        text("pricing_model"),
        _number(row, "unit_price"),
        text("currency"),
        _number(row, "markup_percent"),
        text("cost_basis", "net"),
        _number(row, "discount_percent"),
        parse_day(row.get("discount_ends_on")),
        text("quantity_source", "partner_center" if text("subscription_id") else "fixed"),
        parse_number(row.get("quantity")),
        MONTHS[text("billing_cycle", "monthly")],
        text("billing_timing", "arrears"),
        int(text("anchor_day")) if text("anchor_day") else None,
        text("proration", "daily"),
        text("tax_category"),
        starts_on,
        parse_day(row.get("ends_on")),
        text("cost_source", "provider"),
        tuple(tiers),
        _optional(row, "minimum_amount"),
        _optional(row, "maximum_amount"),
        _optional(row, "discount_amount"),
        parse_day(row.get("trial_ends_on")),
        not text("billing_cycle")
        and starts_on == parse_day(row.get("ends_on"))
        and text("pricing_model") != "cost_plus",
    )
