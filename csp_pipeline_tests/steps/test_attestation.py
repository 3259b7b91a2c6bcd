"""Confirmed acceptances are attested once, also when the answer is lost, and release what waited for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from csp_pipeline.sources.calls import Calls
from csp_pipeline.sources.partner_center import PartnerCenter
from csp_pipeline.steps.attestation import attest, to_attest
from csp_pipeline.steps.provisioning_facts import read_facts
from csp_pipeline_tests.steps.provisioning_case import ProvisioningCase, _UserLogin, provisioning_case

if TYPE_CHECKING:
    from csp_pipeline.sources.login import Login
    from csp_pipeline.storage.home import Home


def attest_all(case: ProvisioningCase) -> list[str]:
    acceptances = to_attest(case.con, read_facts(case.con, case.home))
    with Calls(case.url, cast("Login", _UserLogin()), "api", sleep=lambda _: None, attempts=1) as calls:
        return attest(case.home, acceptances, PartnerCenter(calls), now=lambda: case.now)


def test_a_confirmed_acceptance_is_attested_once_and_releases_what_waited(home: Home) -> None:
    with provisioning_case(home) as case:
        seats = case.subscriptions(has_agreement=False)[0]
        case.account(seats[0], agreed=False)
        case.request("R-1", seats, case.quantity(seats) + 1)
        case.con.execute(
            "INSERT INTO reference.agreement_acceptances BY NAME SELECT ? AS customer_id, 'Ada' AS first_name, "
            "'King' AS last_name, 'ada@fabrikam.example.com' AS email, TIMESTAMP '2026-10-01 09:00' AS accepted_at, "
            "FALSE AS confirmed",
            [seats[0]],
        )
        case.run()
        assert (attest_all(case), case.state_of("R-1"), case.state.agreements[seats[0]]) == ([], "waiting", [])
        case.con.execute("UPDATE reference.agreement_acceptances SET confirmed = TRUE")
        assert (attest_all(case), attest_all(case)) == ([], [])
        case.run()
        (agreement,) = case.state.agreements[seats[0]]
        assert agreement["primaryContact"]["firstName"] == "Ada"
        assert (case.state_of("R-1"), case.log(seats)) == ("succeeded", 1)
