"""Ingest of what was fetched: versions by their time, snapshots by their day, nothing lost or doubled by a kill."""

from __future__ import annotations

import gzip
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.steps.ingest import restage
from csp_pipeline.storage.arrivals import Origin, known_origins, open_delivery, read_arrivals
from csp_pipeline.storage.landing import read_scans
from csp_pipeline_tests.steps.inbox_case import AMOUNTS, CUSTOMER, SUBSCRIPTION, recon, usage, zipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from csp_pipeline_tests.steps.inbox_case import InboxCase

DAY, NEXT_DAY = date(2026, 11, 20), date(2026, 11, 21)


def billed(version: str, day: int = 7) -> Origin:
    """A version of the reconciliation of G1, made on a day of November."""
    made_at = datetime(2026, 11, day, tzinfo=UTC)
    return Origin("graph", "reconciliation/billed", "G000000001", version=version, version_at=made_at)


def customers(day: date) -> Origin:
    return Origin("partner-center", "customers", snapshot_on=day)


def deliver(case: InboxCase, origin: Origin, **files: str | bytes) -> None:
    """A complete delivery of these files."""
    delivery = open_delivery(case.home, origin)
    for name, content in files.items():
        delivery.take(name, io.BytesIO(content.encode() if isinstance(content, str) else content))
    delivery.complete()


def answer(*names: str) -> str:
    """Customers as the service answers."""
    items = [{"id": name, "companyProfile": {"companyName": name, "domain": "a.example.com"}} for name in names]
    return json.dumps({"uri": "/v1/customers", "body": {"totalCount": len(items), "items": items}}) + "\n"


SEEN = "SELECT snapshot_on, customer_id FROM staged_customers ORDER BY ALL"


def test_a_delivery_is_staged_with_the_inbox_in_one_scan_and_then_gone(case: InboxCase) -> None:
    deliver(case, billed("v1"), a=recon({}))
    report = case.ingest(other__csv=recon({"InvoiceNumber": "G2"}))
    assert (report.scan_number, [file.name for file in report.files]) == (
        1,
        ["reconciliation/billed/G000000001/a", "other.csv"],
    )
    assert case.query(AMOUNTS) == [(Decimal(231),), (Decimal(231),)]
    assert case.query("SELECT source, version FROM meta.files ORDER BY 1") == [("graph", "v1"), ("inbox", None)]
    assert read_arrivals(case.home) == []
    assert known_origins(case.home, "reconciliation/billed") == [billed("v1")]
    assert case.ingest().scan_number is None


def test_what_is_not_complete_waits(case: InboxCase) -> None:
    open_delivery(case.home, billed("v1")).take("a", io.BytesIO(recon({}).encode()))
    assert case.ingest().scan_number is None
    assert case.query(AMOUNTS) == []


def test_a_new_version_replaces_the_old_one_and_keeps_what_it_repeats(case: InboxCase) -> None:
    same, old, new = (recon({"Subtotal": amount}) for amount in ("1", "2", "3"))
    deliver(case, billed("v1"), a=same, b=old)
    case.ingest()
    deliver(case, billed("v2", day=9), a=same, b=new)
    report = case.ingest()
    assert [file.name for file in report.files] == ["reconciliation/billed/G000000001/b"]
    assert sorted(case.query(AMOUNTS)) == [(Decimal(1),), (Decimal(3),)]


def test_content_packed_anew_in_a_new_version_still_belongs_to_it(case: InboxCase) -> None:
    same = recon({"Subtotal": "1"}).encode()
    deliver(case, billed("v1"), a=gzip.compress(same, 1), b=recon({"Subtotal": "2"}))
    case.ingest()
    deliver(case, billed("v2", day=9), a=gzip.compress(same, 9), b=recon({"Subtotal": "3"}))
    case.ingest()
    assert sorted(case.query(AMOUNTS)) == [(Decimal(1),), (Decimal(3),)]


