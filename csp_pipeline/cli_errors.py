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

FAILED, WRONG_USAGE, NEEDS_A_PERSON = 1, 2, 3
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
            typer.echo(capitalised(sentence_of(error)), err=True)
            raise typer.Exit(FAILED) from error
        raise typer.Exit(code)

    return wrapped


def _failures_outside() -> tuple[type[Exception], ...]:
    """What can go wrong outside the program: files and folders, the lock (a TimeoutError), databases."""
    import duckdb  # noqa: PLC0415  (not needed by a command that succeeds)

    return OSError, duckdb.Error


def sentence_of(error: BaseException) -> str:
    """What went wrong in one sentence, with where and what to do, without the lines that are for programmers.

    Args:
        error: what a library or the program raised; the cause beneath it is what is told.
    """
    import duckdb  # noqa: PLC0415  (not needed by a command that succeeds)

    first = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else ""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be used: {error.strerror}."
    if isinstance(error, OSError):
        return f"the work stopped: {first or type(error).__name__}."
    if isinstance(error, duckdb.Error | MemoryError):
        return _of_database(error, first)
    if type(error).__module__.partition(".")[0].startswith("dagster"):
        return f"a stage could not be done ({first}); look at the run in Dagster's UI, then run again."
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return f"the program met what it does not expect ({what}); run csp-pipeline doctor, and report it if it stays."


def _of_database(error: Exception, first: str) -> str:
    """What went wrong in the database; `first` is the first line of what it says, the others are its own advice."""
    import duckdb  # noqa: PLC0415  (not needed by a command that succeeds)

    told = first.partition("Error: ")[2] or first
    if isinstance(error, duckdb.OutOfMemoryException | MemoryError):
        return (
            "the database needed more memory than it may use, or its disk is full; free memory and disk space, put "
            "fewer or smaller files in the inbox at once, and run again."
        )
    if isinstance(error, duckdb.IOException):
        return f"a file of the database cannot be used ({told}); close what holds it, then run csp-pipeline doctor."
    return f"the database refused a statement ({told}); run csp-pipeline rebuild, and report it if it stays."


def capitalised(sentence: str) -> str:
    """A sentence that begins a line."""
    return sentence[:1].upper() + sentence[1:]
