"""JSON lines cut into runs: whatever a line looks like, rows, rejects and notices are those of the exact reader."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_pipeline.formats import chunks, json_arrow, json_rows, json_runs
from csp_pipeline.formats.json_rows import open_json
from csp_pipeline.formats.json_runs import Run, cut, learn_runs, object_lines
from csp_pipeline_tests.steps.inbox_case import USAGE_ROW

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp_pipeline.formats.json_runs import Lines, Piece

LINES = 250
SAMPLE = 120
KEYS = [*USAGE_ROW, "PartnerName", "AdditionalInfo", "attributes"]
AWKWARD_VALUES = (
    None, "", True, 5, 1.5, -0.0, [1], {"a": 1}, "'5", "1E+5", "2026-13-01", "soon", "0.1234567890123456789"
)  # fmt: skip
NUMBERS = ("1E-25", "0.00123456789012345678901", "1E+30", "1E+20", "99999999999999999999", "-0", "NaN", "12345678901234567890123", "01")  # noqa: E501  # fmt: skip


def usual(number: int) -> str:
    """A line as Microsoft writes it: customer, meter and resource repeat, the figures do not."""
    record = {
        **USAGE_ROW,
        "PartnerName": "Ä" * 60 + str(number // 40),
        "UnitPrice": "@1",
        "Quantity": "@2",
        "BillingPreTaxTotal": "@3",
        "AdditionalInfo": f'{"x" * 90}, "quoted" {number // 20}',
        "attributes": {"a": number // 30},
    }
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
    figures = (f"0.{number // 50 + 1}", f"{number * 37 % 1009}.{number}", f"{number * 7919}E-7")
    for place, figure in enumerate(figures, 1):
        text = text.replace(f'"@{place}"', figure)
    return text


def with_value(line: str, key: str, value: object) -> str:
    return json.dumps({**json.loads(line), key: value}, separators=(",", ":"), ensure_ascii=False)


def moved(line: str, key: str) -> str:
    record = json.loads(line)
    return json.dumps({key: record.pop(key), **record}, separators=(",", ":"))


def without(line: str, key: str) -> str:
    return json.dumps(
        {other: value for other, value in json.loads(line).items() if other != key}, separators=(",", ":")
    )


AWKWARD: dict[str, Callable[[str, str], str]] = {
    "blank": lambda _line, _key: "",
    "spaces": lambda _line, _key: "  ",
    "carriage return": lambda line, _key: line + "\r",
    "space at the end": lambda line, _key: line + " ",
    "space at the start": lambda line, _key: " " + line,
    "byte order mark": lambda line, _key: "\ufeff" + line,
    "cut short": lambda line, key: line[: line.index(f'"{key}"')],
    "begun late": lambda line, key: line[line.index(f'"{key}"') :],
    "last brace missing": lambda line, _key: line[:-1],
    "a brace too many": lambda line, _key: line + "}",
    "a brace too many at the start": lambda line, _key: "{" + line,
    "comma at the end": lambda line, _key: line[:-1] + ",}",
    "two commas": lambda line, key: line.replace(f',"{key}"', f',,"{key}"'),
    "two objects": lambda line, _key: line + line,
    "object split": lambda line, key: line.replace(f',"{key}"', f'}}{{"{key}"'),
    "line split": lambda line, key: line.replace(f',"{key}"', f'\n,"{key}"'),
    "two objects, then half of one": lambda line, key: f'{line}{line}\n{{"{key}":',
    "empty object": lambda _line, _key: "{}",
    "array": lambda _line, _key: "[]",
    "null": lambda _line, _key: "null",
    "spaces around keys": lambda line, key: line.replace(f',"{key}":', f', "{key}" : '),
    "other key": lambda line, key: line.replace(f',"{key}":', f',"un{key}":'),
    "key in capitals": lambda line, key: line.replace(f'"{key}":', f'"{key.upper()}":'),
    "escaped key": lambda line, key: line.replace(f'"{key}":', f'"\\u{ord(key[0]):04x}{key[1:]}":'),
    "key twice": lambda line, key: f'{line[:-1]},"{key}":"again"}}',
    "key twice, early": lambda line, key: f'{{"{key}":"first",{line[1:]}',
    "key missing": without,
    "key moved": moved,
    "key nested": lambda line, key: line.replace(f',"{key}":', f',"n":{{"z":1,"{key}":') + "}",
    "key nested and left open": lambda line, key: line.replace(f',"{key}":', f',"n":{{"z":1,"{key}":'),
    "key in a text": lambda line, key: line.replace("ÄÄ", f',\\"{key}\\":', 1),
    "key in a text, unescaped": lambda line, key: line.replace("ÄÄ", f',"{key}":', 1),
    "value is a list": lambda line, key: line.replace(f'"{key}":', f'"{key}":['),
    "no UTF-8": lambda line, _key: line.replace("ÄÄ", "\udcff", 1),
    "control character": lambda line, _key: line.replace("ÄÄ", "\x01", 1),
    **{f"value {value!r}": lambda line, key, value=value: with_value(line, key, value) for value in AWKWARD_VALUES},  # type: ignore[misc]
    **{f"number {text}": lambda line, _key, text=text: line.replace('"Quantity":', f'"Quantity":{text},"y":') for text in NUMBERS},  # type: ignore[misc]  # noqa: E501
}  # fmt: skip


def told(content: bytes, chunk_bytes: int, *, exactly: bool) -> tuple[object, ...]:
    """Everything that reading a file tells, batch by batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "CHUNK_BYTES", chunk_bytes)
        patch.setattr(json_rows, "_SAMPLE_LINES", SAMPLE)
        patch.setattr(json_runs, "_FEWEST_LINES", 50)
        if exactly:
            patch.setattr("csp_pipeline.formats.json_arrow.LineShape.read", lambda _self, _chunk: None)
        rows = open_json(io.BufferedReader(io.BytesIO(content)))
        batches = [work() for work in rows.batches()]
        told_of = [
            (batch.rows, batch.table.to_pylist(), sorted(batch.rejects, key=repr), +batch.noticed) for batch in batches
        ]
        return told_of, rows.unknown


