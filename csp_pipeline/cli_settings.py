"""What commands share of their options: the settings with options in place, and a month as it must be written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from csp_pipeline.errors import UsageError

if TYPE_CHECKING:
    from csp_pipeline.settings import Settings


def read_settings(**overrides: object) -> Settings:
    """The settings, with options of the command in place of those of the environment.

    Raises:
        UsageError: a setting has a value it cannot have; secrets are not repeated.
    """
    from pydantic import ValidationError  # noqa: PLC0415

    from csp_pipeline.settings import Settings  # noqa: PLC0415

    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = str(first["loc"][0])
        setting = name if name.startswith("CSP_") else f"CSP_{name.upper()}"
        raise UsageError(f"Setting {setting} cannot be used: {first['msg']}.") from error


def month_given(value: str | None) -> str | None:
    """A month as YYYY-MM, or None when none is given.

    Raises:
        UsageError: it is written otherwise.
    """
    if value is not None and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value):
        raise UsageError(f"--month must be YYYY-MM, for example 2026-03; found {value!r}.")
    return value
