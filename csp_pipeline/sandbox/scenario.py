"""Who the made-up partner's customers are and what each of them stands for.

`build` draws customers, accounts, contract lines, subscriptions and Azure plans from a seed. The first customers each
play a part (`PARTS`), so that every kind of charge and every planted anomaly is there; further ones are ordinary.
Nothing is priced or written here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from csp_pipeline.sandbox import deals, parts
from csp_pipeline.sandbox.azure import add_resources
from csp_pipeline.sandbox.catalogue import COMPANIES, CURRENCIES, Currency
from csp_pipeline.sandbox.dates import day_of, days_between, first_day, last_day, months_through, shift
from csp_pipeline.sandbox.facts import Account, ContractLine, Customer, Seats, new_id
from csp_pipeline.sandbox.indirect_parts import RESELLER_MPN_ID
from csp_pipeline.sandbox.planted_cases import CASES
from csp_pipeline.sandbox.plot import Plot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from csp_pipeline.sandbox.azure import AzurePlan
    from csp_pipeline.sandbox.distributor import Resold
    from csp_pipeline.sandbox.facts import Planted, ReconLine, SoftwareReturn, SubscriptionLink
    from csp_pipeline.sandbox.figures import Figure
    from csp_pipeline.sandbox.legacy_facts import LegacyAzure, LegacyLicences
    from csp_pipeline.sandbox.planted_leaks import Leak

ROWS_OF_ARRIVING = 40
UNSIGNED_EVERY, UNSIGNED_AT, DIRECTLY_SIGNED_AT = 13, 5, 11
OPEN_DAYS = 5


@dataclass
class Scenario:
    """All facts of one made-up partner.

    Attributes:
        resellers: Account and MPN id of each reseller that the partner is the indirect provider of.
        links: Subscriptions that go on under another id.
        returns: What adjustment notes credit.
        resold: What customers have through distributors.
        figures: What must be found of the planted cases asked for by name.
        leaks: What else leaks money in them.
    """

    seed: int
    months: tuple[str, ...]
    currencies: tuple[Currency, ...]
    partner_id: str
    source: random.Random
    customers: list[Customer] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    tenants: list[tuple[str, str]] = field(default_factory=list)
    contract_lines: list[ContractLine] = field(default_factory=list)
    seats: list[Seats] = field(default_factory=list)
    plans: list[AzurePlan] = field(default_factory=list)
    extra_lines: list[ReconLine] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    resellers: list[tuple[str, str]] = field(default_factory=list)
    links: list[SubscriptionLink] = field(default_factory=list)
    returns: list[SoftwareReturn] = field(default_factory=list)
    legacy_licences: list[LegacyLicences] = field(default_factory=list)
    legacy_azure: list[LegacyAzure] = field(default_factory=list)
    resold: list[Resold] = field(default_factory=list)

    def fx(self, currency: Currency, month: str) -> Decimal:
        """The rate from US dollars to a billing currency on the invoice of a month, with nine decimals."""
        if currency.code == "USD":
            return Decimal(1)
        phase = sum(ord(letter) * 7**place for place, letter in enumerate(currency.code))
        drift = Decimal((int(month[5:]) * 37 + phase) % 23 - 11) / 1000
        return (currency.per_usd * (1 + drift)).quantize(Decimal("1E-9"))

    def rate(self, from_currency: str, to_currency: str, month: str) -> Decimal:
        """The partner's own exchange rate of a service month (`exchange_rates`), with six decimals."""
        usd = self.fx(CURRENCIES[from_currency], month)
        return (self.fx(CURRENCIES[to_currency], month) / usd).quantize(Decimal("1E-6"))

    def month(self, number: int) -> str:
        """The month of this number, or the last one in a shorter scenario."""
        return self.months[min(number, len(self.months) - 1)]

    def day(self, number: int, day: int) -> date:
        """A day of the month of this number."""
        return day_of(self.month(number), day)

    @property
    def starts_on(self) -> date:
        """First day of the first month: where billing begins."""
        return first_day(self.months[0])

    @property
    def ends_on(self) -> date:
        """Last day of the last month."""
        return last_day(self.months[-1])

    @property
    def open_month(self) -> str:
        """The month after the last invoice."""
        return shift(self.months[-1], 1)

    @property
    def open_until(self) -> date:
        """The last day of the open month that is known."""
        return day_of(self.open_month, OPEN_DAYS)

    def before(self, months: int, day: int) -> date:
        """A day some months before the first month."""
        return day_of(shift(self.months[0], -months), day)

    def new_id(self) -> str:
        """The next GUID."""
        return new_id(self.source)

    def contract(self, line: ContractLine) -> ContractLine:
        """Add a contract line and give it its number."""
        self.contract_lines.append(line)
        return line

    def account_currency(self, account_id: str) -> str:
        """The currency in which an account is billed."""
        return next(account.currency for account in self.accounts if account.account_id == account_id)

    def former_ids(self, subscription_id: str) -> set[str]:
        """The ids of the subscriptions that this one took the place of."""
        return {link.from_subscription_id for link in self.links if link.to_subscription_id == subscription_id}

    def current_quantity(self, subscription_id: str) -> int:
        """Units of a subscription by the seat as the snapshot has it; 0 of one that is not in it."""
        held = [one for one in self.seats if one.is_listed] + self.legacy_licences
        return next((one.current_quantity() for one in reversed(held) if one.subscription_id == subscription_id), 0)

    def next_line_id(self) -> str:
        """The id of the next contract line."""
        return f"CL-{len(self.contract_lines) + 1:04d}"


