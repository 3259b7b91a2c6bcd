"""Exports of Microsoft Graph, fetched over HTTP into landing."""

from __future__ import annotations

import gzip
import logging
from typing import TYPE_CHECKING

import pytest

from csp_pipeline.sources.blobs import blob_hosts
from csp_pipeline.sources.calls import Calls
from csp_pipeline.sources.graph_exports import (
    ExportError,
    ExportRequest,
    FailedExportError,
    GraphExports,
    Manifest,
    NoData,
    RestatedExportError,
)
from csp_pipeline.sources.packed_lines import BrokenBlobError
from csp_pipeline.sources.provider_errors import ProviderError
from csp_pipeline.storage.arrivals import Delivery, Origin, open_delivery, read_arrivals
from csp_pipeline.storage.landing import file_path
from csp_pipeline_tests.sources.export_server import (
    FIXED_LOGIN,
    SIGNATURE,
    TOKEN,
    ExportServer,
    Script,
    serving,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp_pipeline.storage.home import Home

USAGE = ExportRequest("usage", "G016907411")
RUNNING = {"@odata.type": "#microsoft.graph.partners.billing.runningOperation", "status": "running"}
FIRST = gzip.compress(b'{"Quantity":1}\n{"Quantity":2}\n', mtime=0) + gzip.compress(b'{"Quantity":3}', mtime=0)
SECOND = gzip.compress(b'{"Quantity":4}\n', mtime=0)


@pytest.fixture(scope="module")
def server() -> Iterator[ExportServer]:
    with serving() as exports:
        yield exports


@pytest.fixture
def script(server: ExportServer) -> Script:
    server.script = Script(server.url)
    server.script.offer(first=FIRST, second=SECOND)
    return server.script


class Fetching:
    """The client under test, with the time it would have slept."""

    def __init__(self, url: str) -> None:
        self.slept: list[float] = []
        self._calls = Calls(url, FIXED_LOGIN, "scope", sleep=self.slept.append)
        self.exports = GraphExports(
            self._calls,
            allowed_blob_hosts=blob_hosts(url),
            sleep=self.slept.append,
            clock=lambda: sum(self.slept),
            draw=lambda: 0.0,
        )

    def fetch(self, delivery: Delivery, request: ExportRequest = USAGE) -> Manifest:
        manifest = self.exports.manifest(request)
        assert isinstance(manifest, Manifest)
        self.exports.deliver(manifest, delivery)
        return manifest

    def close(self) -> None:
        self._calls.close()


@pytest.fixture
def fetching(server: ExportServer) -> Iterator[Fetching]:
    client = Fetching(server.url)
    yield client
    client.close()


@pytest.fixture
def delivery(home: Home) -> Delivery:
    return open_delivery(home, Origin("graph", USAGE.resource, USAGE.scope, version="v1"))


def contents(home: Home, delivery: Delivery) -> list[bytes]:
    return [file_path(home, file.sha256).read_bytes() for file in delivery.files]


@pytest.mark.parametrize(
    ("request_", "path", "body"),
    [
        (USAGE, "usage/billed", {"invoiceId": "G016907411"}),
        (ExportRequest("reconciliation", "G1"), "reconciliation/billed", {"invoiceId": "G1"}),
        (
            ExportRequest("usage", currency="USD"),
            "usage/unbilled",
            {"currencyCode": "USD", "billingPeriod": "current"},
        ),
        (
            ExportRequest("reconciliation", currency="EUR", period="last"),
            "reconciliation/unbilled",
            {"currencyCode": "EUR", "billingPeriod": "last"},
        ),
    ],
)
def test_each_export_is_asked_for_on_its_path_with_the_full_attributes(
    script: Script, fetching: Fetching, request_: ExportRequest, path: str, body: dict[str, str]
) -> None:
    fetching.exports.start(request_)
    assert script.requested == {f"POST /{path}/export": 1}
    assert script.bodies == [body | {"attributeSet": "full"}]


@pytest.mark.parametrize("is_inline", [False, True])
def test_files_land_as_received_whether_the_manifest_is_inline_or_behind_a_link(
    script: Script, fetching: Fetching, home: Home, delivery: Delivery, *, is_inline: bool
) -> None:
    script.is_inline = is_inline
    manifest = fetching.exports.manifest(USAGE)
    assert isinstance(manifest, Manifest)
    fetched = fetching.exports.deliver(manifest, delivery)
    delivery.complete()
    assert contents(home, delivery) == [FIRST, SECOND]
    assert [(blob.name, blob.packed_bytes, blob.lines) for blob in fetched] == [
        ("first.json.gz", len(FIRST), 3),
        ("second.json.gz", len(SECOND), 1),
    ]
    assert [arrival.origin.version for arrival in read_arrivals(home)] == ["v1"]


def test_polling_keeps_the_pause_that_graph_asks_for_and_else_its_own(script: Script, fetching: Fetching) -> None:
    script.polls.extend([{"status": "notStarted"}, RUNNING, {"status": "unknownFutureValue"}, RUNNING])
    script.pauses.extend(["7", "0"])
    fetching.exports.manifest(USAGE)
    assert fetching.slept == [7.0, 0.1, 1.0, 2.0]


def test_a_long_pause_that_graph_asks_for_is_kept_too(script: Script, fetching: Fetching) -> None:
    script.polls.append(RUNNING)
    script.pauses.append("900")
    fetching.exports.manifest(USAGE)
    assert fetching.slept == [900.0]


def test_a_failure_is_told_without_the_secrets_in_it(script: Script, fetching: Fetching) -> None:
    message = "cannot write https://store.blob.core.windows.net/x?sv=1&sig=hunter2"
    script.polls.extend([{"status": "failed", "error": {"code": "4711", "message": message}}] * 3)
    with pytest.raises(FailedExportError, match="cannot write") as raised:
        fetching.exports.manifest(USAGE)
    assert "hunter2" not in str(raised.value)


def test_an_export_that_is_never_ready_is_given_up_in_words(script: Script, fetching: Fetching) -> None:
    script.polls.extend([RUNNING] * 1000)
    with pytest.raises(ExportError, match="usage/billed of G016907411 was not ready after 60 minutes; run again"):
        fetching.exports.manifest(USAGE)
    assert sum(fetching.slept) <= 3600


@pytest.mark.parametrize("status", [404, 410])
def test_an_operation_that_expired_is_asked_for_anew(script: Script, fetching: Fetching, status: int) -> None:
    script.polls.extend([RUNNING, status])
    assert isinstance(fetching.exports.manifest(USAGE), Manifest)
    assert script.requested["POST /usage/billed/export"] == 2


def test_operations_that_keep_expiring_end_with_the_refusal(script: Script, fetching: Fetching) -> None:
    script.polls.extend([410] * 3)
    with pytest.raises(ProviderError, match="410"):
        fetching.exports.manifest(USAGE)
    assert script.requested["POST /usage/billed/export"] == 3


def test_code_5000_is_an_answer_and_not_an_error(script: Script, fetching: Fetching) -> None:
    script.polls.append({"status": "failed", "error": {"code": "5000", "message": "No data available"}})
    assert fetching.exports.manifest(USAGE) == NoData("5000", "No data available")


def test_another_failure_is_tried_again_and_then_told(script: Script, fetching: Fetching) -> None:
    failed = {"status": "failed", "error": {"code": "4711", "message": "out of order"}}
    script.polls.append(failed)
    assert isinstance(fetching.exports.manifest(USAGE), Manifest)
    script.polls.extend([failed] * 3)
    with pytest.raises(FailedExportError, match=r"usage/billed of G016907411 \(code 4711\): out of order"):
        fetching.exports.manifest(USAGE)


def test_a_truncated_file_is_fetched_again_and_only_the_whole_one_lands(
    script: Script, fetching: Fetching, home: Home, delivery: Delivery
) -> None:
    script.offer(first=(FIRST[:30], FIRST))
    fetching.fetch(delivery)
    assert contents(home, delivery) == [FIRST, SECOND]
    assert {path.name for path in (home.landing / "files").iterdir()} == {file.sha256 for file in delivery.files}


@pytest.mark.parametrize(
    "broken", [FIRST[:30], b"", b"<html>busy</html>", 503, 429], ids=["cut", "empty", "page", "503", "429"]
)
def test_a_file_that_stays_broken_ends_in_a_sentence_and_those_before_it_are_kept(
    script: Script, fetching: Fetching, home: Home, delivery: Delivery, broken: bytes | int
) -> None:
    script.offer(second=broken)
    with pytest.raises(BrokenBlobError, match=r"second\.json\.gz of the export usage/billed of G016907411 failed"):
        fetching.fetch(delivery)
    assert script.requested["second.json.gz"] == 4
    assert contents(home, delivery) == [FIRST]
    assert read_arrivals(home) == []


def test_a_delivery_that_stopped_halfway_goes_on_with_the_next_file(
    script: Script, fetching: Fetching, home: Home, delivery: Delivery
) -> None:
    script.offer(second=(503, 503, 503, 503, SECOND))
    with pytest.raises(BrokenBlobError):
        fetching.fetch(delivery)
    resumed = open_delivery(home, delivery.origin)
    fetching.fetch(resumed)
    assert contents(home, resumed) == [FIRST, SECOND]
    assert script.requested["first.json.gz"] == 1


def test_an_expired_token_is_renewed_by_reading_the_manifest_again(
    script: Script, fetching: Fetching, home: Home, delivery: Delivery
) -> None:
    script.expired = 1
    fetching.fetch(delivery)
    assert contents(home, delivery) == [FIRST, SECOND]
    assert script.requested["GET /manifests/m1"] == 2
    assert script.requested["POST /usage/billed/export"] == 1


def test_a_token_that_stays_the_same_is_renewed_by_a_new_export(
    script: Script, fetching: Fetching, home: Home, delivery: Delivery
) -> None:
    script.is_renewing, script.expired = False, 1
    fetching.fetch(delivery)
    assert contents(home, delivery) == [FIRST, SECOND]
    assert script.requested["POST /usage/billed/export"] == 2


def test_storage_that_refuses_fresh_tokens_too_ends_in_a_sentence_without_them(
    script: Script, fetching: Fetching, delivery: Delivery
) -> None:
    script.expired = 99
    with pytest.raises(ExportError, match=r"answered 403 for first\.json\.gz of .*firewall") as refusal:
        fetching.fetch(delivery)
    assert "sig" not in str(refusal.value)
    assert script.requested["first.json.gz"] == 2


def test_rows_restated_on_the_way_are_not_mixed_with_those_before(
    script: Script, fetching: Fetching, delivery: Delivery
) -> None:
    script.expired = 1
    script.changes[2] = {"eTag": "v2"}
    with pytest.raises(RestatedExportError, match="was restated while it was being fetched") as restated:
        fetching.fetch(delivery)
    assert restated.value.manifest.e_tag == "v2"
    assert delivery.files == ()


def test_other_files_under_the_same_version_replace_those_taken_before(
    script: Script, fetching: Fetching, home: Home, delivery: Delivery
) -> None:
    script.expired = 1
    script.changes[2] = {"blobs": [{"name": "second.json.gz", "partitionValue": "0"}], "blobCount": 1}
    with pytest.raises(RestatedExportError) as restated:
        fetching.fetch(delivery)
    fetching.exports.deliver(restated.value.manifest, delivery)
    script.changes.clear()
    script.offer(other=FIRST)
    del script.blobs["first.json.gz"], script.blobs["second.json.gz"]
    resumed = open_delivery(home, delivery.origin)
    fetching.fetch(resumed)
    assert contents(home, resumed) == [FIRST]
    assert contents(home, open_delivery(home, delivery.origin)) == [FIRST]


def test_an_export_without_rows_leaves_the_delivery_without_files(
    script: Script, fetching: Fetching, delivery: Delivery
) -> None:
    script.offer(first=gzip.compress(b""), second=gzip.compress(b"\n \n"))
    manifest = fetching.exports.manifest(USAGE)
    assert isinstance(manifest, Manifest)
    assert [blob.name for blob in fetching.exports.deliver(manifest, delivery)] == ["first.json.gz", "second.json.gz"]
    assert delivery.files == ()


def test_a_redirect_of_the_storage_is_not_followed(script: Script, fetching: Fetching, delivery: Delivery) -> None:
    script.offer(first=302)
    with pytest.raises(ExportError, match="answered 302"):
        fetching.fetch(delivery)
    assert script.requested["first.json.gz"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"rootDirectory": "https://evil.example/export"},
        {"blobs": [{"name": "first.json.gz"}, {"name": "../second.json.gz"}]},
        {"blobs": [{"name": "first.json.gz"}, {"name": "first.json.gz"}]},
    ],
)
def test_nothing_is_fetched_of_an_export_that_cannot_be_trusted(
    script: Script, fetching: Fetching, delivery: Delivery, change: dict[str, object]
) -> None:
    script.changes[1] = change
    with pytest.raises(ExportError):
        fetching.fetch(delivery)
    assert script.blob_headers == []


def test_the_token_of_graph_never_reaches_the_storage_and_no_secret_a_log_or_file(
    script: Script, fetching: Fetching, home: Home, delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    script.offer(first=(503, FIRST))
    manifest = fetching.fetch(delivery)
    delivery.complete()
    assert not any("authorization" in headers for headers in script.blob_headers)
    written = [path.read_bytes() for path in home.landing.rglob("*") if path.is_file()]
    shown = "\n".join([caplog.text, repr(manifest), repr(delivery.origin), *map(repr, written)])
    for secret in (TOKEN, SIGNATURE, "sig=", "/storage/export"):
        assert secret not in shown
