"""What Graph says about an export, in all documented variants."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from csp_pipeline.sources.graph_manifests import (
    ExportError,
    ExportRequest,
    Failed,
    Manifest,
    ManifestLink,
    NoData,
    Running,
    read_manifest,
    read_operation,
)

REQUEST = ExportRequest("reconciliation", "G016907411")
BILLING = "https://graph.microsoft.com/v1.0/reports/partners/billing"
TYPE = "#microsoft.graph.partners.billing."
FOLDER = "https://store.blob.core.windows.net/recon/InvoiceVersion=1"
MANIFEST: dict[str, object] = {
    "id": "m1",
    "schemaVersion": "1",
    "dataFormat": "compressedJSONLines",
    "createdDateTime": "2026-03-09T06:34:34.87Z",
    "eTag": "WYjLro78",
    "partnerTenantId": "t",
    "rootDirectory": FOLDER,
    "sasToken": "?sv=1&sig=secret",
    "partitionType": "Default",
    "blobCount": 1,
    "blobs": [{"name": "part-0.json.gz", "partitionValue": "default"}],
}


@pytest.mark.parametrize(
    "answer",
    [
        {"@odata.type": f"{TYPE}runningOperation", "status": "running"},
        {"@odata.type": f"{TYPE}runningOperation", "status": "notStarted"},
        {"status": "unknownFutureValue", "resourceLocation": None, "error": None},
        {"status": "paused"},
        {},
    ],
)
def test_what_is_neither_ready_nor_failed_counts_as_running(answer: dict[str, object]) -> None:
    assert read_operation(REQUEST, answer) == Running()


@pytest.mark.parametrize("status", ["succeeded", "completed", "unknownFutureValue", None])
def test_a_result_is_a_success_under_every_status(status: str | None) -> None:
    kind = {"@odata.type": f"{TYPE}exportSuccessOperation", "status": status}
    link = f"{BILLING}/manifests/m1"
    assert read_operation(REQUEST, kind | {"resourceLocation@odata.navigationLink": link}) == ManifestLink(link)
    assert read_operation(REQUEST, kind | {"resourceLocation": link}) == ManifestLink(link)
    inline = read_operation(REQUEST, kind | {"resourceLocation": MANIFEST})
    assert isinstance(inline, Manifest)
    assert inline.location == "/v1.0/reports/partners/billing/manifests/m1"


def test_an_inline_manifest_that_holds_only_its_id_is_fetched() -> None:
    answer = {"status": "succeeded", "resourceLocation": {"id": "m1"}}
    assert read_operation(REQUEST, answer) == ManifestLink("/v1.0/reports/partners/billing/manifests/m1")


def test_a_relative_link_is_one_below_the_version_of_graph() -> None:
    answer = {"status": "succeeded", "resourceLocation@odata.navigationLink": "reports/partners/billing/manifests/m1"}
    assert read_operation(REQUEST, answer) == ManifestLink("/v1.0/reports/partners/billing/manifests/m1")


def test_a_success_without_a_result_is_an_error() -> None:
    with pytest.raises(ExportError, match="does not say where its files are"):
        read_operation(REQUEST, {"status": "succeeded"})


@pytest.mark.parametrize("code", ["5000", 5000])
def test_code_5000_means_no_data_and_other_codes_a_failure(code: object) -> None:
    failed = {"@odata.type": f"{TYPE}failedOperation", "status": "failed"}
    no_data = failed | {"error": {"code": code, "message": "No data available"}}
    assert read_operation(REQUEST, no_data) == NoData("5000", "No data available")
    assert read_operation(REQUEST, failed | {"error": {"code": "1"}}) == Failed("1", "")
    assert read_operation(REQUEST, failed) == Failed("", "")


@pytest.mark.parametrize("answer", [None, [], "succeeded"])
def test_an_answer_that_is_no_object_is_an_error(answer: object) -> None:
    with pytest.raises(ExportError, match="as a JSON object"):
        read_operation(REQUEST, answer)
    with pytest.raises(ExportError, match="as a JSON object"):
        read_manifest(REQUEST, answer, "/m")


def test_neither_the_folder_nor_its_token_shows() -> None:
    manifest = read_manifest(REQUEST, MANIFEST, "/m")
    shown = f"{manifest!r} {manifest} {asdict(manifest)}"
    assert FOLDER not in shown
    assert "secret" not in shown
    assert manifest.root_directory.get_secret_value() == FOLDER
    assert manifest.sas_token.get_secret_value() == "sv=1&sig=secret"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-03-09T06:34:34.87Z", datetime(2026, 3, 9, 6, 34, 34, 870000, UTC)),
        ("2026-03-09T08:37:48.5046691Z", datetime(2026, 3, 9, 8, 37, 48, 504669, UTC)),
        ("2026-03-09T08:12:53", datetime(2026, 3, 9, 8, 12, 53, tzinfo=UTC)),
        ("2026-03-09T08:12:53+02:00", datetime(2026, 3, 9, 6, 12, 53, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", None),
        (None, None),
    ],
)
def test_times_are_utc_in_every_form_graph_writes(written: str | None, read: datetime | None) -> None:
    assert read_manifest(REQUEST, MANIFEST | {"createdDateTime": written}, "/m").created_at == read


@pytest.mark.parametrize("form", ["compressedJSON", "compressedJSONLines", "COMPRESSEDJSON"])
def test_both_names_of_packed_lines_are_read(form: str) -> None:
    assert read_manifest(REQUEST, MANIFEST | {"dataFormat": form}, "/m").e_tag == "WYjLro78"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"eTag": None}, "lacks eTag"),
        ({"sasToken": "", "blobs": None}, "lacks sasToken, blobs"),
        ({"rootDirectory": None}, "lacks rootDirectory"),
        ({"dataFormat": "parquet"}, "comes as parquet; only compressed JSON lines"),
        ({"blobCount": 2}, "states 2 files and names 1"),
        ({"blobs": ["part-0.json.gz"]}, "the blob of .* as a JSON object"),
        ({"createdDateTime": "yesterday"}, "'yesterday' as date of creation"),
    ],
)
def test_a_manifest_that_is_not_whole_is_refused_in_words(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ExportError, match=sentence) as refusal:
        read_manifest(REQUEST, MANIFEST | change, "/m")
    assert "G016907411" in str(refusal.value)


def test_an_export_of_no_files_is_whole() -> None:
    assert read_manifest(REQUEST, MANIFEST | {"blobs": [], "blobCount": 0}, "/m").blobs == ()


@pytest.mark.parametrize("wrong", [{"invoice_number": "G1", "currency": "EUR"}, {}])
def test_an_export_is_of_an_invoice_or_of_a_currency(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="either"):
        ExportRequest("usage", **wrong)  # type: ignore[arg-type]


def test_resource_and_scope_name_the_export() -> None:
    unbilled = ExportRequest("usage", currency="EUR", period="last")
    assert (REQUEST.resource, REQUEST.scope) == ("reconciliation/billed", "G016907411")
    assert (unbilled.resource, unbilled.scope) == ("usage/unbilled", "EUR|last")
    assert str(unbilled) == "the export usage/unbilled of EUR, period last"
