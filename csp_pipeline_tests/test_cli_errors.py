"""Whatever goes wrong is one sentence that says what to do, without a library's own advice or class names."""

from __future__ import annotations

import dagster as dg
import duckdb
import pytest

from csp_pipeline.cli_errors import sentence_of
from csp_pipeline.errors import CspError, cause_of


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            duckdb.OutOfMemoryException("Out of Memory Error: no block\n\nPossible solutions:\n* SET threads=X"),
            "more memory than it may use",
        ),
        (duckdb.BinderException("Binder Error: no column x\n\nLINE 1: SELECT x"), "(no column x)"),
        (duckdb.IOException("IO Error: Could not set lock on file"), "csp-pipeline doctor"),
        (dg.DagsterInvalidInvocationError("No partition 2031-01.\nMore"), "(No partition 2031-01)"),
        (FileNotFoundError(2, "No such file or directory", "/x/y"), "/x/y cannot be used: No such file"),
        (KeyError("x"), "(KeyError: 'x')"),
    ],
)
def test_an_error_of_a_library_is_a_sentence_with_what_to_do(error: Exception, told: str) -> None:
    sentence = sentence_of(error)
    assert told in sentence
    assert not any(word in sentence for word in ("\n", "Possible solutions", "Dagster" + "Inv", "Exception", "SET "))
    assert sentence.endswith(".")


def test_a_sentence_for_the_user_beneath_goes_before_what_wraps_it() -> None:
    told = CspError("Put the file in again.")
    told.__cause__ = KeyError("x")
    wrapping = RuntimeError("wrapped")
    wrapping.__cause__ = told
    assert cause_of(wrapping) is told
