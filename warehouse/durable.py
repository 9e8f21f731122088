"""Writing small files so that they survive a crash whole or not at all.

Belongs here: fsync, replace by rename, append by line. Does not belong here: what the files mean.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["append_line", "place_copy", "read_lines", "sha256", "sync", "temporary", "write_whole"]


def temporary(path: Path) -> Path:
    """Return the name under which a file is written before it takes its place."""
    return path.with_name(f".{path.name}.new")


def sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace the content of a file: whoever reads sees the old one or the new one."""
    temporary(path).write_text(text, encoding="utf-8")
    _place(path, mode)


def place_copy(source: Path, target: Path, mode: int = 0o444) -> None:
    """Copy a file to a place where it is whole as soon as it is there."""
    shutil.copyfile(source, temporary(target))
    _place(target, mode)


def append_line(path: Path, record: Mapping[str, object]) -> None:
    """Append one JSON line, and force it to the disk."""
    is_new = not path.exists()
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        # A line that a crash cut off must not swallow the next one.
        torn = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
        file.write((b"\n" if torn else b"") + json.dumps(record, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        path.chmod(0o600)
        sync(path.parent)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON lines of a file, without those that a crash cut off; empty if there is no file."""
    if not path.exists():
        return []
    records = []
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _place(path: Path, mode: int) -> None:
    new = temporary(path)
    new.chmod(mode)
    sync(new)
    os.replace(new, path)
    sync(path.parent)
