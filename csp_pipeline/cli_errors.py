"""How a command ends: the exit codes, and errors as one sentence on stderr.

Only what every command shares belongs here; a command's own words are where it is.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec

import typer

from csp_pipeline.errors import CspError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED, WRONG_USAGE = 1, 2
Arguments = ParamSpec("Arguments")


def in_a_sentence(command: Callable[Arguments, int]) -> Callable[Arguments, None]:
    """Turn a command's result into the exit code, and errors into one sentence on stderr."""

    @functools.wraps(command)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except UsageError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(WRONG_USAGE) from error
        except CspError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(FAILED) from error
        except _failures_outside() as error:
            typer.echo(_one_sentence(error), err=True)
            raise typer.Exit(FAILED) from error
        raise typer.Exit(code)

    return wrapped


def _failures_outside() -> tuple[type[Exception], ...]:
    """What can go wrong outside the program: files and folders, the lock (a TimeoutError), databases."""
    import duckdb  # noqa: PLC0415  (not needed by a command that succeeds)

    return OSError, duckdb.Error


def _one_sentence(error: Exception) -> str:
    """What went wrong outside the program, without the lines that are for its authors."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used: {error.strerror}."
    return f"The work stopped: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
