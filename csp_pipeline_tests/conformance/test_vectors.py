"""The vectors of other engines and of Microsoft's pages, run through the code that bills."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline_tests.conformance.__main__ import main
from csp_pipeline_tests.conformance.outcomes import Vector, decimals_of, is_equal, read_vectors
from csp_pipeline_tests.conformance.runner import outcome_of, run_file

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "vectors"
COUNTS: dict[str, dict[str, int]] = {
    "killbill_invoice_lifecycle.json": {"passed": 3},
    "killbill_invoice_repair.json": {"passed": 18},
    "killbill_proration_cycles.json": {"passed": 148},
    "killbill_recurring_periods.json": {"passed": 11},
    "killbill_usage_tiers.json": {"passed": 6},
    "lago_charge_models_and_credit_notes.json": {"passed": 17, "out_of_scope": 1},
    "microsoft_partner_center.json": {"passed": 13, "not_usable": 3},
    "openmeter_rating.json": {"passed": 28},
    "worked_examples.json": {"passed": 32, "not_usable": 3},
}
NOT_COMPARED = {
    "taxTotal",
    "taxAmount",
    "net_subtotal",
    "charge_type",
    "item_precise",
    "doc_error",
    "effective_unit_price_full",
}
"""The provider's own taxes, what follows from rows that are not in the file, and words."""


@pytest.mark.parametrize("name", COUNTS)
def test_as_many_vectors_pass_as_the_readme_says(name: str) -> None:
    report = run_file(FOLDER / name)
    statuses = {status: report.count(status) for status in ("passed", "unsupported", "not_usable", "out_of_scope")}
    assert [outcome.as_json() for outcome in report.outcomes if outcome.status == "failed"] == []
    assert {status: count for status, count in statuses.items() if count} == COUNTS[name]


def test_every_vector_file_is_counted() -> None:
    assert {file.name for file in FOLDER.glob("*.json")} == set(COUNTS)


def test_an_expectation_that_is_a_little_off_does_not_pass() -> None:
    wrong, vectors_of_words = [], set()
    for name in COUNTS:
        for vector in (outcome.vector for outcome in run_file(FOLDER / name).outcomes if outcome.status == "passed"):
            changed = list(_nudged(vector))
            wrong += [
                f"{vector.id} {path}"
                for path, content in changed
                if outcome_of(replace(vector, content=content)).status == "passed"
            ]
            vectors_of_words |= set() if changed else {vector.id}
    assert wrong == []
    assert {identifier for identifier in vectors_of_words if "ValidationProRation" not in identifier} == {
        "FX-01",
        "kb-tree-testInvalidRepairCausingOverlappingRecurring",
    }


def _nudged(vector: Vector) -> Iterator[tuple[str, dict[str, Any]]]:
    """The vector with one number or date of its expectation changed, one at a time."""
    for path in _paths(vector.content, ()):
        names = {str(part) for part in path}
        if not names & {"expected", "expected_lines", "rows"} or names & NOT_COMPARED or "order" in names:
            continue
        if names & {"sub_start", "sub_end"} and vector.id == "CYC-ALL":
            continue
        content = copy.deepcopy(dict(vector.content))
        target: Any = content
        for part in path[:-1]:
            target = target[part]
        changed = _changed(target[path[-1]])
        if changed is not None:
            target[path[-1]] = changed
            yield "/".join(map(str, path)), content


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from _paths(member, (*path, name))
    if not isinstance(value, dict | list) or value == []:
        yield path


def _changed(value: Any) -> Any:  # noqa: ANN401
    if value == []:
        return ["something"]
    text = str(value)
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        last_digit = Decimal(1).scaleb(-decimals_of(text))
        return str(Decimal(text) + last_digit)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return str(date.fromisoformat(text) + timedelta(days=1))
    return None


def _write(folder: Path, *vectors: dict[str, Any]) -> Path:
    file = folder / "some.json"
    file.write_text(json.dumps({"vectors": vectors}), encoding="utf-8")
    return file


