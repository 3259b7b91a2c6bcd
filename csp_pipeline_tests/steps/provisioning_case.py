"""Change requests against a real sandbox server in this process: its state is in reach, and so is each kill."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import duckdb

from csp_pipeline.domain.provisioning import ChangeRequest, key_of
from csp_pipeline.domain.provisioning_records import request_record
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.sandbox.partner import Arguments, Partner, build_partner
from csp_pipeline.sandbox.server.faults import Faults
from csp_pipeline.sandbox.server.state import State
from csp_pipeline.sources.calls import Calls
from csp_pipeline.sources.distributor_orders import DistributorOrders
from csp_pipeline.sources.partner_center import PartnerCenter
from csp_pipeline.sources.provisioning_targets import PartnerCenterTarget
from csp_pipeline.steps.journal import Journal
from csp_pipeline.steps.provisioning import ProvisioningReport, provision
from csp_pipeline.steps.provisioning_facts import read_facts
from csp_pipeline.storage.warehouse import configure
from csp_pipeline_tests.sandbox.server.partner_center_case import Clock, calling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csp_pipeline.sources.login import Login
    from csp_pipeline.storage.home import Home


NEEDED = ("partner_center", "reference", "provisioning")


class Killed(BaseException):
    """The process is killed at this point."""


class _UserLogin:
    """A login whose token the routes take for a user's."""

    def token(self, scope: str, *, as_user: bool = False) -> str:  # noqa: ARG002  (any login is good)
        return "user"

    def renew(self, scope: str, *, as_user: bool, refused: str) -> None:
        """Tokens of this test never end."""


def open_warehouse() -> duckdb.DuckDBPyConnection:
    """A warehouse in memory with the empty tables that provisioning rests on."""
    con = duckdb.connect(":memory:")
    configure(con)
    for schema in NEEDED:
        con.execute(f"CREATE SCHEMA {schema}")
    for table in load_catalogue().values():
        if table.schema in NEEDED:
            con.execute(table.ddl())
    return con


