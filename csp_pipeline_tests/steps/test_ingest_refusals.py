"""Ingest: a file that is not what it claims to be is refused in one sentence, and the rest goes on."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from csp_pipeline_tests.steps.inbox_case import AMOUNTS, recon, zipped

if TYPE_CHECKING:
    from csp_pipeline_tests.steps.inbox_case import InboxCase


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "photo.csv",
            b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)),
            "expected a table as text, found a JPEG picture",
        ),
        ("noise.csv", bytes(range(1, 256)) * 9, "binary data"),
        ("latin.csv", "Käufer,Größe\n1,2\n".encode("latin-1"), "another encoding"),
        ("zeros.csv", b"a,b\n\0\0", "binary data"),
        ("empty.csv", b"", "found an empty file"),
        ("blank.csv", b"\xef\xbb\xbf\r\n  \r\n", "found an empty file"),
        ("empty.gz", gzip.compress(b""), "found an empty file"),
        ("cut.csv.gz", gzip.compress(recon({}, {"OrderId": "x"}).encode())[:-20], "ends too early"),
        ("bad.csv.gz", b"\x1f\x8b\x08\x00garbage and more of it", "gzip file is damaged"),
        ("header.csv", recon(), "expected rows below the header, found none"),
        ("semicolon.csv", recon({}).replace(",", ";"), "found a semicolon"),
        ("tab.csv", recon({}).replace(",", "\t"), "found a tab"),
        ("twice.csv", recon({}).replace("PublisherId", "Currency", 1), "expected one column for Currency"),
        ("broken.zip", zipped(a__csv=recon({}))[:60], "zip archive is damaged"),
        ("none.zip", zipped(), "holds no files"),
        ("book.xlsx", zipped(**{"[Content_Types].xml": "<x/>"}), "found an Office document"),
        ("nothing.json", '{"totalCount": 0, "items": []}', "empty collection"),
        ("odd.csv", "a,b\n1,2\n", "expected the columns of a kind the README lists"),
        ("error.json", '{"code": 5000, "description": "none"}', "expected the columns of a kind the README lists"),
        ("packed.bz2", bz2.compress(b"x"), "bzip2"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isprintable() and " " not in value else "",
)
def test_what_a_file_does_not_claim_to_be_is_refused_in_one_sentence_and_the_rest_goes_on(
    case: InboxCase, name: str, content: str | bytes, sentence: str
) -> None:
    case.put(name, content)
    report = case.ingest(good__csv=recon({}))
    told = next(file for file in report.files if file.name == name)
    assert told.status in ("refused", "unrecognised")
    assert sentence in told.message
    assert "\n" not in told.message
    assert case.query(AMOUNTS) == [(Decimal(231),)]
    assert (case.home.inbox / name).exists()
    assert case.ingest().waiting[0].message == told.message


def test_an_encrypted_zip_is_refused(case: InboxCase) -> None:
    packed = bytearray(zipped(a__csv=recon({})))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in case.message(a__zip=bytes(packed))


def test_a_member_name_never_reaches_the_disk(case: InboxCase) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../escaped.csv", recon({}))
    report = case.ingest(a__zip=packed.getvalue())
    assert [file.status for file in report.files] == ["archive", "staged"]
    assert not list(case.home.root.parent.rglob("escaped*"))
