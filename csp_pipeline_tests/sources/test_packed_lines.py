"""A gzip file as it streams by: passed on unchanged, counted, and refused unless it is whole and sound."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csp_pipeline.sources.graph_manifests import ExportError
from csp_pipeline.sources.packed_lines import BlobLimits, BrokenBlobError, PackedLines

LIMITS = BlobLimits(most_bytes=1 << 24, highest_ratio=100, ratio_from_bytes=1 << 16)
ROWS = b'{"a":1}\n{"a":2}\n'
PACKED = gzip.compress(ROWS, mtime=0)


def packed_lines(content: bytes, size: int = 1 << 16, limits: BlobLimits = LIMITS) -> PackedLines:
    return PackedLines(iter([content[at : at + size] for at in range(0, len(content), size)]), "part-0", limits)


@settings(max_examples=60)
@given(
    members=st.lists(st.lists(st.text("ab,\u00e9", max_size=8), max_size=5), min_size=1, max_size=4),
    is_closed=st.booleans(),
    padding=st.integers(0, 3),
    size=st.integers(1, 50),
    block=st.integers(1, 70),
)
def test_every_byte_is_passed_on_and_every_line_counted_however_it_is_cut(
    members: list[list[str]], padding: int, size: int, block: int, *, is_closed: bool
) -> None:
    text = "".join("".join(f"{line}\n" for line in member) for member in members) + ("" if is_closed else "open")
    plain = ["".join(f"{line}\n" for line in member).encode() for member in members]
    plain[-1] += b"" if is_closed else b"open"
    content = b"".join(gzip.compress(part) for part in plain) + bytes(padding)
    stream = packed_lines(content, size)
    assert stream.has_rows() is bool(text.strip())
    assert b"".join(iter(lambda: stream.read(block) or b"", b"")) == content
    assert (stream.packed_bytes, stream.unpacked_bytes) == (len(content), len(text.encode()))
    assert stream.lines == len(text.split("\n")) - is_closed


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_file_cut_anywhere_never_ends_well(size: int) -> None:
    for kept in range(len(PACKED)):
        with pytest.raises(BrokenBlobError, match="part-0 failed: it ends too early"):
            packed_lines(PACKED[:kept], size).read()


@settings(max_examples=80)
@given(at=st.integers(10, len(PACKED) - 1), bit=st.integers(0, 7))
def test_a_changed_bit_is_noticed_unless_it_changes_no_row(at: int, bit: int) -> None:
    damaged = bytearray(PACKED)
    damaged[at] ^= 1 << bit
    try:
        packed_lines(bytes(damaged)).read()
    except BrokenBlobError:
        return
    assert gzip.decompress(damaged) == ROWS


@pytest.mark.parametrize("content", [b"<html>sign in</html>", ROWS, PACKED + b"more", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_gzip_file_is_refused(content: bytes) -> None:
    with pytest.raises(BrokenBlobError, match=r"no sound gzip file|ends too early"):
        packed_lines(content).read()


@pytest.mark.parametrize("members", [[b""], [b"\n \r\n"], [b"\xef\xbb\xbf"], [b""] * 3])
def test_a_file_of_blanks_has_no_rows(members: list[bytes]) -> None:
    content = b"".join(map(gzip.compress, members))
    stream = packed_lines(content, 5)
    assert not stream.has_rows()
    assert stream.read() == content


def test_a_broken_file_is_noticed_before_it_counts_as_one_without_rows() -> None:
    with pytest.raises(BrokenBlobError):
        packed_lines(gzip.compress(b"")[:-1]).has_rows()


def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(1 << 26), mtime=0)
    stream = packed_lines(bomb)
    with pytest.raises(ExportError, match="part-0 unpacks to more than 100 times its size"):
        stream.read()
    assert stream.unpacked_bytes < 1 << 23


def test_a_dense_but_small_file_is_taken() -> None:
    content = gzip.compress(b"0" * (1 << 16))
    assert packed_lines(content).read() == content


@pytest.mark.parametrize("content", [gzip.compress(ROWS * 100), gzip.compress(b"") * 100], ids=["rows", "no rows"])
def test_a_file_has_a_largest_size_packed_and_unpacked(content: bytes) -> None:
    with pytest.raises(ExportError, match="part-0 holds more than 1000 bytes"):
        packed_lines(content, 100, BlobLimits(most_bytes=1000)).read()


def test_nothing_is_held_but_a_block() -> None:
    row = b'{"a":"' + b"x" * 500 + b'"}\n'
    packed = gzip.compress(row * 2000, compresslevel=0)
    source, taken = io.BytesIO(packed), 0
    stream = PackedLines(iter(lambda: source.read(1 << 12), b""), "part-0", LIMITS)
    assert stream.has_rows()
    while block := stream.read(1 << 12):
        taken += len(block)
        assert source.tell() - taken <= 1 << 13
    assert taken == len(packed)