@dataclass
class ProvisioningCase:
    """A home, a warehouse with the commercial side, and a partner whose server answers.

    Attributes:
        seats: the subscription that requests change unless they say otherwise.
    """

    home: Home
    con: duckdb.DuckDBPyConnection
    state: State
    clock: Clock
    url: str
    attempts: int = 2
    asked: list[str] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        """The present moment, UTC without zone."""
        return self.clock.now.replace(tzinfo=None)

    def subscriptions(self, *, is_microsoft: bool = True, has_agreement: bool = True) -> list[tuple[str, str]]:
        """Active seat subscriptions with their customer."""
        return [
            (customer_id, item["id"])
            for customer_id, items in self.state.subscriptions.items()
            for item in items.values()
            if item["status"] == "active"
            and item["billingType"] == "license"
            and item["isMicrosoftProduct"] is is_microsoft
            and self.state.has_accepted(customer_id) is has_agreement
        ]

    def item(self, subscription: tuple[str, str]) -> dict[str, Any]:
        """A subscription as the server has it now."""
        return self.state.subscriptions[subscription[0]][subscription[1]]

    def quantity(self, subscription: tuple[str, str]) -> int:
        """Its units now."""
        return int(self.item(subscription)["quantity"])

    def log(self, subscription: tuple[str, str], status: str = "succeeded") -> int:
        """How many operations on it the activity log tells of that ended so since the server started."""
        return sum(
            record["customizedData"][0]["value"] == subscription[1]
            and record["operationStatus"] == status
            and record["applicationId"] == "Partner Center REST API"
            for record in self.state.audit_records
        )

    def account(self, customer_id: str, *, on_hold: bool = False, agreed: bool = True) -> str:
        """Give a customer an account."""
        account_id = f"A-{key_of(customer_id)[:8]}"
        self.con.execute("DELETE FROM reference.accounts WHERE account_id = ?", [account_id])
        self.con.execute("DELETE FROM reference.account_tenants WHERE account_id = ?", [account_id])
        self.con.execute("DELETE FROM partner_center.customers WHERE customer_id = ?", [customer_id])
        self.con.execute(
            "INSERT INTO reference.accounts BY NAME SELECT ? AS account_id, 'Fabrikam' AS name, 'EUR' AS currency, "
            "? AS credit_hold, 'service@fabrikam.example.com' AS service_email",
            [account_id, on_hold],
        )
        self.con.execute(
            "INSERT INTO reference.account_tenants BY NAME SELECT ? AS account_id, ? AS customer_id",
            [account_id, customer_id],
        )
        self.con.execute(
            "INSERT INTO partner_center.customers BY NAME SELECT ? AS customer_id, 'Fabrikam' AS name, "
            "CAST(? AS DATE) AS mca_accepted_on",
            [customer_id, "2026-01-02" if agreed else None],
        )
        return account_id

    def request(
        self,
        request_id: str,
        subscription: tuple[str, str],
        quantity: int | None,
        **others: Any,  # noqa: ANN401  (fields of a request)
    ) -> ChangeRequest:
        """Ask for a change in the commercial table; the customer gets an account where it has none."""
        customer_id, subscription_id = subscription
        known = self.con.execute(
            "SELECT count(*) FROM reference.account_tenants WHERE customer_id = ?", [customer_id]
        ).fetchone()
        if known == (0,):
            self.account(customer_id)
        asked = ChangeRequest(
            **{
                "request_id": request_id,
                "account_id": None,
                "customer_id": customer_id,
                "subscription_id": subscription_id,
                "requested_at": self.now - timedelta(minutes=10) + timedelta(seconds=int(request_id[-1], 36)),
                "requested_by": "someone@fabrikam.example.com",
                "channel": "portal",
                "operation": "change_quantity",
                "new_quantity": None if quantity is None else Decimal(quantity),
                **others,
            }
        )
        row = {name: value for name, value in request_record(asked).items() if name != "type"}
        self.con.execute(
            f"INSERT INTO reference.license_change_requests BY NAME SELECT {', '.join(f'${n} AS {n}' for n in row)}",
            row,
        )
        return asked

    def run(self, *, at: Callable[[str], None] = lambda _: None) -> ProvisioningReport:
        """What a run does: read the facts anew, and provision."""
        with Calls(self.url, cast("Login", _UserLogin()), "api", sleep=lambda _: None, attempts=self.attempts) as calls:
            center = PartnerCenter(calls, today=self.clock.now.date)
            targets = {
                "partner_center": PartnerCenterTarget(center, lambda: self.now),
                "distributor": DistributorOrders(self.home.orders),
            }
            facts = read_facts(self.con, self.home)
            return provision(self.home, facts, targets, now=lambda: self.now, at=at)

    def killed_when(self, words: str) -> None:
        """A run that is killed at the first point whose sentence has these words."""

        def kill(sentence: str) -> None:
            if words in sentence:
                raise Killed(sentence)

        try:
            self.run(at=kill)
        except Killed:
            return
        raise AssertionError(f"the run never came to {words!r}")

    def state_of(self, request_id: str) -> str:
        """Where a request stands by the ledger."""
        return read_facts(self.con, self.home).histories[request_id].state

    def last(self, request_id: str) -> dict[str, Any]:
        """The latest record of a request."""
        return read_facts(self.con, self.home).histories[request_id].records[-1]

    def decide(self, request_id: str, decision: str) -> None:
        """A person releases or cancels a request."""
        journal = Journal(self.home, lambda: self.now)
        journal.note(
            {
                "type": "decision",
                "request_id": request_id,
                "decision": decision,
                "by": "operator",
                "at": self.now.isoformat(timespec="seconds"),
            }
        )
        journal.commit()


@contextmanager
def provisioning_case(home: Home, *faults: str) -> Iterator[ProvisioningCase]:
    """A case whose server shows some faults."""
    clock = Clock(datetime(2026, 10, 5, 12, tzinfo=UTC))
    state = State(_partner(), faults=Faults(faults), clock=clock)
    with calling(state) as caller:
        con = open_warehouse()
        try:
            yield ProvisioningCase(home, con, state, clock, str(caller.http.base_url))
        finally:
            con.close()


@cache
def _partner() -> Partner:
    """The facts of a small partner; every case has a server state of its own over them."""
    return build_partner(Arguments(customers=8, usage_rows=20, months=("2026-08", "2026-09"), currencies=("EUR",)))
