"""Headers: aliases, case and order; what is strange is told, what is twice is refused."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats import daily_usage, reconciliation
from csp_pipeline.formats.recognition import FORMATS, UnrecognisedFileError, recognise


def test_the_formats_have_the_published_number_of_columns() -> None:
    assert len(reconciliation.FORMAT.columns) == 47
    assert len(daily_usage.FORMAT.columns) == 55


def test_every_kind_recognises_its_own_header_in_any_order_and_case() -> None:
    for wire_format in FORMATS.values():
        header = [column.portal for column in wire_format.columns]
        random.Random(1).shuffle(header)
        assert recognise(header) is wire_format
        assert recognise([name.upper() for name in header]) is wire_format
        assert recognise([name.lower() for name in header]) is wire_format


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Tier2MpnId", "reseller_mpn_id"),
        ("ResellerMPNID", "reseller_mpn_id"),
        ("resellerMpnId", "reseller_mpn_id"),
        ("Total", "total"),
        ("totalForCustomer", "total"),
        ("ReferenceID", "reference_id"),
        ("MPNID", "mpn_id"),
    ],
)
def test_aliases_of_reconciliation_columns(spelling: str, name: str) -> None:
    assert list(reconciliation.FORMAT.match([spelling]).found) == [name]


@pytest.mark.parametrize(
    ("spelling", "name", "shift"),
    [
        ("unitOfMeasure", "unit", 0),
        ("BenefitID", "benefit_id", 0),
        ("BenefitOrderID", "benefit_order_id", 0),
        ("resourceUri", "resource_uri", 0),
        ("PartnerEarnedCreditPercentage", "partner_earned_credit_percentage", 0),
        ("rateOfPartnerEarnedCredit", "partner_earned_credit_percentage", 2),
        ("CreditPercentage", "credit_percentage", 0),
        ("rateOfCredit", "credit_percentage", 2),
    ],
)
def test_aliases_of_usage_columns_and_the_unit_their_name_decides(spelling: str, name: str, shift: int) -> None:
    found = daily_usage.FORMAT.match([spelling]).found
    assert {key: one.shift for key, one in found.items()} == {name: shift}


def test_two_columns_of_one_meaning_are_refused() -> None:
    with pytest.raises(InputFileError, match="expected one column for Total, found two"):
        reconciliation.FORMAT.match(["Total", "CustomerId", "TotalForCustomer"])
    with pytest.raises(InputFileError, match="names the column 'notes' twice"):
        reconciliation.FORMAT.match(["Notes", "notes"])


def test_unknown_columns_are_told() -> None:
    assert reconciliation.FORMAT.match(["CustomerId", "MyNotes", ""]).unknown == ("MyNotes",)


def test_a_header_of_no_kind_is_told() -> None:
    with pytest.raises(UnrecognisedFileError, match="expected the columns of a kind"):
        recognise(["a", "b"])


def test_no_header_carries_the_signatures_of_two_kinds_but_for_the_one_that_is_looked_for_first() -> None:
    looked_for = list(FORMATS.values())
    also = {
        (wire_format.kind, other.kind)
        for wire_format in looked_for
        for other in looked_for[looked_for.index(wire_format) + 1 :]
        if other.is_signed_by(wire_format.spellings)
    }
    assert also == {
        (first, then) for first, then in combinations(("orders", "subscriptions", "azure_entitlements"), 2)
    } | {("legacy_usage", "legacy_daily_usage")}
