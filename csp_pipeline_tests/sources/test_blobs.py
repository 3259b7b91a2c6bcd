"""Which hosts and names of files are trusted, and what an address may hold."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from csp_pipeline.sources.blobs import MICROSOFT_BLOB_HOSTS, blob_hosts, blob_url, connect_blob_storage
from csp_pipeline.sources.graph_manifests import Blob, ExportError, ExportRequest, Manifest
from csp_pipeline_tests.sources.answering import serving

STORE = "https://adlsrecon201.blob.core.windows.net"
SIGNATURE = "sv=2021-10-04&se=2026-06-08T18%3A34%3A34Z&sig=a%2Bb%2Fc%3D"


def manifest(folder: str, sas_token: str = SIGNATURE) -> Manifest:
    return Manifest(
        request=ExportRequest("usage", "G1"),
        id="m1",
        e_tag="v1",
        created_at=datetime(2026, 6, 8, tzinfo=UTC),
        partition_type="Default",
        blobs=(),
        root_directory=SecretStr(folder),
        sas_token=SecretStr(sas_token),
        location="/m",
    )


@pytest.mark.parametrize(
    "folder",
    [
        f"{STORE}/usage/v1/BillingMonth=202606/PartitionType=default",
        "https://a.dfs.core.windows.net/x",
        "https://A.BLOB.core.windows.net:443/x/",
    ],
)
def test_files_in_microsofts_storage_are_addressed_with_their_token_unchanged(folder: str) -> None:
    url = blob_url(manifest(folder), Blob("part-00049.c000.json.gz"), MICROSOFT_BLOB_HOSTS)
    assert url.query.decode() == SIGNATURE
    assert url.path == folder.split("/", 3)[3].rstrip("/").join(["/", "/part-00049.c000.json.gz"])


@pytest.mark.parametrize(
    "folder",
    [
        "https://evil.example/x",
        "https://a.blob.core.windows.net.evil.example/x",
        "https://evilblob.core.windows.net/x",
        "https://blob.core.windows.net/x",
        "https://evil.example/a.blob.core.windows.net/x",
        "https://a.blob.core.windows.net@evil.example/x",
        "https://a.blob.core.windows.net:8443/x",
        "http://a.blob.core.windows.net/x",
        "http://127.0.0.1:9999/x",
        "http://169.254.169.254/latest",
        "file:///etc",
        "a.blob.core.windows.net/x",
        "https://[bad/x",
        "",
    ],
)
def test_no_other_host_is_trusted(folder: str) -> None:
    with pytest.raises(ExportError, match="nothing is fetched") as refusal:
        blob_url(manifest(folder), Blob("part-0.json.gz"), blob_hosts("http://127.0.0.1:8000"))
    assert "sig=" not in str(refusal.value)


@pytest.mark.parametrize("folder", [f"{STORE}/x?y=1", f"{STORE}/x#y", "https://u:p@a.blob.core.windows.net/x"])
def test_a_folder_is_nothing_but_a_folder(folder: str) -> None:
    with pytest.raises(ExportError, match="nothing is fetched"):
        blob_url(manifest(folder), Blob("part-0.json.gz"), MICROSOFT_BLOB_HOSTS)


@pytest.mark.parametrize("sas_token", ["sig=abc\n", "sig=abc\u00e9", "sig=abc#x"])
def test_a_token_that_fits_no_address_ends_in_a_sentence_without_it(sas_token: str) -> None:
    with pytest.raises(ExportError, match="nothing is fetched") as refusal:
        blob_url(manifest(f"{STORE}/x", sas_token), Blob("part-0.json.gz"), MICROSOFT_BLOB_HOSTS)
    assert "abc" not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../part-0.json.gz",
        "a/../../part-0.json.gz",
        "/part-0.json.gz",
        "a//b.json.gz",
        "./part-0.json.gz",
        "..\\part-0.json.gz",
        "%2e%2e/part-0.json.gz",
        "..%2fpart-0.json.gz",
        "part-0.json.gz?comp=list",
        "part-0.json.gz#",
        "https://evil.example/part-0.json.gz",
        "part\n-0.json.gz",
        "part\0.json.gz",
    ],
)
def test_a_name_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(ExportError, match="outside its folder; nothing is fetched"):
        blob_url(manifest(f"{STORE}/x"), Blob(name), MICROSOFT_BLOB_HOSTS)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("PartitionValue=1/part 0.json.gz", "/x/PartitionValue=1/part 0.json.gz"),
        ("M\u00fcller+&.json.gz", "/x/M\u00fcller+&.json.gz"),
        ("..part.json.gz", "/x/..part.json.gz"),
    ],
)
def test_any_other_name_is_one_path_below_the_folder(name: str, path: str) -> None:
    url = blob_url(manifest(f"{STORE}/x"), Blob(name), MICROSOFT_BLOB_HOSTS)
    assert (url.path, url.query.decode()) == (path, SIGNATURE)


def test_graphs_own_host_is_trusted_on_this_machine_only() -> None:
    assert blob_hosts("https://graph.microsoft.com") == MICROSOFT_BLOB_HOSTS
    hosts = blob_hosts("http://127.0.0.1:8123")
    url = blob_url(manifest("http://127.0.0.1:8123/blobs"), Blob("part-0.json.gz"), hosts)
    assert (url.host, url.port) == ("127.0.0.1", 8123)
    with pytest.raises(ExportError, match="nothing is fetched"):
        blob_url(manifest("http://127.0.0.1:8124/blobs"), Blob("part-0.json.gz"), hosts)


def test_the_client_has_timeouts_and_follows_no_redirect() -> None:
    with connect_blob_storage() as client:
        assert not client.follow_redirects
        assert None not in (client.timeout.connect, client.timeout.read, client.timeout.write, client.timeout.pool)


def test_files_on_this_machine_are_fetched_past_any_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as service, serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        service.answers({})
        with connect_blob_storage() as client:
            client.get(f"{service.url}/blobs/part-0.json.gz?{SIGNATURE}")
        assert (len(service.asked), proxy.asked) == (1, [])
