"""Histories of issuing: killed at any point, or a year with late facts, the ledger and the money come out the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from csp_pipeline.domain.calendar import first_day_of, last_day_of
from csp_pipeline.steps.issued import read_issued
from csp_pipeline.steps.ledger_audit import audit_ledger
from csp_pipeline.steps.run import months_between
from csp_pipeline_tests.steps.billing_case import Case, billing_case
from csp_pipeline_tests.steps.issuing_case import LINES, issue_month, ledger_files, numbers, total_billed

if TYPE_CHECKING:
    from collections.abc import Callable

MONTHS = months_between("2026-01", "2026-12")


class KilledError(Exception):
    """What stands for the end of the process."""


def killed_after(points: int) -> Callable[[str], None]:
    """Ends the process at the point of that number, from 1."""
    passed = 0

    def at(_sentence: str) -> None:
        nonlocal passed
        passed += 1
        if passed == points:
            raise KilledError

    return at


def three_accounts(case: Case) -> None:
    """A small partner with charges in January."""
    names = ["A1,Contoso,EUR", "A2,Fabrikam,EUR", "A3,Tailwind,USD"]
    case.terms("accounts", "account_id,name,currency", *names)
    lines = [f"L{number},A{number},,,flat,{number}00,EUR,,,arrears,1,2026-01-01,,own" for number in (1, 2, 3)]
    case.terms("contract_lines", LINES, *lines)


def issue_once(case: Case, at: Callable[[str], None] = lambda _: None) -> None:
    """What a run of the command does, without Dagster: drafts up to date, then issue."""
    case.draft("2026-01")
    issue_month(case, "2026-01", at=at)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The ledger and the pages when nothing happens."""
    with billing_case(tmp_path_factory.mktemp("undisturbed")) as case:
        three_accounts(case)
        issue_once(case)
        return ledger_files(case)


@pytest.mark.long
@settings(max_examples=1, deadline=None)
@example([1, 2])
@example([3, 4])
@given(st.lists(st.integers(1, 6), max_size=3))
def test_killed_at_any_points_the_next_issue_gives_the_same_ledger(
    undisturbed: dict[str, bytes], kills: list[int]
) -> None:
    """Points: before the batch counts, after it, and after each page."""
    with TemporaryDirectory() as folder, billing_case(Path(folder)) as case:
        three_accounts(case)
        for points in kills:
            try:
                issue_once(case, killed_after(points))
            except KilledError:
                continue
        issue_once(case)
        issue_once(case)
        assert ledger_files(case) == undisturbed
        assert numbers(case) == [f"INV-2026-00000{number}" for number in (1, 2, 3)]


