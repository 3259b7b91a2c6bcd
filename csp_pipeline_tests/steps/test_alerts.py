"""Outcomes are told once: a webhook and a mail server on this machine count, across re-runs, kills and failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from starlette.responses import Response

from csp_pipeline.errors import CspError, UsageError
from csp_pipeline.notifications.channels import channels_of
from csp_pipeline.notifications.templates import shipped
from csp_pipeline.settings import Settings
from csp_pipeline.steps.alert_facts import outcomes
from csp_pipeline.steps.alert_tables import build_alerts
from csp_pipeline.steps.alerts import DeliveryReport, failed_run, read_outbox, replay, tell
from csp_pipeline.steps.news import News
from csp_pipeline.steps.provisioning_tables import build_provisioning
from csp_pipeline_tests.notifications.mail_server import Mails, receiving
from csp_pipeline_tests.sources.answering import Service, serving
from csp_pipeline_tests.steps.provisioning_case import Killed, ProvisioningCase, provisioning_case
from csp_pipeline_tests.steps.test_provisioning import break_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from csp_pipeline.storage.home import Home

OK = Response(status_code=200)


@pytest.fixture(scope="module")
def _hook() -> Iterator[Service]:
    with serving() as service:
        yield service


@pytest.fixture
def hook(_hook: Service) -> Service:
    _hook.asked.clear()
    _hook.answer = lambda _: OK
    return _hook


@pytest.fixture(scope="module")
def _mails() -> Iterator[Mails]:
    with receiving() as mails:
        yield mails


@pytest.fixture
def mails(_mails: Mails) -> Mails:
    _mails.came.clear()
    return _mails


@pytest.fixture
def case(home: Home) -> Iterator[ProvisioningCase]:
    with provisioning_case(home) as opened:
        opened.con.execute(
            "CREATE TEMP TABLE staged_audit_records AS SELECT NULL::VARCHAR AS customer_id, NULL::TIMESTAMP AS "
            "operation_date, NULL::VARCHAR AS operation_type, NULL::VARCHAR AS operation_status, NULL::VARCHAR AS "
            "resource_new_value, NULL::VARCHAR AS resource_old_value"
        )
        yield opened


def settings_of(case: ProvisioningCase, *urls: str) -> Settings:
    return Settings(
        _env_file=None,
        home_path=case.home.root,
        source="sandbox",
        alert_urls=tuple(SecretStr(url) for url in urls),
    )


def webhook(hook: Service) -> str:
    return hook.url.replace("http://", "json://")


def mailbox(mails: Mails) -> str:
    return f"mailto://127.0.0.1:{mails.port}?mode=insecure&from=csp@partner.example.com&to=desk@partner.example.com"


def told(case: ProvisioningCase, settings: Settings, *, at: Callable[[str], None] = lambda _: None) -> DeliveryReport:
    """What a run does after its requests: fill the tables, tell what there is to tell."""
    build_provisioning(case.con, settings, case.now)
    return tell(settings, outcomes(case.con, case.now), now=lambda: case.now, at=at)


def messages(hook: Service) -> list[dict[str, str]]:
    return [json.loads(asked.body) for asked in hook.asked]


def test_success_is_told_to_the_customer_once_by_webhook_and_mail(
    case: ProvisioningCase, hook: Service, mails: Mails
) -> None:
    seats = case.subscriptions()[0]
    settings = settings_of(case, webhook(hook), mailbox(mails))
    case.request("R-1", seats, case.quantity(seats) + 1)
    for _ in range(3):
        case.run()
        told(case, settings)
    ((recipients, mail),) = mails.came
    assert recipients == ("service@fabrikam.example.com",)
    assert "is done" in str(mail["Subject"])
    (message,) = messages(hook)
    assert f"now has {case.quantity(seats)} units" in message["message"]


def test_failure_is_told_to_the_service_team_once_with_what_it_needs(
    case: ProvisioningCase, hook: Service, mails: Mails
) -> None:
    seats = case.subscriptions()[0]
    had = case.quantity(seats)
    case.con.execute(
        "INSERT INTO reference.contract_lines BY NAME SELECT 'C-1' AS contract_line_id, ? AS customer_id, "
        "? AS subscription_id, 12.50 AS unit_price, 'EUR' AS currency, DATE '2026-01-01' AS starts_on",
        list(seats),
    )
    break_with(case, "provisioning-business")
    case.request("R-1", seats, had + 2)
    settings = settings_of(case, webhook(hook), mailbox(mails))
    for _ in range(3):
        case.run()
        told(case, settings)
    (message,) = messages(hook)
    assert "(code 800067)" in message["title"]
    for needed in (
        "Class: business rule",
        "Message: The seat count exceeds",
        f"was to have {had + 2} units. It has {had}.",
        "Price affected: 25.00 EUR more for each billing cycle",
        "Next step:",
        "csp-pipeline provisioning release R-1",
    ):
        assert needed in message["message"]
    assert [recipients for recipients, _ in mails.came] == [("desk@partner.example.com",)]


def test_a_request_that_waits_is_told_to_the_service_team_and_its_release_to_the_customer(
    case: ProvisioningCase, hook: Service
) -> None:
    seats = case.subscriptions()[0]
    case.account(seats[0], on_hold=True)
    case.request("R-1", seats, case.quantity(seats) + 2)
    settings = settings_of(case, webhook(hook))
    for on_hold in (True, True, False, False):
        case.account(seats[0], on_hold=on_hold)
        case.run()
        told(case, settings)
    assert [message["title"].partition(":")[0] for message in messages(hook)] == [
        "A change waits",
        "Your change of your subscription is done",
    ]


@pytest.mark.parametrize(("point", "count"), [("about to be told", 0), ("that is not written down", 1)])
def test_a_kill_while_telling_never_tells_twice_and_the_service_team_hears_that_it_is_not_known(
    case: ProvisioningCase, hook: Service, point: str, count: int
) -> None:
    seats = case.subscriptions()[0]
    settings = settings_of(case, webhook(hook))
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.run()

    def kill(sentence: str) -> None:
        if point in sentence:
            raise Killed(sentence)

    with pytest.raises(Killed):
        told(case, settings, at=kill)
    for _ in range(2):
        told(case, settings)
    assert len(hook.asked) == count + 1
    build_alerts(case.con, settings, case.now)
    rows = case.con.execute(
        "SELECT alert_id, kind, audience, state, error FROM provisioning.alerts ORDER BY kind DESC"
    ).fetchall()
    (alert_id, *_, state, error), (_, *other) = rows
    assert (state, "may have arrived" in error) == ("failed", True)
    assert other == ["delivery_unknown", "service_team", "delivered", None]
    message = messages(hook)[-1]
    assert message["title"] == "It is not known whether this alert arrived: Your change of your subscription is done"
    assert f"csp-pipeline alerts replay {alert_id}" in message["message"]
    assert "Your request R-1" in message["message"]
    replay(case.home, alert_id[:10], "operator", now=lambda: case.now)
    told(case, settings)
    assert [message["title"] for message in messages(hook)][count + 1 :] == ["Your change of your subscription is done"]


def test_a_channel_that_fails_is_tried_again_with_pauses_until_it_works(case: ProvisioningCase, hook: Service) -> None:
    seats = case.subscriptions()[0]
    settings = settings_of(case, webhook(hook))
    hook.answer = lambda _: Response(status_code=503)
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.run()
    assert told(case, settings).failed == 1
    assert told(case, settings).is_news is False
    hook.answer = lambda _: OK
    case.clock.move(minutes=6)
    assert told(case, settings).delivered == 1
    build_alerts(case.con, settings, case.now)
    row = case.con.execute("SELECT state, attempts, error FROM provisioning.alerts").fetchall()
    assert row == [("delivered", 2, None)]


def test_a_new_password_or_address_of_a_channel_tells_nothing_a_second_time(
    case: ProvisioningCase, hook: Service
) -> None:
    seats = case.subscriptions()[0]
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.run()
    told(case, settings_of(case, webhook(hook)))
    for urls in ((f"{webhook(hook)}/new",), (webhook(hook), f"{webhook(hook)}/new")):
        told(case, settings_of(case, *urls))
    assert len(hook.asked) == 1


def test_what_a_wrong_address_did_not_deliver_goes_over_the_right_one(case: ProvisioningCase, hook: Service) -> None:
    seats = case.subscriptions()[0]
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.run()
    hook.answer = lambda asked: OK if asked.uri.startswith("/right") else Response(status_code=404)
    told(case, settings_of(case, f"{webhook(hook)}/wrong"))
    for _ in range(2):
        told(case, settings_of(case, f"{webhook(hook)}/right"))
    assert [asked.uri.strip("/") for asked in hook.asked] == ["wrong", "right"]


def test_audiences_of_an_address_are_kept_apart(case: ProvisioningCase, hook: Service) -> None:
    seats = case.subscriptions()[0]
    settings = settings_of(case, f"service_team={webhook(hook)}")
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.run()
    told(case, settings)
    assert not hook.asked


def test_without_an_address_alerts_are_shown_and_nothing_is_kept(case: ProvisioningCase) -> None:
    seats = case.subscriptions()[0]
    settings = settings_of(case)
    break_with(case, "provisioning-business")
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.run()
    assert told(case, settings).is_news is False
    assert not read_outbox(case.home).entries


@pytest.mark.parametrize(
    ("status", "failure_class"), [(400, "business_rule"), (409, "business_rule"), (500, "technical")]
)
def test_an_unknown_code_is_classed_by_status_and_raised_for_triage(
    case: ProvisioningCase, hook: Service, status: int, failure_class: str
) -> None:
    from csp_pipeline.sandbox.server.answers import RefusedError  # noqa: PLC0415

    def refuse(*_: object, **__: object) -> None:
        raise RefusedError(status, "987654", "Something new.")

    case.state.provisioning.change = refuse  # type: ignore[assignment]
    seats = case.subscriptions()[0]
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.run()
    told(case, settings_of(case, webhook(hook)))
    assert case.last("R-1")["failure_class"] == failure_class
    assert [message["title"] for message in messages(hook)][1:] == ["Unknown error code 987654 of the provider"]


def test_a_template_of_the_user_takes_the_place_of_the_shipped_one(case: ProvisioningCase, hook: Service) -> None:
    case.home.templates.mkdir()
    name = "provisioning_succeeded.customer.txt.j2"
    assert name in shipped()
    (case.home.templates / name).write_text("Fertig: {{ request_id }}\n\nDanke.\n", "utf-8")
    seats = case.subscriptions()[0]
    case.request("R-1", seats, case.quantity(seats) + 1)
    case.run()
    told(case, settings_of(case, webhook(hook)))
    assert messages(hook)[0]["title"] == "Fertig: R-1"
    (case.home.templates / name).write_text("{{ no_such_thing }}", "utf-8")
    case.request("R-2", case.subscriptions()[1], case.quantity(case.subscriptions()[1]) + 1)
    case.run()
    with pytest.raises(CspError, match="no_such_thing"):
        told(case, settings_of(case, webhook(hook)))


def test_a_failed_run_is_told_once_a_day(case: ProvisioningCase, hook: Service) -> None:
    settings = settings_of(case, webhook(hook))
    for _ in range(3):
        case.clock.move(minutes=7)
        tell(settings, [failed_run(CspError("The disk is full."), case.now)], now=lambda: case.now)
    assert ["The disk is full." in message["message"] for message in messages(hook)] == [True]


def test_what_is_no_address_is_refused_without_being_shown() -> None:
    with pytest.raises(UsageError, match="CSP_ALERT_URLS") as refusal:
        channels_of(["hunter2"])
    assert "hunter2" not in str(refusal.value)
    assert "hunter2" not in repr(channels_of(["customer=mailto://me:hunter2@mail.example.com"]))


def test_the_mail_to_a_customer_never_goes_to_the_address_of_the_setting() -> None:
    (channel,) = channels_of(["mailto://u:p@mail.example.com?to=desk@example.com&from=a@example.com&cc=b@example.com"])
    assert channel.url_for("c@example.com") == "mailto://u:p@mail.example.com?from=a@example.com&to=c@example.com"


def test_news_without_a_mail_address_goes_over_no_mail_channel(case: ProvisioningCase, mails: Mails) -> None:
    news = News("provisioning_succeeded", "customer", "e", "t", case.now, _VALUES, email=None)
    assert tell(settings_of(case, mailbox(mails)), [news], now=lambda: case.now).is_news is False
    assert not mails.came


_VALUES = {
    "product": "E3",
    "account_name": "Fabrikam",
    "operation": "cancel",
    "subscription_id": "s",
    "request_id": "R",
    "requested_at": "2026-10-05",
    "quantity_provisioned": 0,
    "quantity_before": None,
}
