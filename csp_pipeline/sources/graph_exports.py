"""The billing exports of Microsoft Graph: asked for, waited for, and their blobs delivered to landing.

What belongs here: the order of the calls and what is tried again. The wire's fields belong to `graph_manifests`, the
bytes and their checks to `blobs` and `packed_lines`, tokens and retries of single calls to `calls`.
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from csp_pipeline.sources.blobs import (
    MICROSOFT_BLOB_HOSTS,
    ClosedBlobError,
    blob_url,
    connect_blob_storage,
    open_blob,
)
from csp_pipeline.sources.graph_manifests import (
    Blob,
    ExportError,
    ExportRequest,
    Failed,
    FailedExportError,
    Manifest,
    ManifestLink,
    NoData,
    Operation,
    RestatedExportError,
    Running,
    read_manifest,
    read_operation,
)
from csp_pipeline.sources.packed_lines import BlobLimits
from csp_pipeline.sources.provider_errors import ProviderError, pause_asked
from csp_pipeline.sources.retries import retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from csp_pipeline.sources.calls import Calls
    from csp_pipeline.storage.arrivals import Delivery

__all__ = [
    "Blob",
    "ExportError",
    "ExportRequest",
    "FailedExportError",
    "FetchedBlob",
    "GraphExports",
    "Manifest",
    "NoData",
    "Operation",
    "RestatedExportError",
]

RESOURCE = "exports"
_EXPIRED = (404, 410)
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.25, 10.0
_SHORTEST_PAUSE = 0.1
_EXPORTS_AT_MOST = 3
_FETCHES_AT_MOST = 4


@dataclass(frozen=True, slots=True)
class FetchedBlob:
    """What arrived of one file: its bytes as packed and unpacked, and its lines; none of them means an empty file."""

    name: str
    packed_bytes: int
    unpacked_bytes: int
    lines: int


class GraphExports:
    """Billing exports of one partner.

    Args:
        calls: Graph, with its tokens and retries.
        blob_client: makes a client for blob storage, which carries no token of ours.
        allowed_blob_hosts: the hosts whose files are fetched, as `blobs.blob_hosts` gives them.
        limits: what one file may unpack to.
        longest_wait: the seconds after which an export that is not ready is given up.
        sleep: waits for a number of seconds.
        clock: seconds that only go forward.
        draw: a random number from 0 to 1, for pauses.
    """

    def __init__(  # noqa: PLR0913  (everything after the calls has a default and is injected by tests)
        self,
        calls: Calls,
        *,
        blob_client: Callable[[], httpx.Client] = connect_blob_storage,
        allowed_blob_hosts: Sequence[str] = MICROSOFT_BLOB_HOSTS,
        limits: BlobLimits = BlobLimits(),  # noqa: B008  (frozen)
        longest_wait: float = 3600.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._calls = calls
        self._blob_client = blob_client
        self._allowed_blob_hosts = tuple(allowed_blob_hosts)
        self._limits = limits
        self._longest_wait = longest_wait
        self._sleep = sleep
        self._clock = clock
        self._draw = draw

    def start(self, request: ExportRequest) -> Operation:
        """Ask for an export.

        Raises:
            ExportError: when Graph accepts without saying where the operation is.
            ProviderError: when Graph refuses.
        """
        response = self._calls.send("POST", request.path, json=request.body, resource=RESOURCE)
        location = response.headers.get("Location", "")
        if not location:
            raise ExportError(f"{request} was accepted without a Location to follow it by; run again later")
        return Operation(request, location)

    def wait(self, operation: Operation) -> Manifest | NoData:
        """Ask for the state of an export until it is known; a pause that Graph asks for is kept.

        Raises:
            FailedExportError: when Graph could not make it.
            ExportError: when it is not ready in time, or an answer cannot be read.
            ProviderError: when Graph refuses; 404 or 410 when the operation has expired.
        """
        give_up_at = self._clock() + self._longest_wait
        backoff = _FIRST_BACKOFF
        while True:
            response = self._calls.get(operation.location, resource=RESOURCE)
            state = read_operation(operation.request, _parsed(operation.request, response))
            match state:
                case ManifestLink():
                    return self._read_manifest(operation.request, state.location)
                case Failed():
                    raise FailedExportError(
                        f"Graph could not make {operation.request} (code {state.code or 'none'}): "
                        f"{state.message or 'no reason is given'}; run again later"
                    )
                case Running():
                    asked = pause_asked(response.headers)
                case _:
                    return state
            pause = backoff if asked is None else max(asked, _SHORTEST_PAUSE)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)
            if self._clock() + pause > give_up_at:
                minutes = round(self._longest_wait / 60)
                raise ExportError(f"{operation.request} was not ready after {minutes} minutes; run again later")
            self._sleep(pause)

    def manifest(self, request: ExportRequest) -> Manifest | NoData:
        """The files of an export: asked for and waited for, again when the operation expired or failed on the way.

        Raises:
            ExportError: when it cannot be had.
            ProviderError: when Graph refuses.
        """
        for _ in range(_EXPORTS_AT_MOST - 1):
            operation = self.start(request)
            try:
                return self.wait(operation)
            except (FailedExportError, ProviderError) as reason:
                if isinstance(reason, ProviderError) and reason.status not in _EXPIRED:
                    raise
        return self.wait(self.start(request))

    def deliver(self, manifest: Manifest, delivery: Delivery) -> tuple[FetchedBlob, ...]:
        """Stream the files of an export into a delivery, one after the other, leaving out those it already has.

        A file without rows is checked and not delivered: an export without rows leaves the delivery without files.
        The delivery is not completed here.

        Args:
            manifest: the export.
            delivery: where its files go, under their names; one that stopped halfway is gone on with, without what the
                manifest does not name.

        Returns:
            What was fetched now, in the manifest's order.

        Raises:
            RestatedExportError: when Graph has other rows or files by now.
            ExportError: when a file cannot be had or must not be taken; those before it are kept.
            ProviderError: when a file keeps arriving broken, or Graph refuses.
        """
        names = [blob.name for blob in manifest.blobs]
        if len(set(names)) < len(names):
            raise ExportError(f"the manifest of {manifest.request} names a file twice; run again later")
        for blob in manifest.blobs:
            blob_url(manifest, blob, self._allowed_blob_hosts)
        delivery.keep(names)
        fetched = []
        with self._blob_client() as client:
            for blob in manifest.blobs:
                if delivery.taken(blob.name) is None:
                    manifest, one = self._fetch(client, manifest, blob, delivery)
                    fetched.append(one)
        return tuple(fetched)

    def _fetch(
        self, client: httpx.Client, manifest: Manifest, blob: Blob, delivery: Delivery
    ) -> tuple[Manifest, FetchedBlob]:
        """Fetch one file, with a fresh manifest if the storage no longer lets it be read."""
        again = retrying(sleep=self._sleep, draw=self._draw, attempts=_FETCHES_AT_MOST)
        try:
            return manifest, again(self._take, client, manifest, blob, delivery)
        except ClosedBlobError:
            manifest = self._renewed(manifest)
            return manifest, again(self._take, client, manifest, blob, delivery)

    def _take(self, client: httpx.Client, manifest: Manifest, blob: Blob, delivery: Delivery) -> FetchedBlob:
        url = blob_url(manifest, blob, self._allowed_blob_hosts)
        with open_blob(client, url, f"{blob.name} of {manifest.request}", self._limits) as stream:
            if stream.has_rows():
                delivery.take(blob.name, cast("BinaryIO", stream))
            return FetchedBlob(blob.name, stream.packed_bytes, stream.unpacked_bytes, stream.lines)

    def _renewed(self, manifest: Manifest) -> Manifest:
        """The same version with a token that has not expired: from its manifest, else by a new export."""
        try:
            renewed: Manifest | NoData = self._read_manifest(manifest.request, manifest.location)
        except ProviderError as refusal:
            if refusal.status not in _EXPIRED:
                raise
            renewed = manifest
        if isinstance(renewed, Manifest) and renewed.sas_token == manifest.sas_token:
            renewed = self.manifest(manifest.request)
        if isinstance(renewed, NoData):
            raise ExportError(f"Graph no longer has {manifest.request}: {renewed.message}; run again later")
        if renewed.e_tag != manifest.e_tag or set(renewed.blobs) != set(manifest.blobs):
            raise RestatedExportError(renewed)
        return renewed

    def _read_manifest(self, request: ExportRequest, location: str) -> Manifest:
        response = self._calls.get(location, resource=RESOURCE)
        return read_manifest(request, _parsed(request, response), location)


def _parsed(request: ExportRequest, response: httpx.Response) -> object:
    try:
        return json.loads(response.content)
    except ValueError as reason:
        raise ExportError(f"Graph answered something else than JSON about {request}; run again later") from reason
