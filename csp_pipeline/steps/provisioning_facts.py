"""What provisioning rests on, read from the warehouse and the ledger: requests, their histories, accounts, agreements.

What belongs here: reading. Which request may go out is `domain/provisioning_gates`, sending is `provisioning`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from csp_pipeline.domain.provisioning import (
    REQUEST,
    ChangeRequest,
    History,
    LoggedChange,
    histories,
    key_of,
    settled_by_log,
)
from csp_pipeline.domain.provisioning_gates import SeatLimits, Standing
from csp_pipeline.domain.provisioning_records import request_of
from csp_pipeline.storage.ledger import PROVISIONING, read_batches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    import duckdb

    from csp_pipeline.storage.home import Home

ATTESTATION, ATTESTING = "attestation", "attesting"
ABOUT_REQUESTS = ("waiting", "intent", "error", "outcome", "decision")

_REQUESTS = """
SELECT
    request_id,
    account_id,
    customer_id,
    subscription_id,
    requested_at,
    requested_by,
    channel,
    coalesce(operation, 'change_quantity') AS operation,
    product_id,
    sku_id,
    new_quantity,
    term_duration,
    billing_cycle
FROM reference.license_change_requests
"""


@dataclass(frozen=True)
class Affected:
    """What a subscription is sold at.

    Attributes:
        unit_price: for a cycle; None where the contract has no price per unit.
    """

    unit_price: Decimal | None
    currency: str | None
    billing_cycle: str
    cost_source: str


@dataclass
class Facts:
    """Everything that is known before a provider is asked.

    Attributes:
        requests: in the order in which they are worked on.
        agreed: customers with an accepted agreement, attestations included, as keys.
        changes: logged changes by customer and subscription.
        records: the ledger's records on provisioning, in order.
        sold: contract lines that name no subscription, by customer, product and SKU (empty for every SKU).
    """

    requests: list[ChangeRequest]
    histories: dict[str, History]
    records: list[dict[str, Any]]
    tenants: dict[str, str]
    on_hold: frozenset[str]
    agreed: frozenset[str]
    limits: dict[tuple[str, str], SeatLimits]
    products: dict[tuple[str, str], tuple[str | None, str | None]]
    changes: Mapping[tuple[str, str], list[LoggedChange]]
    contracts: dict[tuple[str, str], Affected]
    contracts_by_subscription: dict[str, Affected] = field(default_factory=dict)
    sold: dict[tuple[str, str, str], Affected] = field(default_factory=dict)

    def history(self, request: ChangeRequest) -> History:
        """The history of a request; an empty one for a request that is new."""
        return self.histories.setdefault(request.request_id, History())

    def standing(self, request: ChangeRequest, earlier: str | None) -> Standing:
        """What the gates look at, as far as it is known before the provider is asked."""
        customer = key_of(request.customer_id)
        account_id = self.tenants.get(customer)
        if request.account_id is not None and account_id != request.account_id:
            account_id = None
        product = self.products.get(request.subject, (request.product_id, request.sku_id))
        limits = self.limits.get((key_of(product[0]), key_of(product[1]))) or self.limits.get((key_of(product[0]), ""))
        return Standing(
            account_id, account_id in self.on_hold, customer in self.agreed, earlier, limits or SeatLimits()
        )

    def settled(self, request: ChangeRequest) -> LoggedChange | None:
        """The change that did what was asked for, as far as logs tell; a subscription that is there was bought."""
        done = settled_by_log(request, self.changes.get(request.subject, []))
        is_bought = request.operation == "purchase" and request.subscription_id and request.subject in self.products
        if done is None and is_bought and request.requested_at is not None:
            return LoggedChange(request.requested_at, request.new_quantity, None)
        return done

    def affected(self, request: ChangeRequest) -> Affected | None:
        """The contract line behind a request's subscription, or that sells the product that is to be bought."""
        if request.operation == "purchase" and not request.subscription_id:
            customer, product = key_of(request.customer_id), key_of(request.product_id)
            return self.sold.get((customer, product, key_of(request.sku_id))) or self.sold.get((customer, product, ""))
        return self.contracts.get(request.subject) or self.contracts_by_subscription.get(request.subject[1])