def file_of(lines: list[str], line_end: str = "\n", last: str = "\n") -> bytes:
    return (line_end.join(lines) + last).encode("utf-8", "surrogateescape")


@pytest.fixture
def pieces_made(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    made: list[bool] = []

    def watched(lines: Lines, runs: tuple[Run, ...]) -> list[Piece] | None:
        pieces = cut(lines, runs)
        made.append(pieces is not None)
        return pieces

    monkeypatch.setattr(json_arrow, "cut", watched)
    return made


@pytest.mark.parametrize(("line_end", "last"), [("\n", "\n"), ("\n", ""), ("\r\n", "\r\n"), ("\r\n", "")])
def test_usual_lines_are_read_in_runs_and_give_what_the_exact_reader_gives(
    line_end: str, last: str, pieces_made: list[bool]
) -> None:
    content = file_of([usual(number) for number in range(LINES)], line_end, last)
    assert told(content, 60_000, exactly=False) == told(content, 60_000, exactly=True)
    assert len(pieces_made) > 1
    assert all(pieces_made)


@pytest.mark.parametrize(
    "key",
    [
        "SkuId",
        pytest.param("Quantity", marks=pytest.mark.long),
        pytest.param("PricingCurrency", marks=pytest.mark.long),
        pytest.param("AdditionalInfo", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_line_among_usual_ones_gives_what_the_exact_reader_gives(name: str, key: str) -> None:
    lines = [usual(number) for number in range(LINES)]
    lines[SAMPLE + 30] = AWKWARD[name](lines[SAMPLE + 30], key)
    content = file_of(lines)
    assert told(content, 1 << 20, exactly=False) == told(content, 1 << 20, exactly=True)


@settings(max_examples=25, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(SAMPLE, LINES - 1), st.sampled_from(sorted(AWKWARD)), st.sampled_from(KEYS[1:])),
        max_size=4,
        unique_by=lambda change: change[0],
    ),
    chunk_bytes=st.sampled_from([20_000, 60_000, 1 << 20]),
    last=st.sampled_from(["\n", "", "\n\n", " \n"]),
)
def test_any_mixture_of_lines_gives_what_the_exact_reader_gives(
    changes: list[tuple[int, str, str]], chunk_bytes: int, last: str
) -> None:
    lines = [usual(number) for number in range(LINES)]
    for place, name, key in changes:
        lines[place] = AWKWARD[name](lines[place], key)
    content = file_of(lines, last=last)
    assert told(content, chunk_bytes, exactly=False) == told(content, chunk_bytes, exactly=True)


def test_runs_part_what_repeats_from_what_varies() -> None:
    runs = learn_runs([json.loads(usual(number)) for number in range(2 * LINES)])
    varying = [key for run in runs if not run.is_repeated for key in run.keys]
    assert {"Quantity", "BillingPreTaxTotal"} <= set(varying)
    assert [key for run in runs for key in run.keys] == list(json.loads(usual(0)))
    assert sum(run.is_repeated for run in runs) > 1


def test_no_runs_are_learnt_from_few_lines_from_any_order_and_from_values_that_never_repeat() -> None:
    records = [json.loads(usual(number)) for number in range(SAMPLE)]
    assert learn_runs(records[:100]) == ()
    assert learn_runs([*records[1:], dict(reversed(records[0].items()))]) == ()
    assert learn_runs([{"a": str(number), "b": str(number)} for number in range(SAMPLE)]) == ()


def test_each_distinct_text_is_a_line_once() -> None:
    chunk = b'{"a":1,"b":1}\n{"a":1,"b":2}\n{"a":1,"b":3}\n{"a":2,"b":4}\r\n{"a":1,"b":5}'
    lines = object_lines(memoryview(chunk))
    assert lines is not None
    repeated, varying = cut(lines, (Run(("a",), is_repeated=True), Run(("b",), is_repeated=False))) or ()
    assert bytes(repeated.lines)[: len('{"a":1}\n') * 2] == b'{"a":1}\n{"a":2}\n'
    assert repeated.places is not None
    assert repeated.places.to_pylist() == [0, 0, 0, 1, 0]
    assert varying.count == len(chunk.splitlines())


def test_lines_that_do_not_repeat_after_all_are_not_cut() -> None:
    chunk = b"".join(b'{"a":%d,"b":1}\n' % number for number in range(10))
    lines = object_lines(memoryview(chunk))
    assert lines is not None
    assert cut(lines, (Run(("a",), is_repeated=True), Run(("b",), is_repeated=False))) is None
