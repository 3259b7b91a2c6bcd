"""Answers of Partner Center as they were fetched: JSON lines of the address asked and the body that came back.

What belongs here: which kind of rows an address gives, and the records of an answer, each with the collection around it
whose self link is the address; the ids in that address are often told nowhere else. How an answer is fetched belongs to
`sources`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.columns import normalised
from csp_pipeline.formats.json_documents import records, sequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import BinaryIO

    from csp_pipeline.formats.json_documents import Placed

_START = re.compile(rb'\s*\{\s*"uri"\s*:\s*"(?:[^"\\]|\\.)*"\s*,\s*"body"\s*:')
_KINDS = {
    r"/customers(/[^/]+)?": "customers",
    r"/customers/[^/]+/subscriptions(/[^/]+)?": "subscriptions",
    r"/customers/[^/]+/subscriptions/[^/]+/provisioningstatus": "subscription_provisioning",
    r"/customers/[^/]+/subscriptions/[^/]+/azureentitlements": "azure_entitlements",
    r"/customers/[^/]+/orders(/[^/]+)?": "orders",
    r"/customers/[^/]+/orders/[^/]+/provisioningstatus": "order_provisioning",
    r"/customers/[^/]+/agreements": "agreements",
    r"/customers/[^/]+/directsignedmicrosoftcustomeragreementstatus": "direct_signed",
    r"/agreements": "agreement_metadata",
    r"/auditrecords": "audit_records",
    r"/invoices(/(?!summar|unbilled|estimates)[^/]+)?": "invoice_headers",
}
_KIND_OF_PATH = [(re.compile(rf"(?:/v1(?:\.0)?)?{path}/?", re.IGNORECASE), kind) for path, kind in _KINDS.items()]
_LINES = re.compile(r"(?:/v1(?:\.0)?)?/invoices/[^/]+/lineitems(?:/([^/]+)/([^/]+))?/?", re.IGNORECASE)
_LINE_KINDS = {
    ("onetime", "billinglineitems"): "reconciliation",
    ("onetime", "usagelineitems"): "daily_usage",
    ("marketplace", "usagelineitems"): "daily_usage",
    ("office", "billinglineitems"): "legacy_licence",
    ("azure", "billinglineitems"): "legacy_usage",
    ("azure", "usagelineitems"): "legacy_daily_usage",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An address, relative to the service, and the parsed body that came back; None when there was none."""

    uri: str
    body: object


def begins_answers(start: bytes) -> bool:
    """Whether a file that starts like this holds answers."""
    return _START.match(start) is not None


def read_answers(stream: BinaryIO, first: bytes) -> Iterator[Answer]:
    """The answers of a file, one at a time.

    Args:
        stream: UTF-8 text.
        first: what was already read of it.

    Raises:
        InputFileError: when the file breaks off, or something else than an answer stands in it.
    """
    for document in sequence(stream, first):
        if not isinstance(document, dict) or not isinstance(document.get("uri"), str) or "body" not in document:
            raise InputFileError('expected answers of the form {"uri": …, "body": …} only; fetch the file again')
        yield Answer(document["uri"], document["body"])


def kind_of(uri: str) -> str | None:
    """The kind of rows that an address gives; None for one that is not known.

    Args:
        uri: path and query, with or without the version in front.
    """
    parts = urlsplit(uri)
    lines = _LINES.fullmatch(parts.path)
    if lines:
        asked = {normalised(key): value for key, value in parse_qsl(parts.query)}
        provider = lines.group(1) or asked.get("provider", "")
        line_type = lines.group(2) or asked.get("invoicelineitemtype", "")
        return _LINE_KINDS.get((normalised(provider), normalised(line_type)))
    return next((kind for path, kind in _KIND_OF_PATH if path.fullmatch(parts.path)), None)


def records_of(answers: Iterable[Answer], kind: str | None) -> Iterator[Placed]:
    """The records of answers that are all of one kind.

    Args:
        answers: what came back.
        kind: what `kind_of` says about the first of them.

    Yields:
        Pairs of record and the collection around it, whose self link is the address asked.

    Raises:
        InputFileError: when the answers are of several kinds, or a body is neither object nor list.
    """
    for answer in answers:
        if kind_of(answer.uri) != kind:
            raise InputFileError(
                f"expected answers of one kind, found {kind or 'unknown'} and {kind_of(answer.uri) or 'unknown'}; "
                "keep them in a file each"
            )
        if answer.body is None:
            continue
        seen: Mapping[str, object] | None = None
        for record, around in records(answer.body):
            if around is not seen:
                seen, placed = around, _placed(around, answer.uri)
            yield record, placed


def _placed(around: Mapping[str, object], uri: str) -> Mapping[str, object]:
    links = around.get("links")
    return {**around, "links": {**(links if isinstance(links, dict) else {}), "self": {"uri": uri}}}
