"""The inbox: what lies in it, which of it is new by content, and what archives hold.

What belongs here: walking the folder, hashing, unpacking zip members into landing with guards against hostile archives.
A member's path is only ever a name in messages; nothing is written where an archive says.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from csp_pipeline.errors import InputFileError
from csp_pipeline.formats.unpacking import ZIP_MAGICS
from csp_pipeline.storage.landing import LandedFile, digest, file_path, land

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from csp_pipeline.storage.home import Home

_MOST_MEMBERS = 10_000
_LARGE_MEMBER = 1 << 30
_HIGHEST_RATIO = 400
_ENCRYPTED = 0x1
_STEPS = (".", "..")
_IGNORED = ("__MACOSX", ".", "~$")


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A file in the inbox: its name below the inbox, its path and the hash of its content."""

    name: str
    path: Path
    sha256: str


def look(home: Home) -> list[InboxFile]:
    """Every file in the inbox and the folders below it, by name; hidden files are not looked at.

    The hash is taken of the content each time: neither a name nor a time of change proves that content is the same.
    """
    found = [
        path
        for path in sorted(home.inbox.rglob("*"))
        if path.is_file() and not any(part.startswith(_IGNORED) for part in path.relative_to(home.inbox).parts)
    ]
    with ThreadPoolExecutor(2) as pool:
        digests = list(pool.map(digest, found))
    return [
        InboxFile(path.relative_to(home.inbox).as_posix(), path, sha256)
        for path, sha256 in zip(found, digests, strict=True)
    ]


def take(home: Home, file: InboxFile) -> LandedFile:
    """Land a file as it is.

    Raises:
        InputFileError: when it changes while it is being read.
    """
    with file.path.open("rb") as stream:
        landed = land(home, cast("BinaryIO", stream), file.name)
    if landed.sha256 != file.sha256:
        raise InputFileError("the file is still being written; it is taken up by the next run")
    return landed


def is_archive(home: Home, file: LandedFile) -> bool:
    """Whether a landed file is a zip archive, by its first bytes."""
    with file_path(home, file.sha256).open("rb") as stream:
        return stream.read(4) in ZIP_MAGICS


def take_members(home: Home, archive: LandedFile) -> list[LandedFile]:
    """Land the members of an archive, each as a file of its own.

    Args:
        home: the folders.
        archive: a landed zip.

    Returns:
        The members in the order of their names.

    Raises:
        InputFileError: when the archive is damaged, encrypted, hostile, or a workbook.
    """
    try:
        with zipfile.ZipFile(file_path(home, archive.sha256)) as opened:
            members = _members(home, opened)
            landed = []
            for member in members:
                with opened.open(member) as stream:
                    name = f"{archive.name}/{member.filename}"
                    landed.append(land(home, cast("BinaryIO", stream), name, at_most=member.file_size))
            return landed
    except (zipfile.BadZipFile, zlib.error, EOFError) as reason:
        raise InputFileError(f"the zip archive is damaged ({reason}); fetch it again") from reason
    except NotImplementedError as reason:
        raise InputFileError(f"the zip archive is packed in an unusual way ({reason}); pack it again") from reason


def _members(home: Home, opened: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    infos = opened.infolist()
    if any(info.filename == "[Content_Types].xml" for info in infos):
        raise InputFileError("expected a zip of tables, found an Office document; save the sheet as CSV UTF-8")
    members = [
        info
        for info in infos
        if not info.is_dir()
        and not stat.S_ISLNK(info.external_attr >> 16)
        and not any(part.startswith(_IGNORED) and part not in _STEPS for part in info.filename.split("/"))
    ]
    if not members:
        raise InputFileError("the zip archive holds no files")
    if any(info.flag_bits & _ENCRYPTED for info in members):
        raise InputFileError("the zip archive is encrypted; put it in the inbox without a password")
    if len(members) > _MOST_MEMBERS:
        raise InputFileError(f"the zip archive holds {len(members)} files; at most {_MOST_MEMBERS} are taken")
    if any(info.file_size > _LARGE_MEMBER and info.file_size > _HIGHEST_RATIO * info.compress_size for info in members):
        raise InputFileError("the zip archive unpacks to far more than any report does; it is not unpacked")
    if sum(info.file_size for info in members) > shutil.disk_usage(home.landing).free // 2:
        raise InputFileError("the zip archive unpacks to more than half of the free disk; make room and run again")
    return sorted(members, key=lambda info: info.filename)
