"""Lines of JSON cut into runs of keys: most of a line repeats on others, so each distinct text is parsed once.

Lines of one file name their keys in the same order, and customer, meter and resource stand beside each other. What
belongs here: learning such runs from the first lines, and cutting a chunk of lines into them. A cut stands before a
key, where valid JSON has a comma: that each piece is whole and valid by itself is for the parser to say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_FEWEST_LINES, _MOST_LINES = 200, 500
_REPEATS_AT_LEAST = 8
_SHORT = 96
_BLOCK = 1 << 20
_NEWLINE, _RETURN, _OPEN, _CLOSE, _QUOTE = b'\n\r{}"'


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring keys of a line; `is_repeated` when few distinct texts of them stand in many lines."""

    keys: tuple[str, ...]
    is_repeated: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """What a run is in a chunk: JSON lines of that run alone, and which of them each line of the chunk has.

    Attributes:
        lines: one object a line, in a buffer.
        count: how many lines that is.
        places: for each line of the chunk its place in `lines`; None when they are one to one.
    """

    run: Run
    lines: pa.Buffer
    count: int
    places: pa.Array | None


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a chunk that are not blank: where their `{` and their `}` stand."""

    chunk: memoryview
    characters: NDArray[np.uint8]
    starts: NDArray[np.int64]
    closes: NDArray[np.int64]


def learn_runs(sample: Sequence[Mapping[str, object]]) -> tuple[Run, ...]:
    """Find the runs of keys that repeat in the first lines.

    Args:
        sample: the first records of a file.

    Returns:
        Runs in the order of the keys; none when the keys have no common order or nothing repeats.
    """
    sample = sample[:_MOST_LINES]
    if len(sample) < _FEWEST_LINES or any(list(record) != list(sample[0]) for record in sample):
        return ()
    most = len(sample) // _REPEATS_AT_LEAST
    runs: list[Run] = []
    held: list[str] = []
    codes = [0] * len(sample)
    for key in sample[0]:
        values = [str(record[key]) for record in sample]
        longer = _coded(codes, values)
        if held and max(longer) >= most:
            runs.append(Run(tuple(held), is_repeated=True))
            held, longer = [], _coded([0] * len(sample), values)
        held.append(key)
        codes = longer
        if max(codes) >= most:
            runs.append(Run(tuple(held), is_repeated=False))
            held, codes = [], [0] * len(sample)
    if held:
        runs.append(Run(tuple(held), is_repeated=True))
    merged = _without_short(runs, sample[0])
    return merged if any(run.is_repeated for run in merged) else ()


def _coded(codes: list[int], values: list[str]) -> list[int]:
    """Number the distinct pairs of code and value."""
    known: dict[tuple[int, str], int] = {}
    return [known.setdefault(pair, len(known)) for pair in zip(codes, values, strict=True)]


def _without_short(runs: list[Run], record: Mapping[str, object]) -> tuple[Run, ...]:
    """Join runs that are too short to be worth a cut to the varying one before them."""
    merged: list[Run] = []
    for run in runs:
        is_repeated = run.is_repeated and sum(len(key) + len(str(record[key])) for key in run.keys) >= _SHORT
        if merged and not is_repeated and not merged[-1].is_repeated:
            merged[-1] = Run(merged[-1].keys + run.keys, is_repeated=False)
        else:
            merged.append(Run(run.keys, is_repeated))
    return tuple(merged)


def object_lines(chunk: memoryview) -> Lines | None:
    """Find the lines of a chunk; blank ones do not count.

    A parser that reads one object after another takes two on a line, or one on two lines. Where each line begins with
    `{` and ends with `}`, and there are as many objects as lines, each line is one object.

    Returns:
        None when a line is no JSON object, or has blanks around it.

    Raises:
        pa.ArrowInvalid: when the chunk is not UTF-8, which Arrow's parser does not check.
    """
    characters = np.frombuffer(chunk, np.uint8)
    ends = _newlines(characters)
    if not len(ends) or ends[-1] != len(chunk) - 1:
        ends = np.append(ends, len(chunk))
    starts = np.append(0, ends[:-1] + 1)
    ends = ends - (characters[ends - 1] == _RETURN)
    if (ends <= starts).any():
        starts, ends = starts[ends > starts], ends[ends > starts]
    is_object = (characters[starts] == _OPEN).all() and (characters[ends - 1] == _CLOSE).all()
    _strings(chunk, np.array([0, len(chunk)])).validate(full=True)
    return Lines(chunk, characters, starts, ends - 1) if is_object else None


def _newlines(characters: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Where the line ends stand; looked for eight characters at a time, as they are rare."""
    found = [np.empty(0, np.int64)]
    is_newline = np.zeros(_BLOCK, np.bool_)
    for at in range(0, len(characters), _BLOCK):
        block = characters[at : at + _BLOCK]
        if len(block) < _BLOCK:
            is_newline[len(block) :] = False
        np.equal(block, _NEWLINE, out=is_newline[: len(block)])
        words = np.flatnonzero(is_newline.view(np.uint64))
        which, place = np.nonzero(is_newline.reshape(-1, 8)[words])
        found.append(words[which] * 8 + place + at)
    return np.concatenate(found)


