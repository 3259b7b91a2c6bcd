"""Ingest: nothing is done twice, versions follow the scans, a killed run leaves nothing that counts."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.steps.ingest import restage
from csp_pipeline_tests.steps.inbox_case import AMOUNTS, recon, usage_lines, zipped

if TYPE_CHECKING:
    from csp_pipeline_tests.steps.inbox_case import InboxCase


class KilledError(BaseException):
    """Ends a run where it stands."""


def killed_at(case: InboxCase, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """Run until a function of the ingest step is called."""

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(f"csp_pipeline.steps.ingest.{target}", killed)
        with pytest.raises(KilledError):
            case.ingest()


def test_a_file_already_ingested_is_left_alone_whatever_its_name(case: InboxCase) -> None:
    case.ingest(a__csv=recon({}))
    before = {path: path.stat().st_mtime_ns for path in case.home.root.rglob("*") if path.is_file()}
    report = case.ingest(renamed__csv=recon({}))
    assert (report.scan_number, report.files, report.unchanged) == (None, (), 2)
    after = {path: path.stat().st_mtime_ns for path in case.home.root.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} <= {
        case.home.inbox / "renamed.csv",
        case.home.lock,
    }


def test_the_same_rows_packed_in_another_way_count_once(case: InboxCase) -> None:
    text = recon({})
    case.ingest(a__csv=text, b__csv__gz=gzip.compress(text.encode()), c__zip=zipped(a__csv=text))
    case.ingest(d__csv__gz=gzip.compress(text.encode(), 1))
    assert case.query(AMOUNTS) == [(Decimal(231),)]
    assert case.query("SELECT status, count(*) FROM meta.files GROUP BY 1 ORDER BY 1") == [
        ("archive", 1),
        ("known", 2),
        ("staged", 1),
    ]


def test_files_of_one_scan_are_parts_and_a_later_scan_supersedes(case: InboxCase) -> None:
    case.ingest(
        a__csv=recon({"Subtotal": "1"}), b__csv=recon({"Subtotal": "2"}), other__csv=recon({"InvoiceNumber": "G2"})
    )
    assert case.query(AMOUNTS) == [(Decimal(1),), (Decimal(2),), (Decimal(231),)]
    case.ingest(restated__csv=recon({"Subtotal": "3"}))
    assert case.query(AMOUNTS) == [(Decimal(231),), (Decimal(3),)]
    current = case.query("SELECT source_file FROM meta.file_invoices WHERE is_current ORDER BY ALL")
    assert current == [("other.csv",), ("restated.csv",)]


def test_a_restatement_of_one_invoice_leaves_the_others_of_its_old_file(case: InboxCase) -> None:
    case.ingest(a__csv=recon({"Subtotal": "1"}, {"InvoiceNumber": "G2", "Subtotal": "2"}))
    case.ingest(b__csv=recon({"Subtotal": "5"}))
    assert sorted(case.query(AMOUNTS)) == [(Decimal(2),), (Decimal(5),)]


def test_rebuilding_staging_gives_the_same_files(case: InboxCase) -> None:
    case.ingest(a__csv=recon({}, {"Subtotal": "x"}, {"Currency": "USD"}), p__csv=b"\x89PNG\r\n")
    case.ingest(b__jsonl=usage_lines({}, {"Quantity": "n/a"}), c__csv=recon({"Subtotal": "7"}))

    def content() -> dict[str, bytes]:
        folders = (case.home.staging, case.home.quarantine)
        return {
            str(path): path.read_bytes() for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()
        }

    catalogue = "SELECT * FROM meta.files ORDER BY ALL"
    before, rows = content(), case.query(catalogue)
    restage(case.home)
    assert content() == before
    assert case.query(catalogue) == rows


def test_what_a_killed_run_left_half_done_is_done_again(case: InboxCase, monkeypatch: pytest.MonkeyPatch) -> None:
    case.put("a.csv", recon({}))
    for target in ("stage", "write_scan"):
        killed_at(case, monkeypatch, target)
    (case.home.landing / "files" / ".unfinished-1").write_bytes(b"half")
    (case.home.staging / "reconciliation" / ".unfinished-2").write_bytes(b"half")
    case.ingest()
    assert case.query(AMOUNTS) == [(Decimal(231),)]
    assert not list(case.home.root.rglob(".unfinished*"))


def test_what_no_scan_lists_is_not_known_when_it_comes_packed(case: InboxCase, monkeypatch: pytest.MonkeyPatch) -> None:
    text = recon({})
    plain = case.put("a.csv", text)
    killed_at(case, monkeypatch, "write_scan")
    plain.unlink()
    assert case.message(a__csv__gz=gzip.compress(text.encode())) == "staged: "
    assert case.query(AMOUNTS) == [(Decimal(231),)]
    assert len(list(case.home.staging.rglob("*.parquet"))) == 1


def test_staging_that_was_deleted_comes_back(case: InboxCase) -> None:
    case.ingest(a__csv=recon({}))
    for path in case.home.staging.rglob("*.json"):
        path.unlink()
    case.ingest()
    assert case.query(AMOUNTS) == [(Decimal(231),)]


def test_a_change_sent_again_counts_as_it_was_sent_last(case: InboxCase) -> None:
    header = "change_id,customer_id,subscription_id,changed_at,event,quantity_before,quantity_after,actor\n"
    case.ingest(a__csv=header + "1,c,s,2026-10-15T10:00:00Z,x,5,7,\n2,c,s,2026-10-16T10:00:00Z,x,7,8,\n")
    case.ingest(b__csv=header + "2,c,s,2026-10-16T10:00:00Z,x,7,9,\n")
    rows = case.query("SELECT change_id, quantity_after FROM staged_subscription_changes ORDER BY 1")
    assert rows == [("1", Decimal(7)), ("2", Decimal(9))]