def build(  # noqa: PLR0913, PLR0917  (each argument is one choice)
    customers: int,
    usage_rows: int,
    months: tuple[str, str],
    currencies: Sequence[str],
    seed: int,
    cases: Sequence[str] | None = None,
) -> Scenario:
    """Draw a scenario.

    Args:
        customers: Number of customer tenants.
        usage_rows: Number of daily usage rows in all months together.
        months: First and last month.
        currencies: Billing currencies, each with an invoice a month.
        seed: Same seed, same facts.
        cases: Names of planted cases, one for each of the first customers; None for the parts of `make run`.

    Returns:
        The facts, with resources for exactly `usage_rows` rows.
    """
    source = random.Random(seed)  # noqa: S311  (a scenario, not a secret)
    scenario = Scenario(
        seed=seed,
        months=months_through(*months),
        currencies=tuple(CURRENCIES[code] for code in currencies),
        partner_id=new_id(source),
        source=source,
    )
    for number in range(customers):
        if cases is None:
            customer = _customer(scenario, number)
            play = parts.PARTS[number] if number < len(parts.PARTS) else parts.ordinary
            play(scenario, customer)
        elif number < len(cases):
            _play_case(scenario, number, cases[number])
        else:
            customer = _tenant(scenario, number, f"A-{1001 + number}", "0")
            _open_account(scenario, customer, number, customer.currency.code)
            parts.ordinary(scenario, customer)
    for plan in scenario.plans:
        plan.is_managed = cases is not None
    _share_rows(scenario, usage_rows)
    return scenario


def _play_case(scenario: Scenario, number: int, name: str) -> None:
    """Add the customer of a planted case."""
    case = CASES[name]
    customer = _tenant(scenario, number, "" if case.is_unmapped else f"A-{1001 + number}", "0")
    if not case.is_unmapped:
        home = customer.currency
        _open_account(scenario, customer, number, deals.foreign_currency(home) if case.is_billed_abroad else home.code)
    case.plant(Plot.of(scenario, customer, name))


