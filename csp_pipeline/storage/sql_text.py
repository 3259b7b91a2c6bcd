"""Values as text of a statement, where a view cannot take parameters.

What belongs here: quoting, and nothing that decides what is quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def literal(value: object) -> str:
    """A value as a quoted text."""
    return "'" + str(value).replace("'", "''") + "'"


def path_list(paths: Iterable[Path]) -> str:
    """Paths as a list of texts, in order."""
    return "[" + ", ".join(literal(path) for path in sorted(paths)) + "]"