SUBTOTAL = {
    "id": "one",
    "kind": "derived_from_formula",
    "input": {"effective_unit_price": "5.3", "billable_quantity": "7", "pc_to_bc_exchange_rate": "1.3571"},
    "expected": {"usage_subtotal": "50.34", "license_subtotal": "50.33"},
}
WRONG = SUBTOTAL | {"id": "two", "expected": {"usage_subtotal": "50.35"}}


def test_a_failure_is_shown_with_input_expected_and_got(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(_write(tmp_path, SUBTOTAL, WRONG))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "some.json 1/2 (1 failed)"
    assert lines[1] == "  failed two: usage_subtotal"
    assert "1.3571" in lines[2]
    assert "50.35" in lines[3]
    assert "50.34" in lines[4]


def test_json_has_the_same_as_one_object_per_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slip = SUBTOTAL | {"id": "three", "usable": False, "note": "a slip of the page"}
    unknown = {"id": "four", "kind": "lunar_calendar", "input": {}, "expected": {"end": "2026-01-01"}}
    file = _write(tmp_path, SUBTOTAL, WRONG, slip, unknown)
    assert main([str(file), str(file), "--json"]) == 1
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(reports) == 2
    found = reports[0]
    assert (found["name"], found["passed"], found["total"], found["vectors"]) == ("some.json", 1, 3, 4)
    assert found["failed"][0]["got"]["usage_subtotal"] == "50.34"
    assert found["not_usable"] == [{"id": "three", "reason": "a slip of the page"}]
    assert found["unsupported"] == [{"id": "four", "reason": "the kind lunar_calendar is not known"}]


def test_without_a_failure_the_exit_code_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(_write(tmp_path, SUBTOTAL))]) == 0
    assert capsys.readouterr().out == "some.json 1/1\n"


def test_what_a_rule_needs_and_a_vector_does_not_say_is_not_supported(tmp_path: Path) -> None:
    bare = SUBTOTAL | {"input": {"effective_unit_price": "5.3"}}
    more = SUBTOTAL | {"expected": {"usage_subtotal": "50.34", "phase_of_the_moon": "full"}}
    reasons = [outcome_of(vector).reason for vector in read_vectors(_write(tmp_path, bare, more))]
    odd = SUBTOTAL | {"input": SUBTOTAL["input"] | {"billable_quantity": "many"}}  # type: ignore[operator]
    reasons += [
        outcome_of(vector).reason for vector in read_vectors(_write(tmp_path, odd, SUBTOTAL | {"expected": []}))
    ]
    assert reasons[2] == "a number was expected in billable_quantity, 'many' was found"
    assert reasons[3].startswith("its fields have another shape")
    assert reasons[:2] == [
        "the rule needs the field billable_quantity, which the vector does not have",
        "nothing here gives phase_of_the_moon",
    ]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"vectors": [1]}', "not JSON"])
def test_a_file_without_vectors_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = tmp_path / "odd.json"
    file.write_text(content, encoding="utf-8")
    assert main([str(file)]) == 2
    assert str(file) in capsys.readouterr().err


def test_a_seat_line_without_named_rules_is_held_to_the_rule_of_its_charge_type() -> None:
    (vector,) = [vector for vector in read_vectors(FOLDER / "worked_examples.json") if vector.id == "NCE-302"]
    content = {name: value for name, value in vector.content.items() if name not in {"matches_rules", "computed"}}
    assert outcome_of(replace(vector, content=content)).status == "passed"
    by_rule_a = content | {"expected": {"effective_unit_price": "4.92", "total": "1478.90"}}
    assert outcome_of(replace(vector, content=by_rule_a)).status == "failed"


def test_numbers_are_equal_by_value_and_text_by_its_letters() -> None:
    assert is_equal("-8.190", Decimal("-8.19"))
    assert not is_equal("8.19", Decimal("-8.19"))
    assert is_equal(["1", {"a": "2.0"}], [1, {"a": 2, "b": 3}])
    assert not is_equal(["1"], [1, 2])
    assert not is_equal("", Decimal(0))
