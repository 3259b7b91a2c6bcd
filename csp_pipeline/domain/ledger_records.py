"""Frozen values as JSON and back: what a ledger keeps is read as the value it was, whatever was added since.

What belongs here: the translation. Decimals, dates and fractions are text; a field that a record does not have takes
its default, one that the value no longer has is left aside.
"""

from __future__ import annotations

import dataclasses
import types
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Value = TypeVar("Value")
_TYPES = {"date": date, "Decimal": Decimal, "Fraction": Fraction}


def as_record(value: object) -> Any:  # noqa: ANN401  (JSON)
    """A frozen value, or what stands in one, as JSON.

    Raises:
        TypeError: something in it cannot be kept exactly.
    """
    if dataclasses.is_dataclass(value):
        return {field.name: as_record(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, tuple):
        return [as_record(item) for item in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    raise TypeError(f"The ledger keeps text, numbers, dates and frozen values, not {type(value).__name__}.")


def from_record(kind: type[Value], record: dict[str, Any]) -> Value:
    """The frozen value that a record holds.

    Args:
        kind: a dataclass.
        record: from `as_record`, as JSON brings it back.
    """
    hints = _hints(kind)  # type: ignore[arg-type]
    given = {name: _decoded(hint, record[name]) for name, hint in hints.items() if name in record}
    return kind(**given)


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, localns=_TYPES)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def _decoded(hint: Any, value: Any) -> Any:  # noqa: ANN401  (types and JSON)
    if value is None:
        return None
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return _decoded(next(argument for argument in arguments if argument is not types.NoneType), value)
    if origin is tuple:
        return tuple(_decoded(arguments[0], item) for item in value)
    if dataclasses.is_dataclass(hint):
        return from_record(hint, value)  # type: ignore[arg-type]
    if hint is Decimal or hint is Fraction:
        return hint(value)
    return date.fromisoformat(value) if hint is date else value
