"""Billed Azure cost by tag: the values of each key, and what does not carry it, sum to all of it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as runs
from hypothesis import strategies as st

from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.quality.identities import IDENTITIES, violations
from csp_pipeline.steps.benefits import carry_benefits_down
from csp_pipeline.storage.warehouse import replace_rows
from csp_pipeline_tests.models.staged_rows import line, usage
from csp_pipeline_tests.models.test_benefits import plan, saved

if TYPE_CHECKING:
    from csp_pipeline_tests.models.staged_rows import StagedPartner

PART = """
INSERT INTO cost.resource_allocations BY NAME SELECT '2026-09' AS billing_month, 'EUR' AS currency, 'a' AS customer_id,
    ? AS tags, ? AS entitlement_id, CAST(? AS DECIMAL(38, 18)) AS billed_amount
"""
(IDENTITY,) = (identity for identity in IDENTITIES if identity.name == "tags_sum_to_billed_cost")
TAGS = st.dictionaries(st.sampled_from(["env", "Env", "team", 'a "b" c', "x.y", "$"]), st.text(max_size=3), max_size=3)


def by_tag(partner: StagedPartner) -> dict[tuple[object, object], Decimal]:
    carry_benefits_down(partner.con)
    table = load_catalogue()["cost.tag_allocations"]
    replace_rows(partner.con, table, table.select() or "")
    assert violations(partner.con, IDENTITY) == []
    rows = partner.rows(
        "SELECT tag_key, tag_value, sum(billed_amount) AS billed FROM cost.tag_allocations GROUP BY ALL"
    )
    return {(row["tag_key"], row["tag_value"]): row["billed"] for row in rows}  # type: ignore[misc]


def test_a_key_splits_all_cost_and_what_lacks_it_has_no_value(partner: StagedPartner) -> None:
    rows = [
        usage("1", tags='{"env":"prod","team":"a"}'),
        usage("2", tags='{"Env":"prod"}'),
        usage("3", tags='{"env":""}'),
        usage("4", tags=None),
    ]
    credit = line("-0.5", charge_type="customerCredit", sku_id="0009")
    partner.stage(daily_usage=rows, reconciliation=[line("10", billable_quantity="4"), credit]).build()
    assert by_tag(partner) == {
        ("Env", "prod"): 3,
        ("Env", ""): 3,
        ("Env", None): Decimal("3.5"),
        ("team", "a"): 1,
        ("team", None): Decimal("8.5"),
    }


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ('"env":"prod"', {("env", "prod"): 1}),
        ('{"env":7}', {("env", "7"): 1}),
        ('{"env":null}', {("env", ""): 1}),
        ('{"a\\"b":"x","c.d":"y"}', {('a"b', "x"): 1, ("c.d", "y"): 1}),
        ('{"env":"b","ENV":"a"}', {("ENV", "a"): 1}),
        ("not tags", {}),
        ('["env"]', {}),
        ("{}", {}),
    ],
)
def test_tags_in_any_form_count_once(
    partner: StagedPartner, tags: str, found: dict[tuple[object, object], int]
) -> None:
    partner.stage(daily_usage=[usage("1", tags=tags)], reconciliation=[line("1")]).build()
    assert by_tag(partner) == found


def test_benefits_are_split_by_the_tags_of_the_usage_they_covered(partner: StagedPartner) -> None:
    used = [saved("2026-09-01", tags='{"env":"prod"}'), usage("5", tags='{"env":"test"}')]
    partner.stage(daily_usage=used, reconciliation=[line("5"), plan("8")]).build()
    assert by_tag(partner) == {("env", "prod"): 2, ("env", "test"): 5, ("env", None): 6}


def test_customers_use_keys_of_their_own(partner: StagedPartner) -> None:
    rows = [usage("1", tags='{"env":"prod"}'), usage("2", customer_id="tenant-b", tags='{"team":"a"}')]
    partner.stage(daily_usage=rows, reconciliation=[line("1"), line("2", customer_id="tenant-b")]).build()
    assert by_tag(partner) == {("env", "prod"): 1, ("team", "a"): 2}


@runs(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(tags=st.lists(TAGS, min_size=1, max_size=5), cents=st.integers(-(10**6), 10**6))
def test_the_values_of_every_key_sum_to_what_was_billed(
    partner: StagedPartner, tags: list[dict[str, str]], cents: int
) -> None:
    parts = [(json.dumps(one), f"e{n % 2}", Decimal(cents + n).scaleb(-2)) for n, one in enumerate(tags)]
    billed = sum((amount for _, _, amount in parts), Decimal(0))
    partner.con.execute("DELETE FROM cost.resource_allocations")
    partner.con.executemany(PART, parts)
    sums: dict[object, Decimal] = {}
    for (key, _), amount in by_tag(partner).items():
        sums[str(key).lower()] = sums.get(str(key).lower(), Decimal(0)) + amount
    assert sums == {key.strip().lower(): billed for one in tags for key in one}
