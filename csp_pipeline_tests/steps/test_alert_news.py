"""What else the service team hears of: each piece of news once, repeats in a digest, a replay exactly once more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from starlette.responses import Response
from typer.testing import CliRunner

from csp_pipeline.cli import app
from csp_pipeline.errors import CspError
from csp_pipeline.notifications.outbox import QUIET
from csp_pipeline.orchestration.provisioning import tell_of_failure
from csp_pipeline.settings import Settings
from csp_pipeline.steps.alert_facts import read_news
from csp_pipeline.steps.alerts import failed_run, read_outbox, tell
from csp_pipeline.storage.warehouse import writing
from csp_pipeline_tests.end_to_end.command import environment
from csp_pipeline_tests.sources.answering import Service, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

    from csp_pipeline.steps.news import News
    from csp_pipeline.storage.home import Home

TENTH = datetime(2026, 10, 10, 12)  # noqa: DTZ001  (UTC without zone, as everywhere)
MINUTES = timedelta(minutes=1)
Row = dict[str, Any]


@dataclass
class Team:
    """The service team's webhook, and the warehouse that there is news of."""

    con: duckdb.DuckDBPyConnection
    home: Home
    hook: Service
    now: datetime = TENTH

    @property
    def settings(self) -> Settings:
        """A home with the webhook as its only channel."""
        url = self.hook.url.replace("http://", "json://")
        return Settings(_env_file=None, home_path=self.home.root, source="inbox", alert_urls=(SecretStr(url),))

    def add(self, table: str, **values: Any) -> None:  # noqa: ANN401  (cells)
        """A row; what it does not say is NULL."""
        self.con.execute(
            f"INSERT INTO {table} BY NAME SELECT {', '.join(f'${name} AS {name}' for name in values)}", values
        )

    def news(self, *problems: str) -> list[News]:
        """What there is to tell now."""
        return read_news(self.con, self.settings, self.now, problems)

    def hear(self, *news: News) -> list[str]:
        """Tell news, or what there is; returns the subjects of what arrived by it."""
        before = len(self.hook.asked)
        tell(self.settings, news or self.news(), now=lambda: self.now)
        return [message["title"] for message in self.messages[before:]]

    @property
    def messages(self) -> list[dict[str, str]]:
        """Everything that arrived."""
        return [json.loads(asked.body) for asked in self.hook.asked]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving() as running:
        yield running


@pytest.fixture
def hook(service: Service) -> Service:
    service.asked.clear()
    service.answer = lambda _: Response(status_code=200)
    return service


@pytest.fixture
def team(home: Home, hook: Service) -> Iterator[Team]:
    with writing(home) as con:
        yield Team(con, home, hook)


def unproven(team: Team, amount: str = "-0.37") -> None:
    team.con.execute("DELETE FROM cost.invoice_proof")
    team.add(
        "cost.invoice_proof", invoice_number="G1", currency="EUR", proof_state="unproven", unexplained_amount=amount
    )


def unexplained(team: Team, amount: str = "1234.5") -> None:
    team.con.execute("DELETE FROM reconciliation.differences")
    for part, cause in ((amount, "unexplained"), ("7", "timing")):
        team.add(
            "reconciliation.differences",
            service_month="2026-09",
            account_id="A1",
            subscription_id="s1",
            currency="EUR",
            cause=cause,
            amount=part,
            explanation="10 seats billed and 12 on the invoice.",
        )
    team.add("reference.accounts", account_id="A1", name="Fabrikam")


def losing(team: Team, amount: str = "150.006") -> None:
    team.add("partner_center.customers", customer_id="C", name="Fabrikam")
    team.con.execute("DELETE FROM cost.lost_credit")
    for part in (amount, "0"):
        team.add(
            "cost.lost_credit",
            currency="EUR",
            customer_id="c",
            resource_id="r",
            monthly_amount=part,
            rated_on=f"2026-{9 if amount == '150.006' else 10}-30",
        )


def late(team: Team, month: str = "2026-08") -> None:
    team.con.execute("DELETE FROM cost.invoices")
    team.add("cost.invoices", provider="microsoft", invoice_number="G1", billing_month=month)


def apart(team: Team, *, subscription_id: str = "s1") -> None:
    team.add(
        "reconciliation.sync_health",
        as_of_on="2026-09-30",
        customer_id="c1",
        subscription_id=subscription_id,
        product_name="Office 365 E3",
        side_missing="billing",
        monthly_amount="12.5",
        currency="EUR",
        what_to_do="add a contract line that sells it, or cancel it at the provider",
    )