def cut(lines: Lines, runs: Sequence[Run]) -> list[Piece] | None:
    """Cut lines into runs.

    Args:
        lines: the lines of a chunk.
        runs: what the lines are made of.

    Returns:
        A piece per run; None when a line does not look like that, or too little repeats.
    """
    offsets = _offsets(lines, runs)
    if offsets is None:
        return None
    is_repeated = [run.is_repeated for run in runs]
    encoded = _texts(lines.chunk, offsets, is_repeated).dictionary_encode()
    codes = np.frombuffer(encoded.indices.buffers()[1], np.int32, offsets.size).reshape(offsets.shape)
    pieces = []
    for place, run in enumerate(runs):
        if run.is_repeated:
            distinct, places = np.unique(codes[:, 2 * place + 1], return_inverse=True)
            if len(distinct) * 2 > len(offsets):
                return None
            texts = encoded.dictionary.take(pa.array(distinct))
            pieces.append(Piece(run, _as_lines(texts), len(distinct), pa.array(places.astype(np.int32))))
        else:
            texts = _texts(lines.chunk, offsets, [other is run for other in runs]).drop_null()
            pieces.append(Piece(run, _as_lines(texts), len(offsets), None))
    return pieces


def _offsets(lines: Lines, runs: Sequence[Run]) -> NDArray[np.int32] | None:
    """Where each line's parts begin: `{`, the first run, the comma, the second run, …, `}` with the line end."""
    if not (lines.characters[lines.starts + 1] == _QUOTE).all():
        return None
    cuts = [lines.starts]
    for run in runs[1:]:
        found = _find(lines.chunk, cuts[-1], np.append(lines.starts[1:], len(lines.chunk)), run.keys[0])
        if found is None:
            return None
        cuts.append(found)
    begins = [begin for at in cuts for begin in (at, at + 1)]
    offsets = np.stack([*begins, lines.closes], axis=1)
    return offsets.astype(np.int32) if (np.diff(offsets, axis=1) > 0).all() else None


def _find(chunk: memoryview, starts: NDArray[np.int64], ends: NDArray[np.int64], key: str) -> NDArray[np.int64] | None:
    """Where the comma before a key stands in each stretch of text; None when one has no such key."""
    texts = pl.Series(pl.from_arrow(_strings(chunk, np.stack([starts, ends], axis=1).ravel()))).gather_every(2)
    found = texts.str.find(f",{json.dumps(key, ensure_ascii=False)}:", literal=True)
    return None if found.null_count() else starts + found.to_numpy()


def _strings(chunk: memoryview, offsets: NDArray[np.int64]) -> pa.LargeStringArray:
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(chunk))


def _texts(chunk: memoryview, offsets: NDArray[np.int32], is_wanted: Sequence[bool]) -> pa.StringArray:
    """Some runs of each line, without a copy; the other parts stand between them as NULL."""
    is_valid = np.zeros(offsets.shape, np.bool_)
    is_valid[:, 1::2] = is_wanted
    valid = pa.py_buffer(np.packbits(is_valid, bitorder="little"))
    begins = pa.py_buffer(np.append(offsets, np.int32(len(chunk))))
    return pa.StringArray.from_buffers(offsets.size, begins, pa.py_buffer(chunk), valid)


def _as_lines(texts: pa.StringArray) -> pa.Buffer:
    lines = pc.binary_join_element_wise("{", texts, "}\n", "")
    return lines.buffers()[2]