def test_the_time_of_a_version_decides_whatever_the_order_of_arrival(case: InboxCase) -> None:
    deliver(case, billed("v2", day=9), a=recon({"Subtotal": "2"}))
    case.ingest()
    deliver(case, billed("v1"), a=recon({"Subtotal": "1"}))
    case.ingest()
    assert case.query(AMOUNTS) == [(Decimal(2),)]


def test_two_versions_in_one_scan_are_two_and_the_later_counts(case: InboxCase) -> None:
    deliver(case, billed("v2", day=9), a=recon({"Subtotal": "2"}))
    deliver(case, billed("v1"), a=recon({"Subtotal": "1"}))
    case.ingest()
    assert case.query(AMOUNTS) == [(Decimal(2),)]


def test_a_version_that_returns_to_earlier_content_counts_again(case: InboxCase) -> None:
    header = {"Subtotal": "1"}, {"Subtotal": "2"}
    for version, amount in (("v1", header[0]), ("v2", header[1]), ("v3", header[0])):
        deliver(case, billed(version, day=7 + int(version[1])), a=recon(amount))
        case.ingest()
    assert case.query(AMOUNTS) == [(Decimal(1),)]


def test_the_same_file_fetched_and_in_the_inbox_counts_once(case: InboxCase) -> None:
    deliver(case, billed("v1"), a=recon({}))
    case.ingest(a__csv=recon({}))
    assert case.query(AMOUNTS) == [(Decimal(231),)]
    assert case.query("SELECT count(*), bool_and(is_current) FROM meta.file_invoices") == [(1, True)]


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "packed"])
def test_a_copy_of_one_fetched_file_in_the_inbox_takes_the_place_of_nothing(
    case: InboxCase, pack: Callable[[bytes], bytes]
) -> None:
    first, second = recon({"Subtotal": "1"}).encode(), recon({"Subtotal": "2"}).encode()
    deliver(case, billed("v1"), a=first, b=second)
    case.put("copy", pack(first))
    case.ingest()
    assert sorted(case.query(AMOUNTS)) == [(Decimal(1),), (Decimal(2),)]


def test_a_version_without_a_time_that_comes_back_counts_again(case: InboxCase) -> None:
    for version, amount in (("v1", "1"), ("v2", "2"), ("v1", "1")):
        deliver(case, replace(billed(version), version_at=None), a=recon({"Subtotal": amount}))
        case.ingest()
    assert case.query(AMOUNTS) == [(Decimal(1),)]


def test_rebuilding_from_the_manifests_gives_the_same_rows(case: InboxCase) -> None:
    deliver(case, billed("v1"), a=recon({"Subtotal": "1"}), b=gzip.compress(recon({"Subtotal": "2"}).encode(), 1))
    deliver(case, customers(DAY), a=answer("c1", "c2"))
    case.ingest(open__csv=usage({"InvoiceNumber": ""}))
    deliver(
        case, billed("v2", day=9), b=gzip.compress(recon({"Subtotal": "2"}).encode(), 9), c=recon({"Subtotal": "x"})
    )
    deliver(case, customers(NEXT_DAY), a=answer("c1", "c2"))
    case.ingest()
    tables = ("meta.files", "meta.file_invoices", "meta.snapshots", "meta.open_month_files", "staged_customers")
    hashes = [f"(SELECT (count(*), sum(hash(t))) FROM {table} AS t)" for table in (*tables, "staged_reconciliation")]

    def rows() -> list[tuple[object, ...]]:
        return case.query(f"SELECT {', '.join(hashes)}")

    before = rows()
    assert case.query(AMOUNTS) == [(Decimal(2),)]
    restage(case.home)
    assert rows() == before


