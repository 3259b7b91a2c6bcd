"""The ledger: appended whole or not at all, chained by hashes, named when damaged, copied only when whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csp_pipeline.errors import UsageError
from csp_pipeline.storage.durable import UNFINISHED
from csp_pipeline.storage.ledger import FIRST_PREVIOUS, HEAD, LedgerDamagedError, append, last_hash, read_batches
from csp_pipeline.storage.ledger_backup import backup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 9, 8, 10, 30, tzinfo=UTC)
SAID = [{"type": "document", "net_amount": "12.30", "name": "Größe\u2028 \N{SNOWMAN}"}, {"type": "note", "lines": [1]}]


class KilledError(Exception):
    """What stands for the end of the process."""


def written(folder: Path, batches: int = 3) -> Path:
    """A ledger with some batches."""
    for number in range(batches):
        append(folder, "issue", [{"number": str(number)}, *SAID], NOW)
    return folder


def test_batches_are_read_as_they_were_written_and_follow_each_other(tmp_path: Path) -> None:
    append(tmp_path, "issue", SAID, NOW)
    append(tmp_path, "alerts", [], NOW)
    first, second = read_batches(tmp_path)
    assert (first.number, first.kind, first.recorded_at) == (1, "issue", "2026-09-08T10:30:00+00:00")
    assert list(first.records) == SAID
    assert first.previous_sha256 == FIRST_PREVIOUS
    assert second.previous_sha256 == first.sha256
    assert (second.kind, second.records) == ("alerts", ())
    assert second.sha256 in last_hash(tmp_path)


def test_a_ledger_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert read_batches(tmp_path / "nowhere") == []
    assert last_hash(tmp_path / "nowhere") == ""


def test_an_amount_as_a_float_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="text"):
        append(tmp_path, "issue", [{"lines": [{"net_amount": 0.1}]}], NOW)
    assert read_batches(tmp_path) == []


def _change_a_byte(folder: Path) -> None:
    path = sorted(folder.glob("*.jsonl"))[1]
    path.write_bytes(path.read_bytes().replace(b"12.30", b"12.31"))


def _change_the_hash_too(folder: Path) -> None:
    """As somebody would who knows how it is made, but changes one batch only."""
    path = sorted(folder.glob("*.jsonl"))[1]
    body = path.read_bytes().replace(b"12.30", b"12.31").splitlines(keepends=True)[:-1]
    path.write_bytes(b"".join(body) + b'{"sha256":"%s"}\n' % hashlib.sha256(b"".join(body)).hexdigest().encode())


def _cut(folder: Path) -> None:
    path = sorted(folder.glob("*.jsonl"))[2]
    path.write_bytes(path.read_bytes()[:-20])


def _empty(folder: Path) -> None:
    min(folder.glob("*.jsonl")).write_bytes(b"")


def _delete_one_in_between(folder: Path) -> None:
    sorted(folder.glob("*.jsonl"))[1].unlink()


def _delete_the_last(folder: Path) -> None:
    sorted(folder.glob("*.jsonl"))[2].unlink()


def _rename(folder: Path) -> None:
    path = sorted(folder.glob("*.jsonl"))[2]
    path.rename(path.with_name("00000003.alerts.jsonl"))


def _put_one_twice(folder: Path) -> None:
    path = sorted(folder.glob("*.jsonl"))[2]
    shutil.copy(path, path.with_name("00000004.issue.jsonl"))


def _swap_two(folder: Path) -> None:
    _, second, third = sorted(folder.glob("*.jsonl"))
    content = second.read_bytes()
    second.write_bytes(third.read_bytes())
    third.write_bytes(content)


def _spoil_the_head(folder: Path) -> None:
    (folder / HEAD).write_text("{", "utf-8")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (_change_a_byte, "00000002.issue.jsonl: its content does not give the hash"),
        (_change_the_hash_too, "00000003.issue.jsonl: it does not carry the hash of the batch before it"),
        (_cut, "00000003.issue.jsonl: its content does not give the hash"),
        (_empty, "00000001.issue.jsonl: its content does not give the hash"),
        (_delete_one_in_between, "00000003.issue.jsonl: batch 2 was expected here"),
        (_delete_the_last, "it names batch 3, but the last one here is 2: a batch is missing"),
        (_rename, "00000003.alerts.jsonl: its header and its name or its records do not agree"),
        (_put_one_twice, "00000004.issue.jsonl: its header and its name"),
        (_swap_two, "00000002.issue.jsonl: its header and its name"),
        (_spoil_the_head, "head.json: it cannot be read"),
    ],
)
def test_damage_is_named_and_nothing_is_appended(tmp_path: Path, damage: Callable[[Path], None], what: str) -> None:
    damage(written(tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for use in (lambda: read_batches(tmp_path), lambda: append(tmp_path, "issue", [], NOW)):
        with pytest.raises(LedgerDamagedError) as error:
            use()
        assert what in str(error.value)
        assert "restore the folder from a backup" in str(error.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@given(st.data())
def test_any_changed_byte_of_any_batch_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = written(tmp_path_factory.mktemp("ledger"), 2)
    path = data.draw(st.sampled_from(sorted(folder.glob("*.jsonl"))))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(LedgerDamagedError):
        read_batches(folder)


@pytest.mark.parametrize("moment", ["does not count yet", "counts."])
def test_a_batch_counts_whole_or_not_at_all(tmp_path: Path, moment: str) -> None:
    written(tmp_path, 1)

    def end(sentence: str) -> None:
        if moment in sentence:
            raise KilledError

    with pytest.raises(KilledError):
        append(tmp_path, "issue", SAID, NOW, at=end)
    counted = 2 if moment == "counts." else 1
    assert len(read_batches(tmp_path)) == counted
    assert append(tmp_path, "issue", [], NOW).number == counted + 1
    assert json.loads((tmp_path / HEAD).read_text("utf-8"))["batch"] == counted + 1


def test_what_a_killed_process_left_half_written_never_counts(tmp_path: Path) -> None:
    written(tmp_path, 2)
    whole = (tmp_path / "00000002.issue.jsonl").read_bytes()
    (tmp_path / f"{UNFINISHED}a").write_bytes(whole[: len(whole) // 2])
    assert len(read_batches(tmp_path)) == 2
    append(tmp_path, "issue", [], NOW)
    assert not list(tmp_path.glob(f"{UNFINISHED}*"))


@pytest.mark.parametrize("name", ["copy.zip", "copy"])
def test_a_backup_is_the_ledger(tmp_path: Path, name: str) -> None:
    ledger, target = written(tmp_path / "ledger"), tmp_path / name
    assert backup(ledger, target) == read_batches(ledger)
    if name.endswith(".zip"):
        shutil.unpack_archive(target, tmp_path / "restored")
        target = tmp_path / "restored"
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {
        path.name: path.read_bytes() for path in ledger.iterdir()
    }


def test_the_same_ledger_gives_the_same_archive(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger")
    backup(ledger, tmp_path / "a.zip")
    backup(ledger, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_backup_overwrites_nothing_and_copies_nothing_damaged_or_empty(tmp_path: Path) -> None:
    ledger, taken = written(tmp_path / "ledger"), tmp_path / "taken.zip"
    taken.write_text("something else", "utf-8")
    with pytest.raises(UsageError, match="exists already"):
        backup(ledger, taken)
    with pytest.raises(UsageError, match="empty"):
        backup(tmp_path / "nowhere", tmp_path / "b.zip")
    _change_a_byte(ledger)
    with pytest.raises(LedgerDamagedError):
        backup(ledger, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()
