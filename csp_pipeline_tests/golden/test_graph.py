"""The wiring is what it was: a change of any asset, dependency, check, job or schedule shows here."""

from __future__ import annotations

from csp_pipeline_tests.golden import SNAPSHOT, as_text, graph


def test_the_graph_is_the_snapshot() -> None:
    assert as_text(graph()) == SNAPSHOT.read_text("utf-8"), (
        "the graph changed; if that is wanted: python -m csp_pipeline_tests.golden"
    )
