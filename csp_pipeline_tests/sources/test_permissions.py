"""The doctor's requests: which permission is there, which is missing, and how few requests that takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from csp_pipeline.cli_doctor import Finding, examine
from csp_pipeline_tests.sources.answering import Asked, Service, serving
from csp_pipeline_tests.sources.entra import REFRESH_TOKEN, SECRET, Entra, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from csp_pipeline.settings import Settings

CUSTOMER = "c0000000-0000-0000-0000-000000000001"
ANSWERS: dict[str, object] = {
    "/v1/customers": {"totalCount": 2, "items": [{"id": "no-orders"}, {"id": CUSTOMER}]},
    "/v1/invoices": {"totalCount": 1, "items": [{"id": "G000001"}]},
    "/v1/invoices/summaries": {"totalCount": 0, "items": []},
    "/v1/auditrecords": {"totalCount": 0, "items": []},
    "/v1/agreements": {"totalCount": 1, "items": [{"templateId": "t1"}]},
    "/v1/customers/no-orders/orders": {"totalCount": 0, "items": []},
    f"/v1/customers/{CUSTOMER}/orders": {"totalCount": 1, "items": [{"id": "o1"}]},
    f"/v1/customers/{CUSTOMER}/orders/o1/provisioningstatus": {"totalCount": 0, "items": []},
}
SUBJECTS = [
    "login of the app",
    "customers (app)",
    "invoices (app)",
    "activity log (app)",
    "billing exports (app)",
    "login of the user",
    "invoice documents (user)",
    "agreements (user)",
    "order provisioning (user)",
]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with serving() as one:
        yield one


class Provider:
    """A provider with every permission, but for the answers a test changes."""

    def __init__(self, entra: Entra, folder: Path) -> None:
        self.entra = entra
        self.changed: dict[str, object] = {}
        entra.api = self._answer
        self._folder = folder

    def _answer(self, asked: Asked) -> object:
        path = asked.uri.partition("?")[0]
        if "/billing/operations/" in path:
            return self.changed.get("graph") or JSONResponse({"error": {"code": "ResourceNotFound"}}, 404)
        return self.changed.get(path) or ANSWERS[path]

    def findings(self, **changes: object) -> dict[str, Finding]:
        """What the doctor says about access."""
        addresses = dict.fromkeys(("partner_center_url", "graph_url"), self.entra.url)
        settings = self.settings(**{"source": "partner-center", **addresses, **changes})
        found = {finding.subject: finding for finding in examine(settings)}
        return {subject: one for subject, one in found.items() if subject in _ACCESS}

    def settings(self, **changes: object) -> Settings:
        return self.entra.settings(home_path=self._folder, **changes)


_ACCESS = {*SUBJECTS, "credentials", "multi-factor authentication", "addresses"}


@pytest.fixture
def provider(service: Service, tmp_path: Path) -> Provider:
    service.asked.clear()
    return Provider(Entra(service), tmp_path)


def no(code: object, status: int = 403) -> Response:
    return JSONResponse({"code": code, "description": "No."}, status)


def test_with_every_permission_nothing_has_to_be_done_and_each_took_one_small_request(provider: Provider) -> None:
    findings = provider.findings()
    assert list(findings) == ["credentials", *SUBJECTS]
    assert [finding.advice for finding in findings.values()] == [""] * len(findings)
    assert len([asked for asked in provider.entra.service.asked if asked.uri.startswith("/v1")]) == 9


@pytest.mark.parametrize(
    ("path", "answer", "subject", "sentence"),
    [
        ("/v1/customers", no(2032), "customers (app)", "Admin agent"),
        ("/v1/invoices", no(900308), "invoices (app)", "permission"),
        ("/v1/auditrecords", no(2032), "activity log (app)", "Admin agent"),
        ("/v1/agreements", no(900308), "agreements (user)", "Admin agent"),
        ("graph", no("Forbidden"), "billing exports (app)", "PartnerBilling.Read.All"),
        ("/v1/invoices/summaries", no(900421, 401), "invoice documents (user)", "multi-factor authentication"),
        (
            f"/v1/customers/{CUSTOMER}/orders/o1/provisioningstatus",
            no("900329"),
            "order provisioning (user)",
            "CSP_REFRESH_TOKEN",
        ),
    ],
)
def test_a_missing_permission_is_named_and_the_others_are_tested(
    provider: Provider, path: str, answer: Response, subject: str, sentence: str
) -> None:
    provider.changed[path] = answer
    findings = provider.findings()
    assert findings[subject].found == "missing"
    assert sentence in findings[subject].advice
    assert set(SUBJECTS) <= set(findings)
    assert [name for name, finding in findings.items() if finding.found == "missing"] == [subject]


@pytest.mark.parametrize(("told", "is_ok"), [("true", True), ("False", False)])
def test_the_answer_to_validate_mfa_is_said(provider: Provider, told: str, *, is_ok: bool) -> None:
    provider.changed["/v1/invoices/summaries"] = JSONResponse({"items": []}, headers={"isMfaCompliant": told})
    assert provider.findings()["multi-factor authentication"].is_ok is is_ok
    asked = next(one for one in provider.entra.service.asked if one.uri == "/v1/invoices/summaries")
    assert asked.headers["validatemfa"] == "true"


def test_a_login_that_fails_is_said_once(provider: Provider) -> None:
    provider.entra.refusals.append(refusal(401, "invalid_client", 7000222))
    findings = provider.findings()
    assert "has expired" in findings["login of the app"].advice
    assert list(findings) == ["credentials", "login of the app"]


def test_a_refresh_token_that_is_not_accepted_leaves_the_app_s_findings(provider: Provider) -> None:
    findings = provider.findings()
    provider.entra.refusals = [JSONResponse({"access_token": "t", "expires_in": 60})] * 2 + [
        refusal(400, "invalid_grant", 700082)
    ]
    findings = provider.findings()
    assert list(findings) == ["credentials", *SUBJECTS[:6]]
    assert "CSP_REFRESH_TOKEN" in findings["login of the user"].advice


def test_without_a_refresh_token_the_app_s_permissions_are_still_tested(provider: Provider) -> None:
    findings = provider.findings(refresh_token=None)
    assert findings["credentials"].advice == "Set CSP_REFRESH_TOKEN."
    assert findings["customers (app)"].is_ok
    assert not findings["login of the user"].is_ok


@pytest.mark.parametrize("answer", [PlainTextResponse("<html>Welcome</html>"), JSONResponse({"hello": "world"})])
def test_a_web_page_is_no_permission(provider: Provider, answer: Response) -> None:
    provider.changed["/v1/customers"] = answer
    assert "CSP_PARTNER_CENTER_URL" in provider.findings()["customers (app)"].advice


def test_where_there_is_no_order_that_permission_stays_open(provider: Provider) -> None:
    provider.changed["/v1/customers"] = {"totalCount": 0, "items": []}
    finding = provider.findings()["order provisioning (user)"]
    assert finding.is_ok
    assert "no order was found" in finding.found


@pytest.mark.parametrize("name", ["partner_tenant_id", "client_id", "client_secret"])
def test_nothing_is_asked_without_credentials(provider: Provider, name: str) -> None:
    findings = provider.findings(**{name: None})
    assert findings["credentials"].advice == f"Set CSP_{name.upper()}."
    assert list(findings) == ["credentials"]
    assert provider.entra.service.asked == []


def test_an_address_that_tokens_may_not_be_sent_to_is_a_finding(provider: Provider) -> None:
    assert "https" in provider.findings(graph_url="http://graph.example")["addresses"].advice


def test_a_running_sandbox_is_tested_like_the_provider(provider: Provider) -> None:
    assert set(SUBJECTS) <= set(provider.findings(source="sandbox"))


@pytest.mark.parametrize("source", ["inbox", "sandbox"])
def test_sources_without_a_server_need_no_credentials(provider: Provider, source: str) -> None:
    settings = provider.settings(source=source)
    assert {one.subject: one.found for one in examine(settings)}["credentials"] == f"none needed for source {source}"
    assert provider.entra.service.asked == []


def test_no_finding_shows_a_secret(provider: Provider) -> None:
    provider.changed["/v1/customers"] = no(2032)
    shown = repr(provider.findings())
    assert not [secret for secret in (SECRET, REFRESH_TOKEN, "access-token") if secret in shown]