_ISSUE_MANY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from csp_pipeline.storage.ledger import append
for number in range(10_000):
    append(Path(sys.argv[1]), "issue", [{"number": number, "text": "x" * 20_000}], datetime.now(UTC))
    print(number, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
def test_a_process_killed_while_it_appends_leaves_whole_batches_only(tmp_path: Path) -> None:
    random = Random(7)
    counted = 0
    for _ in range(3):
        with subprocess.Popen(  # noqa: S603  (our own interpreter)
            [sys.executable, "-c", _ISSUE_MANY, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            time.sleep(random.uniform(0, 0.05))
            process.kill()
            said += process.stdout.read()
        found = audit_chain(tmp_path)
        assert found >= counted + said.count("\n")
        counted = found


def audit_chain(folder: Path) -> int:
    """The batches of a ledger that is whole."""
    from csp_pipeline.storage.ledger import read_batches  # noqa: PLC0415  (beside its only use)

    return len(read_batches(folder))


class Year:
    """Facts of a year that become known bit by bit, late and restated."""

    def __init__(self, case: Case, random: Random) -> None:
        self.case, self.random = case, random
        self.price = 10
        self.ends_on = ""
        self.seats: list[tuple[str, int, int]] = []
        self.costs = 0

    def write_terms(self) -> None:
        """The terms as they are now."""
        self.case.terms(
            "contract_lines",
            LINES,
            f"L1,A1,c1,s1,per_unit,{self.price},EUR,,,arrears,5,2026-01-05,,",
            "L2,A1,c1,,cost_plus,,EUR,10,,,,2026-01-01,,",
            f"L3,A1,,,flat,99.99,EUR,,,advance,17,2026-01-17,{self.ends_on},own",
            "L4,A1,,,per_unit,3,USD,,7,arrears,1,2026-01-01,,own",
        )

    def happen(self, month: str) -> None:
        """Something becomes known in a month: of it or of an earlier one."""
        known = MONTHS[: MONTHS.index(month) + 1]
        about = self.random.choice(known)
        day = f"{about}-{self.random.randint(6, 28):02d}"
        self.case.con.execute("DELETE FROM partner_center.subscription_changes")
        self.seats.append((day, 0, self.random.randint(0, 30)))
        quantity, chained = 0, []
        for moment, _, after in sorted(self.seats):
            chained.append((moment, quantity, after))
            quantity = after
        self.case.seats("s1", *chained)
        for _ in range(self.random.randint(0, 2)):
            self.costs += 1
            start, end = first_day_of(about), last_day_of(about)
            amount = str(Decimal(self.random.randint(-3000, 20000)) / 100)
            self.case.cost(f"x{self.costs}", amount, start.isoformat(), end.isoformat())
        if self.costs and self.random.random() < 0.4:
            restated = f"x{self.random.randint(1, self.costs)}"
            amount = str(Decimal(self.random.randint(-3000, 20000)) / 100)
            self.case.con.execute(
                "UPDATE cost.invoice_lines SET subtotal_amount = ? WHERE line_id = ?", [amount, restated]
            )
        if self.random.random() < 0.2:
            self.price = self.random.randint(8, 14)
        if self.random.random() < 0.15:
            self.ends_on = f"{self.random.choice(MONTHS)}-20"
        self.write_terms()


@settings(max_examples=1, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_a_year_issued_month_by_month_with_late_facts_bills_what_the_facts_say_at_its_end(seed: int) -> None:
    random = Random(seed)
    with TemporaryDirectory() as folder, billing_case(Path(folder) / "issued") as case:
        year = Year(case, random)
        for number, month in enumerate(MONTHS):
            year.happen(month)
            case.draft(*MONTHS[: number + 1])
            kept = ledger_files(case)
            try:
                issue_month(case, month, last_day_of(month), killed_after(random.randint(1, 9)))
            except KilledError:
                case.draft(*MONTHS[: number + 1])
                issue_month(case, month, last_day_of(month))
            after = ledger_files(case)
            assert {name: after[name] for name in kept if name != "head.json"} == {
                name: content for name, content in kept.items() if name != "head.json"
            }
        case.draft(*MONTHS)
        assert issue_month(case, MONTHS[-1], last_day_of(MONTHS[-1])) == ()
        year.happen(MONTHS[-1])
        case.draft(*MONTHS)
        billed = total_billed(case)
        documents = read_issued(case.settings.home).documents
        assert audit_ledger(case.settings.home).documents == len(documents) >= len(MONTHS)
        for path in case.settings.home.ledger.iterdir():
            path.unlink()
        for table in ("billing.invoices", "billing.invoice_lines"):
            case.con.execute(f"DELETE FROM {table}")
        case.draft(*MONTHS)
        assert total_billed(case) == billed


@pytest.mark.long
def test_the_same_year_gives_the_same_ledger() -> None:
    def played() -> dict[str, bytes]:
        with TemporaryDirectory() as folder, billing_case(Path(folder)) as case:
            year = Year(case, Random(3))
            for number, month in enumerate(MONTHS[:4]):
                year.happen(month)
                case.draft(*MONTHS[: number + 1])
                issue_month(case, month, date(2026, 12, 1))
            return ledger_files(case)

    assert played() == played()
