"""What lies in the landing folder, and its bytes.

Belongs here: which files are deliveries, opening them through gzip and zip within limits, their digest, and
when they say they were exported. Does not belong here: what the bytes mean.

Nothing here follows a link, and no name found inside an archive is ever used as a path.
"""

import errno
import gzip
import hashlib
import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, cast
from zoneinfo import ZoneInfo

from sources.errors import RefusedFileError
from sources.headers import fits
from sources.limits import LIMITS, Limits
from sources.tables import Kind

__all__ = [
    "SETTINGS_FILE",
    "ExportTime",
    "Member",
    "chunks",
    "digest",
    "export_time",
    "is_delivery",
    "members",
    "source_folders",
    "walk",
]

SETTINGS_FILE = "source.yml"

_KINDS: dict[str, Kind] = {".csv": "csv", ".tsv": "csv", ".xlsx": "xlsx", ".json": "json", ".parquet": "parquet"}
_TEMPORARY = (".tmp", ".part", ".crdownload", "~")
_OTHER_WORKBOOKS = (".xls", ".xlsm", ".xlsb", ".ods")

CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """One delivery: a file, or one member of an archive.

    Attributes
    ----------
    path : Path
        The file in landing.
    name : str
        Its name relative to ``landing/<source>``, with ``#member`` for a member of an archive.
    file_name : str
        The last part of its own name.
    kind : {"csv", "xlsx", "json", "parquet"}
        What its extension promises.
    entry : int or None
        Its place in the archive's directory.
    archived_at : tuple of int or None
        Local date and time that the archive gives it.
    """

    path: Path
    name: str
    file_name: str
    kind: Kind
    entry: int | None = None
    archived_at: tuple[int, int, int, int, int, int] | None = None


@dataclass(frozen=True)
class ExportTime:
    """When a delivery was exported, ISO 8601 in UTC, and what says so: ``file_name`` or ``archive``."""

    at: str
    source: Literal["file_name", "archive"]