PLANTED: dict[str, tuple[Callable[[Team], None], str, tuple[str, ...]]] = {
    "a provider invoice with cents left over": (
        unproven,
        "Unexplained: -0.37 EUR in provider invoice G1",
        ("leave -0.37 EUR over", "Next step: Look at cost.unexplained_rows"),
    ),
    "a difference without a cause": (
        unexplained,
        "Unexplained: 1234.50 EUR in revenue and cost of 2026-09",
        (
            "1 difference between revenue and cost of 2026-09 has no cause",
            "- 1234.50 EUR: subscription s1, Fabrikam: 10 seats billed and 12 on the invoice.",
            "reconciliation.differences",
        ),
    ),
    "credit lost above the limit": (
        losing,
        "Earned credit is being lost: 150.01 EUR a month",
        (
            "1 resource of 1 customer earns no partner earned credit",
            "the limit is 100 EUR",
            "- Fabrikam: 150.01 EUR a month, 1 resource",
            "cost.lost_credit",
        ),
    ),
    "an invoice that is late": (
        late,
        "The provider's invoice for 2026-09 is late",
        ("expected by 2026-10-08; the latest one is of 2026-08", "the cost of 2026-09 is an estimate", "Next step:"),
    ),
    "what one side alone knows": (
        apart,
        "1 subscription is known to one side only",
        ("- s1 (Office 365 E3) of c1: no contract line bills it, 12.50 EUR a month; add a contract line",),
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_each_piece_of_news_is_told_once_in_words_that_say_what_it_costs_and_what_to_do(team: Team, what: str) -> None:
    plant, subject, words = PLANTED[what]
    assert team.hear() == []
    plant(team)
    assert [team.hear() for _ in range(3)] == [[subject], [], []]
    team.now += QUIET + MINUTES
    assert team.hear() == []
    (message,) = team.messages
    for one in words:
        assert one in message["message"]


@pytest.mark.parametrize("what", PLANTED)
def test_a_replay_by_command_delivers_each_exactly_once_more(team: Team, what: str) -> None:
    plant, subject, _ = PLANTED[what]
    plant(team)
    team.hear()
    (alert_id,) = read_outbox(team.home).entries
    tell(team.settings, [], now=lambda: team.now)
    exit_code = run_command(team.home, team.hook, "alerts", "replay", alert_id[:12])
    assert (exit_code, [message["title"] for message in team.messages]) == (0, [subject] * 2)
    assert team.hear() == []
    assert read_outbox(team.home).entries[alert_id].state == "delivered"


def run_command(home: Home, hook: Service, *arguments: str, **settings: str) -> int:
    """The command in this process, with the webhook as its channel; returns its exit code."""
    told = {"CSP_ALERT_URLS": hook.url.replace("http://", "json://")}
    return CliRunner().invoke(app, arguments, env=environment(home.root) | told | settings).exit_code


def test_repeats_within_a_day_come_in_one_digest_a_day_later(team: Team) -> None:
    unproven(team)
    assert len(team.hear()) == 1
    for hours, amount in ((1, "-0.40"), (2, "-0.45")):
        team.now = TENTH + timedelta(hours=hours)
        unproven(team, amount)
        assert team.hear() == []
    team.now = TENTH + timedelta(hours=1) + QUIET
    assert [team.hear() for _ in range(2)] == [["2 more: unexplained money"], []]
    digest = team.messages[-1]["message"]
    assert "- Unexplained: -0.40 EUR in provider invoice G1" in digest
    assert "- Unexplained: -0.45 EUR in provider invoice G1" in digest


def test_an_accepted_difference_and_what_is_proven_are_no_news(team: Team) -> None:
    unexplained(team)
    team.con.execute("UPDATE reconciliation.differences SET resolution = 'accepted'")
    unproven(team, "0")
    assert team.hear() == []


@pytest.mark.parametrize(("amount", "count"), [("100.00", 0), ("100.01", 1)])
def test_lost_credit_is_told_above_the_limit_and_once_a_month(team: Team, amount: str, count: int) -> None:
    losing(team)
    team.con.execute("UPDATE cost.lost_credit SET monthly_amount = ? WHERE monthly_amount > 0", [amount])
    assert [len(team.hear()) for _ in range(2)] == [count, 0]
    team.con.execute("UPDATE cost.lost_credit SET monthly_amount = monthly_amount * 2, rated_on = DATE '2026-09-29'")
    team.now += 2 * QUIET
    expected = 0 if count else 1
    assert len(team.hear()) == expected
    team.con.execute("UPDATE cost.lost_credit SET rated_on = DATE '2026-10-12'")
    team.now += 2 * QUIET
    assert len(team.hear()) == 1


@pytest.mark.parametrize(
    ("day", "latest", "count"), [(8, "2026-08", 0), (9, "2026-08", 1), (9, "2026-09", 0), (9, "2026-05", 0)]
)
def test_an_invoice_is_late_from_the_ninth_where_the_one_before_it_is_there(
    team: Team, day: int, latest: str, count: int
) -> None:
    late(team, latest)
    team.now = TENTH.replace(day=day)
    assert len(team.hear()) == count


def test_one_more_subscription_out_of_sync_is_a_repeat(team: Team) -> None:
    apart(team)
    assert len(team.hear()) == 1
    apart(team, subscription_id="s2")
    assert team.hear() == []
    team.now += QUIET
    assert team.hear() == ["2 subscriptions are known to one side only"]


def test_what_has_no_amount_yet_is_told_all_the_same(team: Team) -> None:
    apart(team)
    team.con.execute("UPDATE reconciliation.sync_health SET monthly_amount = NULL, currency = NULL, customer_id = NULL")
    assert team.hear() == ["1 subscription is known to one side only"]
    assert (
        "- s1 (Office 365 E3) of an unknown customer: no contract line bills it, an unknown amount a month"
        in team.messages[0]["message"]
    )


def test_what_could_not_be_fetched_is_told_once_a_week(team: Team) -> None:
    problem = "Price sheet of DE could not be fetched: permission is missing."
    heard = []
    for _ in range(3):
        heard += team.hear(*team.news(problem))
        team.now += timedelta(hours=6)
    assert heard == ["1 thing could not be fetched from the provider"]
    assert problem in team.messages[0]["message"]
    team.now += timedelta(days=7)
    assert len(team.hear(*team.news(problem))) == 1


def test_a_failed_run_is_told_once_a_day_with_its_sentence(team: Team) -> None:
    for _ in range(3):
        team.now += 7 * MINUTES
        team.hear(failed_run(CspError("The disk is full; free some space."), team.now))
    (message,) = team.messages
    assert message["title"] == "The pipeline's run failed"
    assert "The disk is full; free some space." in message["message"]
    assert "Readers still see the last copy that passed every check." in message["message"]


@pytest.mark.long
def test_a_run_that_fails_tells_so_itself_once_for_the_same_reason(home: Home, hook: Service) -> None:
    (home.inbox / "notes.csv").write_text("note\nhello\n", "utf-8")
    for _ in range(2):
        assert run_command(home, hook, "run", CSP_COMMERCIAL_URL="sqlite:////no/such/folder/terms.db") == 1
    ((title, message),) = heard_by(hook)
    assert title == "The pipeline's run failed"
    assert "CSP_COMMERCIAL_URL" in message


def test_a_run_that_fails_as_the_ledger_is_damaged_tells_so_although_nothing_can_be_written_down(
    home: Home, hook: Service
) -> None:
    (home.inbox / "notes.csv").write_text("note\nhello\n", "utf-8")
    (home.ledger / "00000001.issue.jsonl").write_text("damaged", "utf-8")
    assert run_command(home, hook, "run") == 1
    ((title, message),) = heard_by(hook)
    assert title == "The pipeline's run failed"
    assert "restore the folder from a backup" in message


@pytest.mark.parametrize("template", ["{{ no_such_thing }}", "{{ 1 + sentence }}"])
def test_what_keeps_a_failure_from_being_told_does_not_hide_it(home: Home, hook: Service, template: str) -> None:
    (home.ledger / "00000001.issue.jsonl").write_text("damaged", "utf-8")
    home.templates.mkdir()
    (home.templates / "run_failed.service_team.txt.j2").write_text(template, "utf-8")
    settings = Settings(
        _env_file=None, home_path=home.root, source="inbox", alert_urls=(SecretStr(hook.url.replace("http", "json")),)
    )
    tell_of_failure(settings, CspError("The disk is full."))
    assert heard_by(hook) == []


def heard_by(hook: Service) -> list[tuple[str, str]]:
    """Title and text of everything that arrived."""
    messages = [json.loads(asked.body) for asked in hook.asked]
    return [(message["title"], message["message"]) for message in messages]
