"""The files of an export in blob storage: which hosts and names are trusted, and one file opened as a checked stream.

What belongs here: addresses and answers of blob storage. The address of a blob opens it to anybody: it stands in no
error and no log. No token of ours is ever sent here, and no redirect is followed.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from csp_pipeline.sources.addresses import is_loopback, keep_wire_out_of_logs, tls
from csp_pipeline.sources.graph_manifests import ExportError
from csp_pipeline.sources.packed_lines import BrokenBlobError, PackedLines
from csp_pipeline.sources.provider_errors import pause_asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from csp_pipeline.sources.graph_manifests import Blob, Manifest
    from csp_pipeline.sources.packed_lines import BlobLimits

MICROSOFT_BLOB_HOSTS = ("*.blob.core.windows.net", "*.dfs.core.windows.net")
_TIMEOUT = httpx.Timeout(60, connect=20)
_CHUNK = 1 << 18
_UNTRUSTED_IN_NAME = re.compile(r"[\x00-\x1f\x7f\\:?#%]")
_OUTSIDE = ("", ".", "..")
_HTTP_OK = 200
_CLOSED = (401, 403, 404, 410)
_PASSING = (408, 429, 500, 502, 503, 504)


class ClosedBlobError(ExportError):
    """Blob storage does not let the file be read with this token; a fresh manifest may."""


def blob_hosts(graph_url: str) -> tuple[str, ...]:
    """The hosts whose files are fetched: Microsoft's storage, and Graph's own host when that is on this machine.

    Args:
        graph_url: where Graph is; a loopback address is the sandbox, which keeps its blobs itself.

    Returns:
        Names with `*.` for any host below, or one exact host and port.
    """
    graph = httpx.URL(graph_url)
    return (*MICROSOFT_BLOB_HOSTS, *((_address(graph),) if is_loopback(graph_url) else ()))


def connect_blob_storage() -> httpx.Client:
    """A client without any token, with timeouts, that follows no redirects and logs no address."""
    keep_wire_out_of_logs()
    return httpx.Client(
        timeout=_TIMEOUT,
        follow_redirects=False,
        headers={"Accept-Encoding": "identity"},
        verify=tls(),
        mounts={"http://": None},  # what travels in clear to this machine goes through no proxy
    )


def blob_url(manifest: Manifest, blob: Blob, allowed_hosts: Sequence[str]) -> httpx.URL:
    """Where a file of an export is read; a secret.

    Args:
        manifest: the export.
        blob: the file.
        allowed_hosts: as `blob_hosts` gives them.

    Returns:
        The address with the token in its query.

    Raises:
        ExportError: when the folder is on another host, or the name does not stay inside the folder.
    """
    try:
        folder = httpx.URL(manifest.root_directory.get_secret_value())
    except httpx.InvalidURL:
        raise ExportError(f"the folder of {manifest.request} is no address; nothing is fetched") from None
    if not _is_allowed(folder, allowed_hosts):
        raise ExportError(
            f"the files of {manifest.request} lie on {folder.scheme}://{_address(folder)}, which is none of the "
            f"hosts that are trusted ({', '.join(allowed_hosts)}); nothing is fetched"
        )
    if folder.userinfo or folder.query or folder.fragment:
        raise ExportError(f"the folder of {manifest.request} is more than a folder; nothing is fetched")
    if _UNTRUSTED_IN_NAME.search(blob.name) or any(part in _OUTSIDE for part in blob.name.split("/")):
        raise ExportError(f"{manifest.request} names a file {blob.name!r} outside its folder; nothing is fetched")
    path = f"{folder.raw_path.decode().rstrip('/')}/{quote(blob.name)}"
    try:
        return folder.copy_with(raw_path=f"{path}?{manifest.sas_token.get_secret_value()}".encode())
    except (httpx.InvalidURL, UnicodeDecodeError):
        raise ExportError(f"the token of {manifest.request} fits no address; nothing is fetched") from None


@contextmanager
def open_blob(client: httpx.Client, url: httpx.URL, subject: str, limits: BlobLimits) -> Iterator[PackedLines]:
    """Read a file from blob storage as it comes; never more than a block of it is in memory.

    Args:
        client: without any token of ours.
        url: as `blob_url` makes it.
        subject: what the file is, for sentences.
        limits: what the file may unpack to.

    Yields:
        The stream; reading it raises when the file is not whole and sound.

    Raises:
        ClosedBlobError: when the token has expired or the file is gone.
        BrokenBlobError: when the connection fails or the server is busy: try again.
        ExportError: when the storage answers anything else.
    """
    try:
        with client.stream("GET", url) as response:
            _refuse(response, subject)
            yield PackedLines(response.iter_raw(_CHUNK), subject, limits)
    except httpx.HTTPError as reason:
        raise BrokenBlobError(subject, f"the connection to blob storage failed ({type(reason).__name__})") from None


def _refuse(response: httpx.Response, subject: str) -> None:
    status = response.status_code
    if status in _CLOSED:
        raise ClosedBlobError(
            f"blob storage answered {status} for {subject}: its token has expired or a firewall is in the way; "
            "run again later"
        )
    if status in _PASSING:
        raise BrokenBlobError(subject, f"blob storage answered {status}", pause_asked(response.headers))
    if status != _HTTP_OK:
        raise ExportError(f"blob storage answered {status} for {subject}, expected the file; run again later")


def _is_allowed(folder: httpx.URL, allowed_hosts: Sequence[str]) -> bool:
    """Whether a folder is on a trusted host; plain http only on this machine, another port only when it is named."""
    for allowed in allowed_hosts:
        if allowed.startswith("*."):
            if folder.scheme == "https" and folder.port is None and folder.host.endswith(allowed[1:].lower()):
                return True
        elif _address(folder) == allowed and (folder.scheme == "https" or is_loopback(str(folder))):
            return True
    return False


def _address(url: httpx.URL) -> str:
    return url.netloc.decode()
