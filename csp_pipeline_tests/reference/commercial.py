"""The partner's commercial terms, read from CSV files (a blank optional cell means "not used")."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from csp_pipeline_tests.reference.amounts import parse_number
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
    terms.contract_lines = sorted(
        (_contract_line(row) for row in _table(folder, "contract_lines")), key=lambda line: line.contract_line_id
    )
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


def _contract_line(row: dict[str, str]) -> ContractLine:
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
    )