def _customer(scenario: Scenario, number: int) -> Customer:
    """The customer of a part of `make run`, with its account."""
    account_id = "" if number == parts.UNMAPPED_NUMBER else f"A-{1001 + number}"
    reseller = RESELLER_MPN_ID if number == parts.RESOLD_NUMBER else "0" if number % 3 else "4649221"
    customer = _tenant(scenario, number, account_id, reseller)
    if number == parts.SECOND_TENANT_NUMBER:
        return _into_first_account(scenario, customer)
    if customer.account_id:
        home = customer.currency
        billed_in = deals.foreign_currency(home) if number == parts.FOREIGN_NUMBER else home.code
        _open_account(scenario, customer, number, billed_in)
    return customer


def _tenant(scenario: Scenario, number: int, account_id: str, reseller_mpn_id: str) -> Customer:
    name = COMPANIES[number % len(COMPANIES)]
    if number >= len(COMPANIES):
        name += f" {number // len(COMPANIES) + 1}"
    domain = name.lower().replace(" & ", "-").replace(" ", "-") + f"-{number + 1}.example.com"
    customer = Customer(
        customer_id=scenario.new_id(),
        name=name,
        domain=domain,
        currency=scenario.currencies[number % len(scenario.currencies)],
        account_id=account_id,
        mpn_id="5357564",
        reseller_mpn_id=reseller_mpn_id,
        agreed_on=None
        if number % UNSIGNED_EVERY in (UNSIGNED_AT, DIRECTLY_SIGNED_AT)
        else scenario.before(20 + number, 1 + number % 28),
        has_signed_directly=number % UNSIGNED_EVERY == DIRECTLY_SIGNED_AT,
    )
    scenario.customers.append(customer)
    return customer


def _open_account(scenario: Scenario, customer: Customer, number: int, currency: str) -> None:
    is_resold = customer.reseller_mpn_id == RESELLER_MPN_ID
    scenario.accounts.append(
        Account(
            account_id=customer.account_id,
            name=f"{customer.name} IT Services" if is_resold else customer.name,
            country=customer.country,
            currency=currency,
            tax_rate_id=f"{customer.country}-standard",
            payment_terms_days=(14, 30, 30, 60)[number % 4],
        )
    )
    if is_resold:
        scenario.resellers.append((customer.account_id, customer.reseller_mpn_id))
    else:
        scenario.tenants.append((customer.account_id, customer.customer_id))


def _into_first_account(scenario: Scenario, customer: Customer) -> Customer:
    """Make a customer the second tenant of the first account, in that account's market."""
    first = scenario.customers[0]
    second = replace(first, customer_id=customer.customer_id, domain=customer.domain, mpn_id=customer.mpn_id)
    scenario.customers[-1] = second
    scenario.tenants.append((first.account_id, second.customer_id))
    return second


def _share_rows(scenario: Scenario, usage_rows: int) -> None:
    """Give every plan resources in proportion to its weight; the last plan takes what is left.

    A plan that arrives within the months is given a small share first, if there are rows for a resource or two.
    """
    left = usage_rows
    for plan in scenario.plans:
        if plan.arrives_on is not None:
            days = days_between(plan.arrives_on, scenario.ends_on)
            resources = max(2, usage_rows // ROWS_OF_ARRIVING // days) if usage_rows >= 10 * days else 0
            _add_resources(scenario, plan, resources * days, days)
            left -= resources * days
    days, shared = days_between(scenario.starts_on, scenario.ends_on), left
    sharing = [plan for plan in scenario.plans if plan.arrives_on is None]
    weights = sum(plan.weight for plan in sharing)
    for plan in sharing:
        is_last = plan is sharing[-1]
        rows = left if is_last else min(left, shared * plan.weight // weights // days * days)
        _add_resources(scenario, plan, rows, days)
        left -= rows


def _add_resources(scenario: Scenario, plan: AzurePlan, rows: int, days: int) -> None:
    source = random.Random(f"{scenario.seed}/{plan.subscription_id}")  # noqa: S311  (a scenario, not a secret)
    add_resources(plan, rows, days, source)
