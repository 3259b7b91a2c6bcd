"""What Partner Center knows today: customers, and what each of them has, as one file of answers per resource.

What belongs here: which resources a day's snapshot holds, and what an empty or missing answer means. A snapshot that
lacks a customer would say that its seats are gone, so a resource is delivered whole or not at all: then the snapshot of
an earlier day stays in force, and the report says why. Only the status of provisioning is sound in parts.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from csp_pipeline.errors import CspError
from csp_pipeline.formats.records import nested, value_of
from csp_pipeline.formats.values import UnreadableError, parse_date
from csp_pipeline.sources.provider_errors import AuthenticationError
from csp_pipeline.steps.answers import FAILURES, FetchReport, ask_for, in_order, land_answers, silent, told
from csp_pipeline.steps.fetch_provisioning import Seats, fetch_statuses
from csp_pipeline.storage.warehouse import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from csp_pipeline.sources.paging import Page
    from csp_pipeline.sources.partner_center import PartnerCenter
    from csp_pipeline.sources.provider import Provider
    from csp_pipeline.steps.answers import Key
    from csp_pipeline.storage.home import Home

ORDER_SETTLES_WITHIN = timedelta(days=90)
"""How much older than the newest order an order is when the provisioning of its lines is no longer asked for."""
_AZURE_PLAN_PRODUCT = "DZH318Z0BPS6"
_ENDED = frozenset({"deleted", "expired"})


def fetch_snapshots(
    home: Home, provider: Provider, today: date, *, on_progress: Callable[[str], None] = silent
) -> FetchReport:
    """Deliver what Partner Center knows today of customers, subscriptions, orders, agreements and provisioning.

    Args:
        home: the folders.
        provider: the clients.
        today: the UTC day the snapshot is of.
        on_progress: told one sentence per resource.

    Returns:
        The files delivered, and what could not be fetched.

    Raises:
        ProviderError: the list of customers cannot be fetched, or the login is refused.
        CspError: there are no customers, which no partner has.
    """
    with exclusive(home, on_wait=on_progress):
        return _Snapshot(home, provider.partner_center, today, on_progress).fetch()


@dataclass(frozen=True, slots=True)
class _Found:
    """An item of an answer: what to ask for it by, and the few of its fields that decide what is asked."""

    seats: Seats
    is_azure_plan: bool
    status: str
    created_on: str

    @property
    def key(self) -> Key:
        """What it is asked for by."""
        return self.seats.key


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The snapshot of a day while it is fetched."""

    home: Home
    service: PartnerCenter
    today: date
    tell: Callable[[str], None]

    def fetch(self) -> FetchReport:
        """Fetch everything: customers first, as all else is asked for by customer, then three chains side by side."""
        customers, report = self._customers()
        chains = (self._agreements, self._orders, self._subscriptions)
        with ThreadPoolExecutor(len(chains)) as pool:
            for fetched in pool.map(lambda chain: chain(customers), chains):
                report += fetched
        return report

    def _customers(self) -> tuple[list[Key], FetchReport]:
        pages = list(self.service.customers())
        customers: list[Key] = sorted({(_text(item, "id"),) for page in pages for item in page.items})
        if not customers:
            raise CspError(
                "Partner Center lists no customers, so nothing was fetched; look whether CSP_PARTNER_TENANT_ID is the "
                "tenant that customers buy from."
            )
        self.tell(f"Fetching what Partner Center knows of {len(customers)} customers.")
        return customers, land_answers(self.home, "customers", pages, snapshot_on=self.today)

    def _agreements(self, customers: Sequence[Key]) -> FetchReport:
        attested, _ = self._each("agreements", self.service.agreements, customers)
        signed, _ = self._each("direct_signed", self.service.direct_signed, customers)
        return attested + signed

    def _orders(self, customers: Sequence[Key]) -> FetchReport:
        report, orders = self._each("orders", self.service.orders, customers)
        lines, _ = self._each("order_provisioning", self.service.order_provisioning, _recent(orders), in_parts=True)
        return report + lines

    def _subscriptions(self, customers: Sequence[Key]) -> FetchReport:
        report, found = self._each("subscriptions", self.service.subscriptions, customers)
        plans = [one.key for one in found if one.is_azure_plan]
        entitlements, _ = self._each("azure_entitlements", self.service.azure_entitlements, plans)
        live = [one.seats for one in found if not one.is_azure_plan and one.status not in _ENDED]
        return report + entitlements + fetch_statuses(self.home, self.service, live, self.today)

    def _each(
        self, resource: str, ask: Callable[..., Page | Iterable[Page]], keys: Sequence[Key], *, in_parts: bool = False
    ) -> tuple[FetchReport, list[_Found]]:
        """Deliver a resource asked for by key; returns the items found too, none when it could not be delivered."""
        found: list[_Found] = []
        failed: list[Exception] = []

        def answers() -> Iterator[Page]:
            for key, answer in in_order(partial(ask_for, ask), sorted(keys)):
                if isinstance(answer, list):
                    found.extend(_found(key, item) for page in answer for item in page.items)
                    yield from answer
                elif in_parts:
                    failed.append(answer)
                else:
                    raise answer

        try:
            report = land_answers(self.home, resource, answers(), snapshot_on=self.today)
        except AuthenticationError:
            raise
        except FAILURES as error:
            return told(f"Today's {resource.replace('_', ' ')}", error), []
        if failed:
            report += told(f"{len(failed)} of {len(keys)} answers on {resource.replace('_', ' ')}", failed[0])
        return report, found


def _found(key: Key, item: Mapping[str, object]) -> _Found:
    product = {_text(nested(item, "productType"), name).lower() for name in ("id", "displayName")}
    is_azure_plan = (
        _text(item, "offerId").upper().startswith(_AZURE_PLAN_PRODUCT)
        or bool(product & {"azure", "azureplan"})
        or _text(item, "offerName").lower() == "azure plan"
    )
    status, created_on = _text(item, "status").lower(), _text(item, "creationDate")[:10]
    return _Found(Seats.of((*key, _text(item, "id")), item), is_azure_plan, status, created_on)


def _recent(orders: Sequence[_Found]) -> list[Key]:
    """The orders whose provisioning may still change; those without a readable date are among them."""
    created_on = {one.key: _day(one.created_on) for one in orders}
    since = max(filter(None, created_on.values()), default=date.min + ORDER_SETTLES_WITHIN) - ORDER_SETTLES_WITHIN
    return [key for key, day in created_on.items() if day is None or day >= since]


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except UnreadableError:
        return None


def _text(record: Mapping[str, object], name: str) -> str:
    return str(value_of(record, name) or "")
