"""Nothing is published that does not tie out; what is published describes itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import pytest

from csp_pipeline.errors import IdentityBrokenError
from csp_pipeline.models.catalogue import load_catalogue
from csp_pipeline.steps.publish import publish
from csp_pipeline.storage.warehouse import writing

if TYPE_CHECKING:
    from csp_pipeline.settings import Settings
    from csp_pipeline.storage.home import Home

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _ask(home: Home, question: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.published), read_only=True) as connection:
        return connection.execute(question).fetchall()


def test_a_broken_identity_leaves_the_old_copy_in_place(home: Home, settings: Settings) -> None:
    publish(settings, now=NOON)
    before = home.published.read_bytes()
    with writing(home) as connection:
        connection.execute(
            "INSERT INTO billing.invoice_lines BY NAME SELECT 'i' AS invoice_id, 'EUR' AS currency, 0.01 AS net_amount"
        )
    with pytest.raises(
        IdentityBrokenError, match=r"documents_are_their_lines: lines of i: expected 0\.01 .*; 1 further"
    ):
        publish(settings, now=NOON)
    assert home.published.read_bytes() == before


def test_the_data_dictionary_names_every_column_with_a_description(home: Home, settings: Settings) -> None:
    publish(settings, now=NOON)
    described = set(_ask(home, "SELECT schema_name, table_name, column_name FROM meta.columns WHERE description <> ''"))
    there = set(_ask(home, "SELECT table_schema, table_name, column_name FROM information_schema.columns"))
    assert described == there
    assert len(_ask(home, "SELECT * FROM meta.tables")) == len(load_catalogue())


def test_publishing_the_same_facts_again_is_one_publication(home: Home, settings: Settings) -> None:
    publish(settings, now=NOON)
    publish(settings, now=NOON.replace(hour=13))
    assert _ask(home, "SELECT count(*), max(published_at) FROM meta.runs") == [(1, datetime(2026, 3, 1, 13))]  # noqa: DTZ001


def test_row_counts_of_the_dictionary_are_those_of_the_copy(home: Home, settings: Settings) -> None:
    publish(settings, now=NOON)
    counted = _ask(home, "SELECT row_count FROM meta.tables WHERE schema_name = 'meta' AND table_name = 'columns'")
    assert counted == _ask(home, "SELECT count(*) FROM meta.columns")


def test_every_month_from_the_first_to_the_last_document_is_open(home: Home, settings: Settings) -> None:
    with writing(home) as connection:
        connection.execute(
            "INSERT INTO cost.invoices BY NAME SELECT 'G1' AS invoice_number, '2025-12' AS billing_month "
            "UNION ALL SELECT 'G2', '2026-02'"
        )
    publish(settings, now=NOON)
    assert _ask(home, "SELECT month, state, closed_at FROM meta.periods ORDER BY month") == [
        ("2025-12", "open", None),
        ("2026-01", "open", None),
        ("2026-02", "open", None),
    ]