def source_folders(landing: Path) -> tuple[list[Path], list[Path]]:
    """Split landing into the folders of the sources and whatever else lies there.

    Both are sorted, without hidden names; a landing folder that does not exist has neither.
    """
    if not landing.is_dir():
        return [], []
    entries = sorted(entry for entry in landing.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    return folders, [entry for entry in entries if entry not in folders]


def walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder in sorted order, hidden folders left out, links given but not followed."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            if not entry.name.startswith("."):
                yield from walk(entry)
        else:
            yield entry


def _kind_of(name: str, texts: Sequence[str] = ()) -> tuple[Kind | None, bool]:
    """What a name promises, and whether it is gzipped."""
    lower = name.casefold()
    zipped = lower.endswith((".csv.gz", ".tsv.gz"))
    kind = _KINDS.get(Path(lower.removesuffix(".gz") if zipped else lower).suffix)
    if kind is None and lower.endswith(".txt") and fits(name, texts):
        kind = "csv"
    return kind, zipped


def is_delivery(name: str, texts: Sequence[str] = ()) -> bool:
    """Whether a file's name is that of an export: a known extension, not hidden, not still being written.

    Text files are exports only where a profile knows them by name: `texts` are its patterns.
    """
    lower = name.casefold()
    if lower.startswith((".", "~")) or lower.endswith(_TEMPORARY):
        return False
    return _kind_of(name, texts)[0] is not None or lower.endswith((".zip", *_OTHER_WORKBOOKS))


def members(path: Path, name: str, texts: Sequence[str] = ()) -> tuple[list[Member], list[str]]:
    """The deliveries in one file, and the names in an archive that are none.

    Raises
    ------
    RefusedFileError
        If it is a link, not a regular file, or an archive that cannot be read.
    """
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        what = "a link" if stat.S_ISLNK(mode) else "not a regular file"
        raise RefusedFileError(f"it is {what}; put the file itself there")
    lower = path.name.casefold()
    if lower.endswith(".zip"):
        return _archive_members(path, name, texts)
    if lower.endswith(_OTHER_WORKBOOKS):
        raise RefusedFileError(
            f"it is a workbook of another kind ({Path(lower).suffix}: old, binary or with macros); save it as .xlsx"
        )
    kind, _ = _kind_of(path.name, texts)
    if kind is None:
        raise RefusedFileError("its extension is not that of an export")
    return [Member(path, name, path.name, kind)], []


def _archive_members(path: Path, name: str, texts: Sequence[str]) -> tuple[list[Member], list[str]]:
    found: list[Member] = []
    others: list[str] = []
    with _translated(), _open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        for entry, info in enumerate(archive.infolist()):
            if info.is_dir():
                continue
            label = f"{name}#{info.filename}"
            own_name = re.split(r"[/\\]", info.filename)[-1]
            kind, _ = _kind_of(own_name, texts)
            if kind is None or not is_delivery(own_name, texts) or info.filename.startswith("__MACOSX/"):
                others.append(label)
            elif stat.S_ISLNK(info.external_attr >> 16):
                raise RefusedFileError(f"its member {info.filename!r} is a link; put the file itself into the archive")
            elif info.flag_bits & 0x1:
                raise RefusedFileError(f"its member {info.filename!r} is encrypted; send it without a password")
            else:
                found.append(Member(path, label, own_name, kind, entry, info.date_time))
    if not found:
        raise RefusedFileError("the archive holds no csv, xlsx, json or parquet file")
    return sorted(found, key=lambda member: member.name), others


@contextmanager
def _open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is not a link, even if it became one since it was looked at."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise RefusedFileError("it disappeared while landing was being read; run again") from error
    except OSError as error:
        raise RefusedFileError(f"it cannot be opened ({error.strerror}); check its permissions") from error
    with os.fdopen(descriptor, "rb") as stream:
        yield stream


@contextmanager
def _translated() -> Iterator[None]:
    """Say what a broken archive means for the reader."""
    try:
        yield
    except EOFError as error:
        raise RefusedFileError("it was cut short: the compressed data ends too early; export it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RefusedFileError("it is not a whole gzip file, though its name says so; export it again") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, struct.error, lzma.LZMAError) as error:
        raise RefusedFileError(_NO_ARCHIVE) from error
    except OSError as error:
        # A place outside the file, or data that do not unpack; everything else is the machine's trouble.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise RefusedFileError(_NO_ARCHIVE) from error


_NO_ARCHIVE = "it is not a whole zip archive, though its name says so; export it again"


def chunks(member: Member, limits: Limits = LIMITS) -> Generator[bytes, None, None]:
    """The uncompressed bytes of a delivery, a piece at a time.

    Raises
    ------
    RefusedFileError
        If the file cannot be opened or unpacked, or unpacks to more than the limits allow.
    """
    with ExitStack() as stack:
        stack.enter_context(_translated())
        stream = stack.enter_context(_open_regular(member.path))
        packed = os.fstat(stream.fileno()).st_size
        if member.entry is not None:
            archive = stack.enter_context(zipfile.ZipFile(stream))
            info = archive.infolist()[member.entry]
            packed = info.compress_size
            stream = cast(BinaryIO, stack.enter_context(archive.open(info)))
        if _kind_of(member.file_name)[1]:
            stream = cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=stream)))
        total = 0
        while chunk := stream.read(CHUNK):
            total += len(chunk)
            if total > limits.file_bytes:
                raise RefusedFileError(f"it is larger than {limits.file_bytes / 10**9:g} GB; split it")
            if total > limits.ratio_floor and total > limits.ratio * packed:
                raise RefusedFileError(
                    f"it unpacks to more than {limits.ratio} times its size, as archive bombs do; send it unpacked"
                )
            yield chunk


def digest(member: Member, limits: Limits = LIMITS) -> str:
    """SHA-256 of the uncompressed bytes, in hexadecimal: the identity of a delivery."""
    total = hashlib.sha256()
    for chunk in chunks(member, limits):
        total.update(chunk)
    return total.hexdigest()


_NAME_TIME = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<s>[-_.]?)(?P<month>\d\d)(?P=s)(?P<day>\d\d)"
    r"(?:[-_ T.]?(?P<hour>\d\d)[-:_.]?(?P<minute>\d\d)(?:[-:_.]?(?P<second>\d\d))?)?(?!\d)"
)


def export_time(member: Member, time_zone: str) -> ExportTime | None:
    """When a delivery says it was exported.

    The date in its own name, else in its archive's name, else the archive's date of the member; a day without
    a time is at noon. A file's modification time says when it was copied, and is never used.

    Returns
    -------
    ExportTime or None
        None when nothing says it.
    """
    zone = ZoneInfo(time_zone)
    for text in (member.file_name, member.path.name):
        for match in _NAME_TIME.finditer(text):
            parts = {key: int(value) for key, value in match.groupdict().items() if key != "s" and value is not None}
            try:
                moment = datetime(**({"hour": 12} | parts), tzinfo=zone)
            except ValueError:
                continue
            return ExportTime(_utc(moment), "file_name")
    # 1980 is the first year a zip archive can name, and what a writer without a clock puts there.
    if member.archived_at is not None and member.archived_at[0] > 1980:
        try:
            return ExportTime(_utc(datetime(*member.archived_at, tzinfo=zone)), "archive")
        except ValueError:
            return None
    return None


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
