"""Alerts read well also where the provider does not say everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from csp_pipeline.errors import CspError
from csp_pipeline.notifications.templates import render

if TYPE_CHECKING:
    from pathlib import Path

NOT_SAID = ("account_name", "customer_name", "account_id", "quantity_requested", "quantity_provisioned", "product")
NOR_THAT = ("subscription_id", "request_id", "requested_by", "requested_at", "code", "next_step")


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ("update_order", "A subscription was to be changed (update order). It was not."),
        ("change_quantity", "A subscription was to be changed (change quantity). It was not."),
        ("purchase", "A product was to be bought. It was not."),
    ],
)
def test_a_failure_of_which_the_provider_names_no_quantity(tmp_path: Path, operation: str, said: str) -> None:
    values = dict.fromkeys([*NOT_SAID, *NOR_THAT]) | {
        "operation": operation,
        "customer_id": "C-1",
        "failure_class": "business_rule",
        "needs_triage": False,
        "message": "The activity log tells of a change that failed.",
        "price_affected": "not known",
    }
    _, body = render(tmp_path, "provisioning_failed", "service_team", values)
    assert body.splitlines()[0] == said


@pytest.mark.parametrize("wrong", ["{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ unknown }}", "{% if %}"])
def test_a_template_of_the_user_s_that_fails_is_named_with_what_to_do(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "run_failed.service_team.txt.j2").write_text(f"Subject\n\n{wrong}\n", "utf-8")
    with pytest.raises(CspError, match=r"run_failed\.service_team\.txt\.j2 cannot be used: .*; correct it, or delete"):
        render(tmp_path, "run_failed", "service_team", {})
