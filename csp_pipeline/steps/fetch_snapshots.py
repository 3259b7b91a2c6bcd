"""What Partner Center knows today: customers, and what each of them has, as one file of answers per resource.

What belongs here: which resources a day's snapshot holds, and what an empty or missing answer means. A snapshot that
lacks a customer would say that its seats are gone, so a resource is delivered whole or not at all: then the snapshot of
an earlier day stays in force, and the report says why. Only the status of provisioning is sound in parts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from csp_pipeline.errors import CspError
from csp_pipeline.formats.records import nested, value_of
from csp_pipeline.formats.values import UnreadableError, parse_date
from csp_pipeline.sources.paging import Page
from csp_pipeline.sources.provider_errors import AuthenticationError
from csp_pipeline.steps.answers import FAILURES, FetchReport, in_order, is_absent, land_answers, silent, told
from csp_pipeline.storage.warehouse import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from csp_pipeline.sources.partner_center import PartnerCenter
    from csp_pipeline.sources.provider import Provider
    from csp_pipeline.storage.home import Home

ORDER_SETTLES_WITHIN = timedelta(days=90)
"""How much older than the newest order an order is when the provisioning of its lines is no longer asked for."""
_AZURE_PLAN_PRODUCT = "DZH318Z0BPS6"
_ENDED = frozenset({"deleted", "expired"})

Key: TypeAlias = tuple[str, ...]
"""What a resource is asked for by: a customer, or a customer and a subscription or order."""


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

    key: Key
    is_azure_plan: bool
    status: str
    created_on: str


@dataclass
class _Snapshot:
    """The snapshot of a day while it is fetched."""

    home: Home
    service: PartnerCenter
    today: date
    tell: Callable[[str], None]
    report: FetchReport = field(default_factory=FetchReport)

    def fetch(self) -> FetchReport:
        """Fetch everything, customers first, as all else is asked for by customer."""
        service = self.service
        customers = self._customers()
        self._each("agreements", service.agreements, customers)
        self._each("direct_signed", service.direct_signed, customers)
        orders = self._each("orders", service.orders, customers)
        subscriptions = self._each("subscriptions", service.subscriptions, customers)
        plans = [one.key for one in subscriptions if one.is_azure_plan]
        self._each("azure_entitlements", service.azure_entitlements, plans)
        seats = [one.key for one in subscriptions if not one.is_azure_plan and one.status not in _ENDED]
        self._each("subscription_provisioning", service.subscription_provisioning, seats, in_parts=True)
        self._each("order_provisioning", service.order_provisioning, _recent(orders), in_parts=True)
        return self.report

    def _customers(self) -> list[Key]:
        pages = list(self.service.customers())
        customers: list[Key] = sorted({(_text(item, "id"),) for page in pages for item in page.items})
        if not customers:
            raise CspError(
                "Partner Center lists no customers, so nothing was fetched; look whether CSP_PARTNER_TENANT_ID is the "
                "tenant that customers buy from."
            )
        self.tell(f"Fetching what Partner Center knows of {len(customers)} customers.")
        self.report += land_answers(self.home, "customers", pages, snapshot_on=self.today)
        return customers

    def _each(
        self, resource: str, ask: Callable[..., Page | Iterable[Page]], keys: Sequence[Key], *, in_parts: bool = False
    ) -> list[_Found]:
        """Deliver a resource asked for by key; returns the items found, none when it could not be delivered."""
        found: list[_Found] = []
        failed: list[Exception] = []

        def answers() -> Iterator[Page]:
            for key, answer in in_order(partial(_ask, ask), sorted(keys)):
                if isinstance(answer, list):
                    found.extend(_found(key, item) for page in answer for item in page.items)
                    yield from answer
                elif in_parts:
                    failed.append(answer)
                else:
                    raise answer

        try:
            self.report += land_answers(self.home, resource, answers(), snapshot_on=self.today)
        except AuthenticationError:
            raise
        except FAILURES as error:
            self.report += told(f"Today's {resource.replace('_', ' ')}", error)
            return []
        if failed:
            self.report += told(f"{len(failed)} of {len(keys)} answers on {resource.replace('_', ' ')}", failed[0])
        return found


def _ask(ask: Callable[..., Page | Iterable[Page]], key: Key) -> list[Page] | Exception:
    """The answers for a key; none where the provider has nothing at that address."""
    try:
        answer = ask(*key)
        return [answer] if isinstance(answer, Page) else list(answer)
    except AuthenticationError:
        raise
    except FAILURES as error:
        return [] if is_absent(error) else error


def _found(key: Key, item: Mapping[str, object]) -> _Found:
    product = {_text(nested(item, "productType"), name).lower() for name in ("id", "displayName")}
    is_azure_plan = (
        _text(item, "offerId").upper().startswith(_AZURE_PLAN_PRODUCT)
        or bool(product & {"azure", "azureplan"})
        or _text(item, "offerName").lower() == "azure plan"
    )
    status, created_on = _text(item, "status").lower(), _text(item, "creationDate")[:10]
    return _Found((*key, _text(item, "id")), is_azure_plan, status, created_on)


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
