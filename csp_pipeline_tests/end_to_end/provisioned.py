"""A partner's desk: the command against a server that is there already, with a webhook and a mailbox that count."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import httpx
from starlette.responses import Response
from typer.testing import CliRunner

from csp_pipeline.cli import app
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.sandbox.server.app import running
from csp_pipeline.sources.provider import connect
from csp_pipeline_tests.end_to_end.command import LONGEST, command, environment
from csp_pipeline_tests.fetching import quickly, settings_for
from csp_pipeline_tests.notifications.mail_server import Mails, receiving
from csp_pipeline_tests.sources.answering import Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

    from csp_pipeline.sandbox.server.app import Connection
    from csp_pipeline.sources.provider import Provider

FINE = {0, 3}
"""Exit codes of a run that published."""


def made_up(folder: Path) -> None:
    """The partner of these tests: six customers, of whom one has not accepted the agreement."""
    generate(folder, customers=6, usage_rows=20, months=("2026-09", "2026-09"), currencies=("EUR",))


class Victim(Protocol):
    """A process, or several, that can be killed."""

    def kill(self) -> None:
        """Kill -9."""

    def wait(self) -> object:
        """Wait until it is gone."""


@dataclass
class Desk:
    """A home, the server behind it, and what came of it.

    Attributes:
        url: where the command finds Partner Center.
    """

    home: Path
    connection: Connection
    provider: Provider
    hook: Service
    mails: Mails
    url: str
    victim: Victim | None = None

    @property
    def settings(self) -> dict[str, str | None]:
        """The environment of the command; None takes a variable away."""
        mailbox = f"mailto://127.0.0.1:{self.mails.port}?mode=insecure&from=csp@example.com&to=desk@example.com"
        return {
            **dict.fromkeys(name for name in os.environ if name.startswith(("CSP_", "DAGSTER_"))),
            **environment(self.home),
            "CSP_SOURCE": "partner-center",
            "CSP_PROVISIONING": "on",
            "CSP_PARTNER_CENTER_URL": self.url,
            "CSP_PRICING_URL": self.connection.partner_center_url,
            "CSP_GRAPH_URL": self.connection.graph_url,
            "CSP_LOGIN_URL": self.connection.login_url,
            "CSP_PARTNER_TENANT_ID": self.connection.tenant_id,
            "CSP_CLIENT_ID": self.connection.client_id,
            "CSP_CLIENT_SECRET": self.connection.client_secret,
            "CSP_REFRESH_TOKEN": self.connection.refresh_token,
            "CSP_ALERT_URLS": f"{self.hook.url.replace('http://', 'json://')} {mailbox}",
        }

    def do(self, *arguments: str) -> str:
        """Run the command within this process to a good end; returns what it said."""
        ran = CliRunner().invoke(app, arguments, env=self.settings)
        assert ran.exit_code in FINE, ran.stdout + ran.stderr
        return ran.stdout

    def run(self) -> None:
        """`csp-pipeline run`."""
        self.do("run")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process of its own."""
        return {name: value for name, value in self.settings.items() if value is not None}

    def start(self, *arguments: str) -> str:
        """Run the command as a process of its own to a good end; returns what it said."""
        ran = subprocess.run(  # noqa: S603  (our own interpreter and module)
            command(*arguments), env=self.environment, capture_output=True, text=True, check=False, timeout=LONGEST
        )
        assert ran.returncode in FINE, ran.stdout + ran.stderr
        return ran.stdout

    def run_until_killed(self) -> None:
        """`csp-pipeline run` as a process of its own, which the gateway kills; anything else is no success."""
        with subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            command("run"), env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        ) as process:
            self.victim = process
        assert process.returncode == -signal.SIGKILL
        assert self.victim is None

    def ask(self, request_id: str, subscription: tuple[str, str], quantity: int) -> None:
        """`csp-pipeline request` for a quantity."""
        customer_id, subscription_id = subscription
        of = ("--customer", customer_id, "--subscription", subscription_id, "--quantity", str(quantity))
        self.do("request", *of, "--id", request_id)

    def ask_in_the_table(self, request_id: str, subscription: tuple[str, str], quantity: int) -> None:
        """A row of the commercial table for a quantity, asked for now."""
        customer_id, subscription_id = subscription
        path = self.home / "commercial" / "license_change_requests.csv"
        with path.open(encoding="utf-8", newline="") as file:
            names = next(csv.reader(file))
        row = {
            "request_id": request_id,
            "customer_id": customer_id,
            "subscription_id": subscription_id,
            "requested_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}",
            "channel": "portal",
            "operation": "change_quantity",
            "new_quantity": str(quantity),
        }
        with path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, names).writerow(row)

    def first_seats(self) -> tuple[str, str]:
        """A seat subscription of Microsoft's own products, as Partner Center tells of it."""
        center = self.provider.partner_center
        for customer in (item for page in center.customers() for item in page.items):
            customer_id = str(customer["id"])
            for item in (item for page in center.subscriptions(customer_id) for item in page.items):
                if item["billingType"] == "license" and item["isMicrosoftProduct"] and item["status"] == "active":
                    return customer_id, str(item["id"])
        raise AssertionError("the partner sells no seats")

    def ask_to_buy(self, request_id: str, customer_id: str, offer_id: str, *more: str) -> None:
        """`csp-pipeline request` to buy three of an offer."""
        product_id, sku_id, _ = offer_id.split(":")
        what = ("--operation", "purchase", "--product", product_id, "--sku", sku_id, "--quantity", "3")
        self.do("request", "--customer", customer_id, *what, *more, "--id", request_id)

    def item(self, subscription: tuple[str, str]) -> dict[str, Any]:
        """The subscription as Partner Center tells of it."""
        return dict(self.provider.partner_center.subscription(*subscription).items[0])

    def quantity(self, subscription: tuple[str, str]) -> int:
        """Its seats."""
        return int(str(self.item(subscription)["quantity"]))

    def changes(self, subscription: tuple[str, str]) -> list[int]:
        """The quantities that the activity log says it was changed to by this desk, in order."""
        records = self.provider.partner_center.audit_records(
            datetime.now(UTC).date(), datetime.now(UTC).date(), customer_id=subscription[0]
        )
        done = [
            item
            for item in (item for page in records for item in page.items)
            if item["applicationId"] == "Partner Center REST API"
            and item["operationStatus"] == "succeeded"
            and json.loads(str(item["resourceNewValue"]))["Id"] == subscription[1]
        ]
        return [
            int(json.loads(str(item["resourceNewValue"]))["Quantity"])
            for item in sorted(done, key=lambda item: str(item["operationDate"]))
        ]

    def ordered(self, customer_id: str) -> list[int]:
        """The units of each line of an order that was placed from here."""
        orders = (item for page in self.provider.partner_center.orders(customer_id) for item in page.items)
        lines = [line for order in orders for line in order["lineItems"]]  # type: ignore[attr-defined]
        return [int(line["quantity"]) for line in lines if str(line["friendlyName"]).startswith("csp-pipeline ")]

    def orders(self) -> list[tuple[str, dict[str, str]]]:
        """The order files for distributors: their names and their one row."""
        found = sorted((self.home / "orders" / "sent").glob("*.csv"))
        return [(path.stem, *csv.DictReader(path.read_text("utf-8").splitlines())) for path in found]  # type: ignore[misc]

    def confirm(self, reference: str, status: str, quantity: str) -> None:
        """What a distributor answers to an order."""
        folder = self.home / "orders" / "confirmed"
        folder.mkdir(exist_ok=True)
        text = f"order_reference,status,quantity\n{reference},{status},{quantity}\n"
        (folder / "answer.csv").write_text(text, "utf-8")

    def buy_at_a_distributor(self, subscription: tuple[str, str]) -> None:
        """Say in the terms that a subscription's cost comes from a distributor."""
        self._amend("contract_lines.csv", "subscription_id", subscription[1], cost_source="distributor")

    def _amend(self, name: str, key: str, value: str, **cells: str) -> None:
        """Write cells into the rows of a commercial table whose key has a value."""
        path = self.home / "commercial" / name
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert any(row[key] == value for row in rows)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys([*rows[0], *cells])))
            writer.writeheader()
            for row in rows:
                writer.writerow(row | (cells if row[key] == value else {}))

    def price(self, subscription: tuple[str, str], more: int) -> str:
        """What more units of a subscription are worth by its contract line, as people read it."""
        select = "SELECT unit_price, currency FROM reference.contract_lines WHERE subscription_id = ?"
        ((unit_price, currency),) = self.rows(select, subscription[1])
        return f"{unit_price * more:.2f} {currency} more for each billing cycle"

    def sent(self) -> int:
        """How many changes of subscriptions arrived at the server."""
        counts = httpx.get(f"{self.connection.partner_center_url}/sandbox/requests").json()
        return sum(count for key, count in counts.items() if key.startswith("PATCH "))

    def rows(self, select: str, *values: str) -> list[tuple[Any, ...]]:
        """What the published copy holds."""
        with duckdb.connect(str(self.home / "published" / "csp.duckdb"), read_only=True) as published:
            return published.execute(select, list(values)).fetchall()

    def seats(self, *, has_agreement: bool = True) -> list[tuple[str, str]]:
        """Active seat subscriptions of Microsoft's own products."""
        return self.rows(
            f"""
            SELECT customer_id, subscription_id
            FROM partner_center.subscriptions INNER JOIN partner_center.customers USING (customer_id)
            WHERE product_family = 'licence' AND status = 'active' AND auto_renew AND quantity > 1
                AND (mca_accepted_on IS NOT NULL) = {has_agreement}
            ORDER BY ALL
            """
        )

    def outcomes(self, request_id: str) -> list[tuple[str, str | None]]:
        """The story of a request: outcome and code of its events."""
        select = "SELECT outcome, code FROM provisioning.events WHERE request_id = ? ORDER BY occurred_at, outcome"
        return self.rows(select, request_id)

    def reasons(self) -> dict[str, str]:
        """Why requests wait."""
        select = "SELECT request_id, code FROM provisioning.requests WHERE state = 'waiting' AND code <> 'not_sent'"
        return dict(self.rows(select))

    def told(self, request_id: str) -> list[str]:
        """Who was told of a request, in order; the webhook is told what each mailbox is."""
        heard = [str(asked.json["message"]) for asked in self.hook.asked]
        written = [(to, _text(mail)) for recipients, mail in self.mails.came for to in recipients]
        assert max(Counter(heard).values(), default=1) == 1
        assert max(Counter(written).values(), default=1) == 1
        by_hook = [message for message in heard if request_id in message]
        by_mail = [to for to, text in written if request_id in text]
        assert len(by_hook) == len(by_mail)
        return [who for to in by_mail for who in ("webhook", to)]

    def service_email(self, subscription: tuple[str, str]) -> str:
        """Where the customer of a subscription is written to."""
        select = """
            SELECT service_email
            FROM reference.accounts INNER JOIN reference.account_tenants USING (account_id)
            WHERE customer_id = ?
            """
        ((email,),) = self.rows(select, subscription[0])
        return str(email)

    def hold(self, subscription: tuple[str, str], *, on_hold: bool) -> None:
        """Put the account behind a subscription on credit hold, or lift it, in the commercial terms."""
        ((account_id,),) = self.rows(
            "SELECT account_id FROM reference.account_tenants WHERE customer_id = ?", subscription[0]
        )
        self._amend("accounts.csv", "account_id", str(account_id), credit_hold=str(on_hold).lower())

    def sign(self, subscription: tuple[str, str]) -> None:
        """Take down that the customer of a subscription accepted the agreement."""
        path = self.home / "commercial" / "agreement_acceptances.csv"
        names = "customer_id,first_name,last_name,email,phone_number,accepted_at,confirmed"
        signed = f"{subscription[0]},Ada,Example,ada@example.com,,2026-10-01T09:00:00,true"
        path.write_text(f"{names}\n{signed}\n", "utf-8")


def run_once(folder: Path) -> None:
    """Make a partner up, and a home that ran once before anything was asked for."""
    made_up(folder / "partner")
    shutil.copytree(folder / "partner" / "commercial", folder / "home" / "commercial")
    with desk(folder / "home", folder / "partner") as opened:
        opened.run()


def _text(mail: Message) -> str:
    """The words of a mail, whatever they travel as."""
    parts = [part for part in mail.walk() if part.get_content_type() == "text/plain"]
    return "\n".join(bytes(part.get_payload(decode=True)).decode() for part in parts)


@contextmanager
def desk(home: Path, scenario: Path, *faults: str) -> Iterator[Desk]:
    """A desk whose server, in this process, shows some faults."""
    with running(scenario, faults) as connection, desk_at(home, connection) as opened:
        yield opened


@contextmanager
def desk_at(home: Path, connection: Connection) -> Iterator[Desk]:
    """A desk at a server that is there already."""
    with (
        serving() as hook,
        receiving() as mails,
        connect(settings_for(connection, home), sleep=quickly) as provider,
    ):
        hook.answer = lambda _: Response(status_code=200)
        yield Desk(home, connection, provider, hook, mails, connection.partner_center_url)
