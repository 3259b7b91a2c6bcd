"""Vectors, what became of each, and how expected and found values are compared.

What belongs here: reading a vector file and the vocabulary of outcomes. What a vector means is in the module of its
source; how a file is reported is in `runner`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Status = Literal["passed", "failed", "unsupported", "not_usable", "out_of_scope"]
DECIMALS_OF_A_RATIO = 24
"""Found fractions without end are shown with so many decimals; compared they are exactly."""


class NotSupportedError(Exception):
    """The product does not do this (yet), or the runner does not know the kind; the sentence says which."""


class OutOfScopeError(Exception):
    """The product has no use for this; the sentence says why."""


@dataclass(frozen=True)
class Vector:
    """One vector: its identifier, its kind (empty where the file has none) and all that it says."""

    id: str
    kind: str
    content: Mapping[str, Any]
    siblings: tuple[Mapping[str, Any], ...] = ()

    @property
    def input(self) -> Fields:
        """Its inputs."""
        return Fields(self.content.get("input", self.content.get("inputs", {})))

    @property
    def expected(self) -> Any:  # noqa: ANN401  (an object, a list or a sentence, as the source has it)
        """What its source says comes out."""
        return self.content.get("expected", self.content.get("expected_lines"))

    @property
    def caveat(self) -> str | None:
        """Why it cannot be used, when its own file says so."""
        if self.content.get("usable") is False:
            return str(self.content.get("note") or "its file marks it as not usable")
        return self.content.get("oracle_caveat")


class Fields(dict[str, Any]):
    """The fields of a vector; one that the rule needs and that is not there makes the vector unsupported."""

    def __missing__(self, name: str) -> Any:  # noqa: ANN401
        raise NotSupportedError(f"the rule needs the field {name}, which the vector does not have")

    def number(self, *names: str) -> Decimal:
        """A number under the first of these names that is there."""
        name = next((name for name in names if name in self), names[0])
        try:
            return Decimal(str(self[name]))
        except InvalidOperation as error:
            raise NotSupportedError(f"a number was expected in {name}, {self[name]!r} was found") from error

    def whole(self, name: str) -> int:
        """A whole number."""
        return int(self.number(name))

    def day(self, name: str) -> date:
        """A date."""
        try:
            return date.fromisoformat(self[name])
        except (TypeError, ValueError) as error:
            raise NotSupportedError(f"a date was expected in {name}, {self[name]!r} was found") from error

    def optional_day(self, name: str) -> date | None:
        """A date, or None where the field is empty or not there."""
        return self.day(name) if self.get(name) else None


@dataclass(frozen=True)
class Verdict:
    """What the product gave.

    Attributes:
        got: values in the form of what was expected.
        differs: the names of the values that are not as expected; empty when the vector passes.
        unchecked: parts of the expectation that follow from nothing in the vector or its file.
    """

    got: Any
    differs: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a vector."""

    vector: Vector
    status: Status
    reason: str = ""
    got: Any = None
    differs: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The outcome as it is listed: what does not say anything is left out."""
        entry: dict[str, Any] = {"id": self.vector.id}
        if self.reason:
            entry["reason"] = self.reason
        if self.unchecked:
            entry["unchecked"] = list(self.unchecked)
        if self.status == "failed":
            entry |= {
                "input": plain(dict(self.vector.input)),
                "expected": plain(self.vector.expected),
                "got": plain(self.got),
                "differs": list(self.differs),
            }
        return entry


def read_vectors(file: Path) -> list[Vector]:
    """Every vector of a file: the members of each list of objects at its top.

    Raises:
        ValueError: when the file is not JSON of that shape, in a sentence that names it.
    """
    try:
        content = json.loads(file.read_text("utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file}: a readable JSON file was expected: {error}") from error
    lists = [content] if isinstance(content, list) else list(content.values()) if isinstance(content, dict) else []
    entries = [
        entry
        for values in lists
        if isinstance(values, list)
        for entry in values
        if isinstance(entry, dict) and ("id" in entry or "expected" in entry)
    ]
    if not entries:
        raise ValueError(f"{file}: an object with a list of vectors was expected, none was found.")
    return [
        Vector(str(entry.get("id", f"#{number}")), str(entry.get("kind", "")), entry, tuple(entries))
        for number, entry in enumerate(entries, 1)
    ]


def compare(expected: Mapping[str, Any], got: Mapping[str, Any], unchecked: Iterable[str] = ()) -> Verdict:
    """Hold found values against the expected ones of the same names.

    Args:
        expected: what the source says; a blank says nothing.
        got: what the product gives.
        unchecked: names that follow from nothing the vector says.

    Raises:
        NotSupportedError: when all that can be compared is equal, but something is expected that nothing here gives.
    """
    left_out = tuple(name for name in unchecked if name in expected)
    asked = {name: value for name, value in expected.items() if value not in ("", None) and name not in left_out}
    differs = tuple(name for name, value in asked.items() if name in got and not is_equal(value, got[name]))
    unknown = [name for name in asked if name not in got]
    if unknown and not differs:
        raise NotSupportedError(f"nothing here gives {', '.join(unknown)}")
    return Verdict(dict(got), differs, left_out)


def is_equal(expected: Any, got: Any) -> bool:  # noqa: ANN401
    """Whether two values are the same: numbers by value, lists and objects by members, everything else as text."""
    if isinstance(expected, list) and isinstance(got, list | tuple):
        return len(expected) == len(got) and all(map(is_equal, expected, got))
    if isinstance(expected, dict) and isinstance(got, dict):
        return expected.keys() <= got.keys() and all(is_equal(value, got[name]) for name, value in expected.items())
    if isinstance(got, Decimal | Fraction | int) and not isinstance(got, bool):
        number = as_number(expected)
        return number is not None and number == Fraction(got)
    return str(expected) == str(got)


def as_number(value: Any) -> Fraction | None:  # noqa: ANN401
    """A value as an exact number, or None when it is none."""
    try:
        return Fraction(Decimal(str(value)))
    except InvalidOperation:
        return None


def decimals_of(value: object) -> int:
    """How many decimals a number is written with."""
    exponent = Decimal(str(value)).as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def plain(value: Any) -> Any:  # noqa: ANN401
    """A value as JSON can write it: numbers as their digits, dates as text."""
    if isinstance(value, dict):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    if isinstance(value, Fraction):
        return _digits(value)
    return str(value) if isinstance(value, Decimal | date) else value


def _digits(value: Fraction) -> str:
    units = value * 10**DECIMALS_OF_A_RATIO
    text = format(Decimal(int(units)).scaleb(-DECIMALS_OF_A_RATIO), "f").rstrip("0").rstrip(".")
    return text if units.denominator == 1 else f"{text}…"