def read_records(home: Home) -> list[dict[str, Any]]:
    """What the ledger says on provisioning, in order.

    Raises:
        LedgerDamagedError: the ledger is damaged.
    """
    return [record for batch in read_batches(home.ledger) if batch.kind == PROVISIONING for record in batch.records]


def read_facts(con: duckdb.DuckDBPyConnection, home: Home) -> Facts:
    """Read everything.

    Args:
        con: a connection from `writing`; the tables of partner_center and reference are up to date.
        home: where the ledger is.

    Raises:
        LedgerDamagedError: the ledger is damaged.
    """
    records = read_records(home)
    asked = [ChangeRequest(*row) for row in con.execute(_REQUESTS).fetchall()]
    by_command = [request_of(record) for record in records if record["type"] == REQUEST]
    known = {request.request_id for request in asked}
    requests = asked + [request for request in by_command if request.request_id not in known]
    contracts = _contracts(con)
    return Facts(
        requests=sorted(requests, key=lambda request: request.order),
        histories=histories(record for record in records if record["type"] in ABOUT_REQUESTS),
        records=records,
        tenants={
            key_of(customer): account
            for customer, account in con.execute(
                "SELECT customer_id, account_id FROM reference.account_tenants"
            ).fetchall()
        },
        on_hold=frozenset(
            account
            for (account,) in con.execute("SELECT account_id FROM reference.accounts WHERE credit_hold").fetchall()
        ),
        agreed=_agreed(con, records),
        limits={
            (key_of(product), key_of(sku)): SeatLimits(_whole(fewest), _whole(most))
            for product, sku, fewest, most in con.execute(
                "SELECT product_id, sku_id, minimum_quantity, maximum_quantity FROM reference.seat_limits"
            ).fetchall()
        },
        products={
            (key_of(customer), key_of(subscription)): (product, sku)
            for customer, subscription, product, sku in con.execute(
                "SELECT customer_id, subscription_id, product_id, sku_id FROM partner_center.subscriptions"
            ).fetchall()
        },
        changes=_changes(con),
        contracts={key: found for key, found in contracts.items() if key[0]},
        contracts_by_subscription={key[1]: found for key, found in contracts.items()},
        sold=_sold(con),
    )


def _agreed(con: duckdb.DuckDBPyConnection, records: list[dict[str, Any]]) -> frozenset[str]:
    rows = con.execute("SELECT customer_id FROM partner_center.customers WHERE mca_accepted_on IS NOT NULL").fetchall()
    attested = {record["customer_id"] for record in records if record["type"] == ATTESTATION and record["is_accepted"]}
    return frozenset({key_of(customer) for (customer,) in rows} | {key_of(customer) for customer in attested})


def _changes(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], list[LoggedChange]]:
    found: dict[tuple[str, str], list[LoggedChange]] = defaultdict(list)
    rows = con.execute(
        """
        SELECT customer_id, subscription_id, changed_at, quantity_after, status_after
        FROM partner_center.subscription_changes
        WHERE subscription_id IS NOT NULL AND changed_at IS NOT NULL
        """
    ).fetchall()
    for customer, subscription, *change in rows:
        found[key_of(customer), key_of(subscription)].append(LoggedChange(*change))
    return dict(found)


_SOLD_AT = "unit_price, currency, coalesce(billing_cycle, 'monthly'), coalesce(cost_source, 'provider')"


def _contracts(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Affected]:
    rows = con.execute(
        f"""
        SELECT customer_id, subscription_id, {_SOLD_AT}
        FROM reference.contract_lines
        WHERE subscription_id IS NOT NULL
        ORDER BY starts_on, contract_line_id
        """
    ).fetchall()
    return {(key_of(customer), key_of(subscription)): Affected(*at) for customer, subscription, *at in rows}


def _sold(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], Affected]:
    rows = con.execute(
        f"""
        SELECT customer_id, product_id, sku_id, {_SOLD_AT}
        FROM reference.contract_lines
        WHERE subscription_id IS NULL AND customer_id IS NOT NULL AND product_id IS NOT NULL
        ORDER BY starts_on, contract_line_id
        """
    ).fetchall()
    return {(key_of(customer), key_of(product), key_of(sku)): Affected(*at) for customer, product, sku, *at in rows}


def _whole(value: Decimal | None) -> int | None:
    return None if value is None else int(value)
