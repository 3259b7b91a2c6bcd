"""Generated partners with planted differences of every cause, alone and together: all found, split exactly."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from csp_pipeline.quality.identities import IDENTITIES, violations
from csp_pipeline.sandbox.generate import generate
from csp_pipeline.steps.drill_down import fill_drill_down
from csp_pipeline_tests.product import rows_of, warehouse_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import duckdb

WHERE = ("service_month", "account_id", "customer_id", "subscription_id", "contract_line_id", "currency", "cause")
Key = tuple[str, ...]
Part = tuple[Decimal, Decimal, str | None]


def parts_of(rows: Iterable[dict[str, Any]]) -> dict[Key, Part]:
    """Amount, quantity and expected month by where a part stands and its cause; a row may be that of several SKUs."""
    found: dict[Key, Part] = defaultdict(lambda: (Decimal(0), Decimal(0), None))
    for row in rows:
        key = tuple(str(row[name] or "").lower() for name in WHERE)
        amount, quantity, _ = found[key]
        found[key] = (
            amount + Decimal(row["amount"]),
            quantity + Decimal(row["quantity"] or 0),
            row["expected_on_month"],
        )
    return dict(found)


def misjudged(folder: Path, con: duckdb.DuckDBPyConnection) -> list[str]:
    """What was planted and not found so, and what was found and not planted."""
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    tolerance = Decimal(expected["planted_amount_tolerance"])
    planted = parts_of(expected["planted"])
    found = parts_of(rows_of(con, "SELECT * FROM reconciliation.differences"))
    wrong = []
    for key in sorted(planted.keys() | found.keys()):
        theirs, ours = planted.get(key), found.get(key)
        if theirs is None or ours is None or theirs[1:] != ours[1:] or abs(theirs[0] - ours[0]) > tolerance:
            wrong.append(f"{key}: planted {theirs}, found {ours}")
    return wrong


def unproved(con: duckdb.DuckDBPyConnection) -> list[Any]:
    """Parts without evidence or a sentence, and what breaks the identities of the tables."""
    found: list[Any] = con.execute(
        "SELECT difference_id FROM reconciliation.differences "
        "WHERE coalesce(evidence, '[]') = '[]' OR coalesce(explanation, '') = ''"
    ).fetchall()
    fill_drill_down(con)
    for identity in IDENTITIES:
        if identity.table.startswith("reconciliation."):
            found += violations(con, identity)
    return found


def repeated(seed: int, months: tuple[str, str], currencies: str) -> object:
    return pytest.param(seed, months, currencies, marks=pytest.mark.long)


@pytest.mark.parametrize(
    ("seed", "months", "currencies"),
    [
        (1, ("2026-07", "2026-09"), "EUR,USD"),
        repeated(2, ("2026-01", "2026-04"), "JPY,EUR"),
        repeated(3, ("2026-10", "2027-02"), "GBP"),
        *(repeated(seed, ("2026-04", "2026-06"), "EUR") for seed in range(4, 12)),
    ],
)
def test_every_planted_case_is_found_with_its_amount_and_quantity_and_nothing_else(
    seed: int, months: tuple[str, str], currencies: str, tmp_path: Path
) -> None:
    generate(tmp_path, months=months, currencies=currencies.split(","), seed=seed, planted="all", usage_rows=0)
    with warehouse_of(tmp_path, looks_over_cost=False) as con:
        assert misjudged(tmp_path, con) == []
        assert unproved(con) == []


def test_timing_settles_or_turns_into_a_mismatch_as_the_next_invoice_arrives(tmp_path: Path) -> None:
    """The same change of July, seen after July's invoice and after August's, which one provider has and one has not."""
    generate(tmp_path, months=("2026-07", "2026-09"), currencies=("EUR",), planted="timing_settled,timing_missed")
    expected = json.loads((tmp_path / "expected.json").read_text("utf-8"))
    numbers = {row["billing_month"]: row["invoice_number"] for row in expected["invoices"]}
    later = {path: path.read_bytes() for path in (tmp_path / "inbox").iterdir() if "reconciliation" in path.name}
    for path in later:
        path.unlink()
    seen = {}
    for month in ("2026-07", "2026-08"):
        for path, content in later.items():
            if path.name.startswith(numbers[month]):
                path.write_bytes(content)
        with warehouse_of(tmp_path, through_month=month, looks_over_cost=False) as con:
            rows = con.execute(
                "SELECT contract_line_id, service_month, cause, expected_on_month FROM reconciliation.differences "
                "WHERE service_month <= ? ORDER BY ALL",
                [month],
            ).fetchall()
            seen[month] = rows
    assert seen == {
        "2026-07": [(line, "2026-07", "timing", "2026-08") for line in ("CL-0001", "CL-0002")],
        "2026-08": [("CL-0002", month, "quantity_mismatch", None) for month in ("2026-07", "2026-08")],
    }