def test_a_run_killed_after_its_manifest_neither_repeats_nor_loses_a_delivery(
    case: InboxCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    deliver(case, billed("v1"), a=recon({}))
    for target in ("stage", "write_scan", "forget_arrivals"):
        with monkeypatch.context() as patched:
            patched.setattr(f"csp_pipeline.steps.ingest.{target}", killed)
            with pytest.raises(KeyboardInterrupt):
                case.ingest()
    case.ingest()
    assert len(read_scans(case.home)) == 1
    assert list((case.home.landing / "deliveries").iterdir()) == []
    assert case.query(AMOUNTS) == [(Decimal(231),)]


def test_a_delivery_that_says_the_same_as_the_last_one_writes_no_manifest(case: InboxCase) -> None:
    for _ in range(2):
        deliver(case, customers(DAY), a=answer("c1"))
        deliver(case, billed("empty"))
        case.ingest()
    assert [scan.number for scan in read_scans(case.home)] == [1]
    assert list((case.home.landing / "deliveries").iterdir()) == []
    for names in (("c1", "c2"), ("c1",)):
        deliver(case, customers(DAY), a=answer(*names))
    case.ingest()
    assert case.query(SEEN) == [(DAY, "c1")]
    assert len(read_scans(case.home)) == 2


def test_an_unchanged_snapshot_is_one_file_seen_on_two_days(case: InboxCase) -> None:
    for day in (DAY, NEXT_DAY):
        deliver(case, customers(day), a=answer("c1"))
        case.ingest()
    assert case.query(SEEN) == [(DAY, "c1"), (NEXT_DAY, "c1")]
    assert case.query("SELECT count(DISTINCT file_sha256), count(*) FROM meta.snapshots") == [(1, 2)]


def test_the_latest_snapshot_of_a_day_counts_and_the_inbox_adds_to_it(case: InboxCase) -> None:
    deliver(case, customers(DAY), a=answer("c1", "c2"))
    case.ingest()
    deliver(case, customers(DAY), a=answer("c1"))
    case.ingest(mine__jsonl=answer("c3"))
    assert case.query("SELECT customer_id FROM staged_customers ORDER BY ALL") == [("c1",), ("c3",)]
    assert case.query("SELECT is_current, count(*) FROM meta.snapshots GROUP BY 1 ORDER BY 1") == [
        (False, 1),
        (True, 2),
    ]


def test_an_empty_answer_is_a_snapshot_without_rows(case: InboxCase) -> None:
    deliver(case, customers(DAY), a=answer("c1"))
    case.ingest()
    deliver(case, customers(DAY), a=answer())
    assert [(file.status, file.rows_staged) for file in case.ingest().files] == [("staged", 0)]
    assert case.query(SEEN) == []


def test_a_day_of_the_activity_log_fetched_again_counts_once(case: InboxCase) -> None:
    def log(*operations: str) -> str:
        items = [
            {
                "partnerId": "p",
                "customerId": CUSTOMER,
                "id": name,
                "resourceType": "subscription",
                "operationType": "update_subscription",
                "operationDate": "2026-11-20T10:00:00Z",
                "operationStatus": "succeeded",
                "resourceNewValue": json.dumps({"id": SUBSCRIPTION, "quantity": 3}),
                "userPrincipalName": "a@example.com",
                "applicationId": "x",
            }
            for name in operations
        ]
        return json.dumps({"uri": "/v1/auditrecords?startDate=2026-11-20", "body": {"items": items}}) + "\n"

    origin = Origin("partner-center", "auditrecords", snapshot_on=DAY)
    for operations in (("o1",), ("o1", "o2")):
        deliver(case, origin, a=log(*operations))
        case.ingest()
    assert case.query("SELECT count(*) FROM staged_audit_records") == [(2,)]


def test_archives_and_documents_that_were_fetched_are_taken_apart_or_kept(case: InboxCase) -> None:
    files = {"z": zipped(a__csv=recon({})), "s": b"%PDF-1.4\n%%EOF\n"}
    deliver(case, billed("v1"), **files)
    report = case.ingest()
    assert sorted(file.status for file in report.files) == ["archive", "kept", "staged"]
    assert case.query(AMOUNTS) == [(Decimal(231),)]
    assert case.query("SELECT source FROM meta.files WHERE status = 'staged'") == [("graph",)]
    deliver(case, billed("v1"), **files)
    assert case.ingest().scan_number is None
