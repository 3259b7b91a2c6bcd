"""JSON: no digit goes through a double, whatever the form the rows come in."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pytest

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats import chunks, json_documents
from csp_pipeline.formats.json_rows import open_json
from csp_pipeline_tests.steps.inbox_case import USAGE_ROW

EXACT = ["0.737757626107858", "123456789012.123456789012345678", "7.1E-05", "0E-20", "1.000000000000000001", "-0.1"]


def lines(numbers: list[str], **more: object) -> str:
    marked = json.dumps({**USAGE_ROW, **more, "BillingPreTaxTotal": "@"})
    return "\n".join(marked.replace('"@"', number) for number in numbers)


def read(text: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for work in open_json(io.BufferedReader(io.BytesIO(text.encode()))).batches():
        batch = work()
        assert not batch.rejects
        rows += batch.table.to_pylist()
    return rows


@pytest.mark.parametrize("form", ["lines", "exact lines", "array", "collection", "pretty"])
def test_numbers_survive_exactly_in_every_form(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = lines(EXACT)
    if form == "exact lines":
        text += "\n" + lines(["1"], Tags={"env": "prod"})
    if form in ("array", "pretty"):
        text = "[" + text.replace("\n", ",\n") + "]"
    if form == "pretty":
        text = text.replace(', "', ',\n  "').replace('[{"', '[\n{\n  "')
    if form == "collection":
        text = (
            '{"totalCount": 6, "items": [' + text.replace("\n", ",") + '], "attributes": {"objectType": "Collection"}}'
        )
    expected = [Decimal(number) for number in EXACT]
    assert [row["billing_pre_tax_total"] for row in read(text)][:6] == expected
    monkeypatch.setattr(json_documents, "AT_ONCE", 100)
    monkeypatch.setattr(json_documents, "_READ", 57)
    assert [row["billing_pre_tax_total"] for row in read(text)][:6] == expected


def test_a_number_with_more_than_18_decimals_is_rounded_half_away_in_both_readers() -> None:
    numbers = ["0.0066080573847122626", "0.1234567890123456785", "-0.1234567890123456785", "1E-19"]
    kept = [Decimal(text) for text in ("0.006608057384712263", "0.123456789012345679", "-0.123456789012345679", "0")]
    assert [row["billing_pre_tax_total"] for row in read(lines(numbers))] == kept
    assert [row["billing_pre_tax_total"] for row in read("[" + lines(numbers).replace("\n", ",") + "]")] == kept


def test_fast_and_exact_reader_give_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    text = lines(EXACT, MpnId=4390934, rateOfCredit=0.15, PartnerEarnedCreditPercentage=None, attributes={"a": 1})
    text = text.replace('"CreditPercentage"', '"x"')
    fast = read(text)
    monkeypatch.setattr("csp_pipeline.formats.json_arrow.LineShape.read", lambda _self, _chunk: None)
    assert read(text) == fast
    assert {(row["mpn_id"], row["credit_percentage"]) for row in fast} == {("4390934", Decimal(15))}


def test_a_key_that_appears_late_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csp_pipeline.formats.json_rows._SAMPLE_LINES", 2)
    text = lines(["1", "2"]) + "\n" + lines(["3"], benefitId="late", CreditPercentage=100)
    assert [(row["benefit_id"], row["credit_percentage"]) for row in read(text)][2] == ("late", Decimal(100))


def test_a_reference_that_is_an_object_is_kept_as_text() -> None:
    row = read(lines(["1"], AdditionalInfo={"osId": "a", "v": 2, "rate": 0.10, "list": [True, None]}))[0]
    assert row["additional_info"] == '{"osId":"a","v":2,"rate":0.1,"list":[true,null]}'


def test_rows_longer_than_a_chunk_and_chunks_without_line_end_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 100)
    rows = read(lines([str(number) for number in range(50)]) + "\n\n")
    assert [row["billing_pre_tax_total"] for row in rows] == [Decimal(number) for number in range(50)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[{"a": 1}, {"a"', "breaks off"),
        ('{"items": [{"a": 1}', "breaks off"),
        ('{"totalCount": 0, "items": []}', "empty collection"),
        ("[]", "empty collection"),
        ("[1, 2]", "expected JSON objects"),
        ('[{"a": 1} {"a": 2}]', "found a fault at line 1"),
    ],
)
def test_malformed_json_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InputFileError, match=sentence):
        read(text)
