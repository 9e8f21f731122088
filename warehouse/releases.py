"""How a finished night becomes what readers see, and how it is undone.

Belongs here: the release protocol. Does not belong here: what is in a release beyond the marts; any file that
lies in the work folder is published with it.

The protocol rests on immutable folders and one atomic pointer::

    work/<run_id>/ --rename--> releases/<seq>-<run_id>/ <--points to-- current (a relative symbolic link)

Replacing `current` is the commit point: before it readers see the old release, after it the new one, and a
crash at any instant leaves one of the two. Everything after it can be repeated, and `recover` repeats it.
While a release is pinned, nights are still published, but the link stays where it is; their commit point is
the first rename.

Three small files carry what the folders cannot say. The ledger has one line per release whose history is
written too, so a release that is newer than `current` and not in it was cut off between the two renames. The
pin names the release that must be served; it is written before the link is moved, so that an interrupted
rollback is completed. The audit file tells who intervened.

All functions that change something expect the caller to hold the lock of the home (``lock.py``), except
`rollback` and `unpin`, which are commands of their own and take it.
"""

import json
import logging
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from warehouse.durable import append_line, place_copy, read_lines, sha256, sync, temporary, write_whole
from warehouse.errors import WarehouseError
from warehouse.export import DATABASE, STORAGE_VERSION, count_rows, export_marts, stamp_release
from warehouse.home import Home, state_name
from warehouse.lock import RunLock

__all__ = [
    "KEEP",
    "MANIFEST",
    "RESTRICTED",
    "STATES",
    "STEPS",
    "Release",
    "add_history_state",
    "current_release",
    "export_marts",
    "list_releases",
    "new_work",
    "next_seq",
    "pinned_seq",
    "previous_release",
    "publish",
    "recover",
    "rollback",
    "serves_later",
    "state_name",
    "unpin",
    "verify",
]

KEEP = 7
MANIFEST = "manifest.json"
RESTRICTED = "restricted"
STATES = "states"

# What `publish` reports to its `on_step`, in order, each after it has been done.
STEPS = (
    "stamped",
    "sealed",
    "described",
    "synced",
    "renamed",
    "linked",
    "flipped",
    "remembered",
    "recorded",
    "retired",
    "collected",
)

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RELEASE_NAME = re.compile(rf"(\d+)-({_RUN_ID.pattern})")
_REQUIRED = ("run_id", "as_of", "code_version", "config_hash")

_log = logging.getLogger("keeprate.warehouse")


@dataclass(frozen=True)
class Release:
    """A published version of everything.

    Attributes
    ----------
    seq : int
        Its number; later releases have larger ones.
    run_id : str
        The run that made it.
    as_of : date
        The last day it counts.
    path : Path
        Its folder.
    served : bool
        Whether readers see it: `current` pointed to it when this object was made.
    manifest : mapping
        The content of its ``manifest.json``.
    """

    seq: int
    run_id: str
    as_of: date
    path: Path
    served: bool
    manifest: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def published_at(self) -> datetime:
        """When it was published, with time zone UTC."""
        return datetime.fromisoformat(self.manifest["published_at"])


def _nothing(_step: str) -> None:
    """Stand in for an `on_step` that nobody gave."""


# Making a release


def new_work(home: Home, run_id: str) -> Path:
    """Make the private folder in which a run puts its release together.

    Parameters
    ----------
    home : Home
        The home.
    run_id : str
        The run; letters, digits, ``-`` and ``_``, because it becomes part of a folder's name.

    Raises
    ------
    WarehouseError
        If the name is not allowed, or the folder exists.
    """
    _check_run_id(run_id)
    home.prepare()
    work = home.work / run_id
    try:
        work.mkdir(mode=0o700)
    except FileExistsError:
        raise WarehouseError(f"{work} exists already; give the run another id.") from None
    work.chmod(0o700)
    return work


def next_seq(home: Home) -> int:
    """Return the number of the next release: larger than that of any that exists or was ever recorded."""
    known = [seq for seq, _ in _folders(home)]
    known += [int(line["seq"]) for line in read_lines(home.ledger)]
    return max(known, default=0) + 1


def publish(
    home: Home,
    work: Path,
    manifest: Mapping[str, Any],
    *,
    keep: int = KEEP,
    storage_version: str = STORAGE_VERSION,
    on_step: Callable[[str], None] = _nothing,
) -> Release:
    """Turn a work folder into the next release, and let readers see it unless another release is pinned.

    Parameters
    ----------
    home : Home
        The home.
    work : Path
        A folder of `new_work` that `export_marts` has written to. Files in ``states/``, named by
        `state_name`, also go to the history; folders named ``restricted`` are closed to others. The folder is
        gone afterwards.
    manifest : mapping
        At least ``run_id``, ``as_of`` (date or ISO text), ``code_version`` and ``config_hash``; also
        ``inputs``, ``gates`` and whatever else JSON can say. ``published_at`` (aware datetime or ISO text) is
        now by default; ``seq``, ``row_counts``, ``storage_version`` and ``files`` are filled in.
    keep : int
        How many of the newest releases to keep, at least 2. The one that is served, the one that is pinned,
        and the list state that a repetition of the night would need are kept in any case.
    storage_version : str
        The format the database was exported in.
    on_step : callable
        Called with each of `STEPS` when it is done; lets a test stop the process there.

    Returns
    -------
    Release
        With ``served`` false if a pin kept readers where they were.

    Raises
    ------
    WarehouseError
        If the release cannot be completed; readers still see the old one then. A failure after the commit
        point is logged instead, because it can neither undo the release nor harm it; `recover` does the rest.
    """
    if keep < 2:
        raise WarehouseError(f"Keep at least 2 releases instead of {keep}: readers may still open the one before.")
    head = _head(manifest)
    seq = next_seq(home)
    try:
        row_counts = stamp_release(work, seq=seq, storage_version=storage_version, **head)
        on_step("stamped")
        _seal(work)
        on_step("sealed")
        content = {
            **manifest,
            "seq": seq,
            **{key: value if isinstance(value, str) else value.isoformat() for key, value in head.items()},
            "storage_version": storage_version,
            "row_counts": row_counts,
            "files": {name: _fingerprint(path) for name, path in _files(work)},
        }
        write_whole(work / MANIFEST, json.dumps(content, ensure_ascii=False, indent=2) + "\n", mode=0o444)
        on_step("described")
        _sync_tree(work)
        on_step("synced")
        target = home.releases / f"{seq}-{head['run_id']}"
        work.rename(target)
        sync(home.releases)
        on_step("renamed")
        served = pinned_seq(home) is None
        if served:
            _point_to(home, target.name, on_step)
    except (OSError, TypeError, ValueError) as error:
        raise WarehouseError(
            f"The release could not be completed in {home.root} ({error}); nothing has changed for readers: "
            "remove the cause and run again."
        ) from error

    release = Release(seq, head["run_id"], head["as_of"], target, served, content)
    try:
        if served:
            on_step("flipped")
            sync(home.root)
        _settle(home, release, on_step)
        _collect(home, keep, on_step)
    except OSError as error:
        _log.warning("release %s is published, but tidying up was cut short: %s", release.name, error)
    return release


def add_history_state(home: Home, work_file: Path, as_of: date) -> Path:
    """Move the narrow customer state of a backfilled day into the history, replacing an older one of that
    day.

    Parameters
    ----------
    home : Home
        The home.
    work_file : Path
        The Parquet file, on the same file system as the home; gone afterwards.
    as_of : date
        Its day.
    """
    target = home.state_file(as_of)
    try:
        work_file.chmod(0o444)
        sync(work_file)
        work_file.replace(target)
        sync(target.parent)
    except OSError as error:
        raise WarehouseError(
            f"The state of {as_of} could not be moved from {work_file} to {target}: {error}"
        ) from error
    return target


# Looking at releases


def list_releases(home: Home) -> list[Release]:
    """Return the releases that are kept, oldest first, without those whose manifest cannot be read."""
    return [release for _, path in _folders(home) if (release := _read(home, path)) is not None]


def current_release(home: Home) -> Release | None:
    """Return the release that readers see, or None if nothing has been published yet.

    Raises
    ------
    WarehouseError
        If `current` points to something that is not a whole release.
    """
    if not home.current.is_symlink() and not home.current.exists():
        return None
    name = _served_name(home)
    release = _read(home, home.releases / name) if name else None
    if release is None:
        raise WarehouseError(f"{home.current} does not point to a whole release; roll back to another one.")
    return release


def previous_release(home: Home, as_of: date) -> Release | None:
    """Return the newest release of a day before `as_of`: the list state that a night of `as_of` continues."""
    return next((release for release in reversed(list_releases(home)) if release.as_of < as_of), None)


def serves_later(home: Home, as_of: date) -> bool:
    """Return whether readers see a later day than `as_of`, which makes a run for `as_of` a backfill."""
    current = current_release(home)
    return current is not None and current.as_of > as_of


def pinned_seq(home: Home) -> int | None:
    """Return the number of the release that must be served, or None if nights move readers on."""
    try:
        return int(json.loads(home.pin_file.read_text(encoding="utf-8"))["seq"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise WarehouseError(
            f"{home.pin_file} does not say which release is pinned; delete it and roll back again."
        ) from error


def verify(home: Home, release: Release | int | None = None) -> list[str]:
    """Compare a release with its manifest, byte by byte.

    Parameters
    ----------
    home : Home
        The home.
    release : Release or int, optional
        The release or its number; by default the one that is served.

    Returns
    -------
    list of str
        What is wrong, one sentence each; empty if nothing is.
    """
    path = _find(home, release)
    return [f"{home.current} does not point to a release."] if path is None else list(_problems(home, path))


# Intervening


def rollback(home: Home, seq: int | None = None) -> Release:
    """Serve another release and pin it, so that the next night does not replace it unasked.

    Parameters
    ----------
    home : Home
        The home; its lock is taken.
    seq : int, optional
        The release to serve; by default the one before the one that is served.

    Raises
    ------
    LockHeld
        If a run works on the home.
    WarehouseError
        If there is no such release, it is served already, or `verify` finds it damaged.
    """
    with RunLock(home):
        folders, served = dict(_folders(home)), _served_seq(home)
        if seq is None:
            seq = max((number for number in folders if served is not None and number < served), default=None)
            if seq is None:
                raise WarehouseError(f"{home.releases} has no release before the one that is served.")
        if seq not in folders:
            kept = ", ".join(map(str, folders)) or "none"
            raise WarehouseError(f"{home.releases} has no release {seq}; choose one of those kept: {kept}.")
        if seq == served:
            raise WarehouseError(f"The release {seq} is served already; choose another one.")
        return _serve(home, folders[seq], "rollback", served)


def unpin(home: Home) -> Release:
    """Serve the newest release again, and let nights move readers on.

    Parameters
    ----------
    home : Home
        The home; its lock is taken.

    Raises
    ------
    LockHeld
        If a run works on the home.
    WarehouseError
        If nothing is pinned, or `verify` finds the newest release damaged.
    """
    with RunLock(home):
        if not home.pin_file.exists():
            raise WarehouseError(f"Nothing is pinned in {home.root}; nights move readers on already.")
        folders = _folders(home)
        if not folders:
            raise WarehouseError(f"{home.releases} has no release to serve; run a night first.")
        release = _serve(home, folders[-1][1], "unpin", _served_seq(home))
        home.pin_file.unlink()
        sync(home.root)
        return release


def recover(home: Home) -> list[str]:
    """Put a home in order after a crash; called at the start of a run, before `new_work`.

    Unfinished work is removed, and so is a release that was cut off before readers could see it: the run that
    follows makes it again. What was cut off later is completed. Releases that were recorded are never removed
    here.

    Parameters
    ----------
    home : Home
        The home; its lock must be held.

    Returns
    -------
    list of str
        What was done, one sentence each; empty if the home was in order.
    """
    home.prepare()
    return [
        *_remove_debris(home),
        *_restore_current(home),
        *_remove_unreferenced(home),
        *_complete_history(home),
    ]


# Steps of publishing


def _check_run_id(run_id: str) -> None:
    if not _RUN_ID.fullmatch(run_id):
        raise WarehouseError(f"{run_id!r} cannot be a run id; use up to 64 letters, digits, - and _.")


def _head(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every release says about itself, with dates as dates."""
    missing = [key for key in _REQUIRED if key not in manifest]
    if missing:
        raise WarehouseError(f"The manifest lacks {', '.join(missing)}: a release says where it comes from.")
    _check_run_id(str(manifest["run_id"]))
    as_of, published_at = manifest["as_of"], manifest.get("published_at") or datetime.now(UTC)
    try:
        if not isinstance(as_of, date):
            as_of = date.fromisoformat(as_of)
        if not isinstance(published_at, datetime):
            published_at = datetime.fromisoformat(published_at)
    except (TypeError, ValueError) as error:
        raise WarehouseError(f"The manifest has a date that is not one: {error}") from error
    if isinstance(as_of, datetime) or published_at.tzinfo is None:
        raise WarehouseError("The manifest needs as_of without a time, and published_at with a time zone.")
    return {
        "run_id": str(manifest["run_id"]),
        "as_of": as_of,
        "published_at": published_at.astimezone(UTC).replace(microsecond=0),
        "code_version": str(manifest["code_version"]),
        "config_hash": str(manifest["config_hash"]),
    }


def _seal(work: Path) -> None:
    """Make files read-only and give folders the permissions they have as a release.

    Read-only also keeps a reader that forgot to say so from taking DuckDB's write lock.
    """
    log = work / f"{DATABASE}.wal"
    if log.exists():
        raise WarehouseError(f"{log} exists: close every connection to the database before publishing it.")
    for folder, folders, files in os.walk(work):
        here = Path(folder)
        restricted = RESTRICTED in here.relative_to(work).parts
        for name in (*folders, *files):
            if stat.S_IFMT((here / name).lstat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                raise WarehouseError(f"{here / name} is neither a file nor a folder; remove it from the release.")
        for name in files:
            (here / name).chmod(0o640 if restricted else 0o444)
        here.chmod(0o750 if restricted else 0o755)


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Return the files of a release in the order of their names, without the manifest itself."""
    found = ((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if not path.is_dir())
    return sorted((name, path) for name, path in found if name != MANIFEST)


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def _sync_tree(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)


def _point_to(home: Home, name: str, on_step: Callable[[str], None] = _nothing) -> None:
    """Let readers see a release: the commit point."""
    if home.current.exists() and not home.current.is_symlink():
        raise WarehouseError(f"{home.current} is not a symbolic link to a release; move it away and run again.")
    link = temporary(home.current)
    link.unlink(missing_ok=True)
    link.symlink_to(_link_target(home, name), target_is_directory=True)
    on_step("linked")
    os.replace(link, home.current)


def _settle(home: Home, release: Release, on_step: Callable[[str], None] = _nothing) -> None:
    """Bring the states of a release into the history, then record it."""
    for source in _state_files(release.path):
        place_copy(source, home.states / source.name)
    on_step("remembered")
    append_line(
        home.ledger,
        {
            "seq": release.seq,
            "run_id": release.run_id,
            "as_of": release.as_of.isoformat(),
            "published_at": release.manifest["published_at"],
            "served": release.served,
            "manifest_sha256": sha256(release.path / MANIFEST),
        },
    )
    on_step("recorded")


def _collect(home: Home, keep: int, on_step: Callable[[str], None]) -> None:
    """Remove releases that nobody needs any more."""
    releases = list_releases(home)
    needed = {path.name for _, path in _folders(home)[-keep:]}
    needed |= {release.name for release in releases if release.served or release.seq == pinned_seq(home)}
    # A repetition of tonight, or of the night that is served, starts from the list state of an earlier day.
    for release in [*releases[-1:], *(release for release in releases if release.served)]:
        earlier = previous_release(home, release.as_of)
        needed |= {earlier.name} if earlier else set()
    retired = [_retire(home, path) for _, path in _folders(home) if path.name not in needed]
    on_step("retired")
    for path in retired:
        shutil.rmtree(path)
    on_step("collected")


def _retire(home: Home, path: Path) -> Path:
    """Move a release out of sight, so that no reader meets one that is half deleted."""
    trash = home.work / f".retired-{path.name}"
    path.rename(trash)
    sync(home.releases)
    return trash


# Reading what is there


def _folders(home: Home) -> list[tuple[int, Path]]:
    """Return number and folder of each release, in order, by nothing but the folders' names."""
    if not home.releases.is_dir():
        return []
    named = ((_RELEASE_NAME.fullmatch(path.name), path) for path in home.releases.iterdir())
    return sorted((int(match[1]), path) for match, path in named if match)


def _served_name(home: Home) -> str | None:
    """Return the name of the folder that `current` points to, or None if it does not point to a release."""
    if not home.current.is_symlink():
        return None
    target = home.current.readlink()
    is_release = target == _link_target(home, target.name) and _RELEASE_NAME.fullmatch(target.name)
    return target.name if is_release and home.current.is_dir() else None


def _link_target(home: Home, name: str) -> Path:
    """Return what `current` contains: a relative path, so that a home can be moved or mounted elsewhere."""
    return Path(home.releases.name, name)


def _served_seq(home: Home) -> int | None:
    name = _served_name(home)
    return int(name.partition("-")[0]) if name else None


def _read(home: Home, path: Path) -> Release | None:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        return Release(
            seq=int(manifest["seq"]),
            run_id=str(manifest["run_id"]),
            as_of=date.fromisoformat(manifest["as_of"]),
            path=path,
            served=path.name == _served_name(home),
            manifest=manifest,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.warning("%s cannot be read: %s", path / MANIFEST, error)
        return None


def _find(home: Home, release: Release | int | None) -> Path | None:
    if isinstance(release, Release):
        return release.path
    if release is None:
        name = _served_name(home)
        return home.releases / name if name else None
    path = dict(_folders(home)).get(release)
    if path is None:
        raise WarehouseError(f"{home.releases} has no release {release}; list the releases and choose one.")
    return path


def _problems(home: Home, path: Path) -> Iterator[str]:
    release = _read(home, path)
    if release is None:
        yield f"{path / MANIFEST} cannot be read."
        return
    if f"{release.seq}-{release.run_id}" != path.name:
        yield f"{path / MANIFEST} belongs to another release."
    recorded = {line["seq"]: line.get("manifest_sha256") for line in read_lines(home.ledger)}
    if recorded.get(release.seq, "") not in ("", sha256(path / MANIFEST)):
        yield f"{path / MANIFEST} has changed since the release was recorded."

    expected, found = dict(release.manifest.get("files", {})), dict(_files(path))
    yield from (f"{path / name} is missing." for name in sorted(expected.keys() - found.keys()))
    yield from (f"{path / name} is not part of the release." for name in sorted(found.keys() - expected.keys()))
    common = sorted(expected.keys() & found.keys())
    damaged = [problem for name in common if (problem := _compare(found[name], expected[name]))]
    yield from damaged
    if damaged or len(common) < len(expected):
        return
    try:
        counts = count_rows(path)
    except WarehouseError as error:
        yield str(error)
        return
    if counts != release.manifest.get("row_counts"):
        yield f"{path / DATABASE} has other row counts than its manifest."


def _compare(path: Path, expected: Mapping[str, Any]) -> str | None:
    try:
        size = path.stat().st_size
        if size != expected["bytes"]:
            return f"{path} has {size} bytes instead of {expected['bytes']}."
        is_same = sha256(path) == expected["sha256"]
        return None if is_same else f"{path} has another content than when it was published."
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."


# Steps of intervening and of recovering


def _serve(home: Home, path: Path, action: str, served: int | None) -> Release:
    """Pin a release, then point to it; what it takes is written down first."""
    problems = list(_problems(home, path))
    if problems:
        raise WarehouseError(f"The release {path.name} is damaged and will not be served: {problems[0]}")
    seq = int(path.name.partition("-")[0])
    _audit(home, action, from_seq=served, to_seq=seq)
    write_whole(home.pin_file, json.dumps({"seq": seq}) + "\n")
    if seq != served:
        _point_to(home, path.name)
        sync(home.root)
    release = _read(home, path)
    if release is None:
        raise WarehouseError(f"{path / MANIFEST} cannot be read.")
    return release


def _audit(home: Home, action: str, **facts: object) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    append_line(home.audit, {"at": now, "action": action, **facts, "uid": os.getuid(), "pid": os.getpid()})


def _remove_debris(home: Home) -> Iterator[str]:
    broken = [path for _, path in _folders(home) if not (path / MANIFEST).exists()]
    temporary_files = [
        path for folder in (home.root, home.history, home.states) for path in sorted(folder.glob(".*.new"))
    ]
    for path in [*sorted(home.work.iterdir()), *broken, *temporary_files]:
        _remove(home, path)
        yield f"Removed {path}, which a run left unfinished."


def _restore_current(home: Home) -> Iterator[str]:
    """Complete a rollback that was cut off, and replace a link that is lost."""
    folders, served, pinned = dict(_folders(home)), _served_seq(home), pinned_seq(home)
    if pinned is not None and pinned not in folders:
        yield f"The pinned release {pinned} does not exist any more."
        pinned = None
    target = pinned
    if target is None and served is None:
        recorded = {int(line["seq"]) for line in read_lines(home.ledger)}
        # Without any record this is a first release that was cut off, or a home whose history is lost. It is
        # whole in either case, and removing what may be the only release would be worse than serving it.
        target = max(folders.keys() & recorded or folders.keys(), default=None)
    if target is not None and target != served:
        _audit(home, "recover", from_seq=served, to_seq=target)
        _point_to(home, folders[target].name)
        sync(home.root)
        yield f"Pointed {home.current} to the release {target} again."


def _remove_unreferenced(home: Home) -> Iterator[str]:
    """Remove releases that were renamed but never shown. Under a pin such releases are legitimate."""
    served = _served_seq(home)
    if served is None or pinned_seq(home) is not None:
        return
    recorded = {int(line["seq"]) for line in read_lines(home.ledger)}
    for seq, path in _folders(home):
        if seq > served and seq not in recorded:
            _remove(home, path)
            yield f"Removed {path}, which no reader has seen."


def _complete_history(home: Home) -> Iterator[str]:
    recorded = {int(line["seq"]) for line in read_lines(home.ledger)}
    releases = list_releases(home)
    for release in releases:
        if release.seq not in recorded:
            _settle(home, release)
            yield f"Recorded the release {release.name}."
    for source in _newest_states(releases):
        if not (home.states / source.name).exists():
            place_copy(source, home.states / source.name)
            yield f"Recreated {home.states / source.name}."


def _newest_states(releases: Sequence[Release]) -> Iterable[Path]:
    return {path.name: path for release in releases for path in _state_files(release.path)}.values()


def _state_files(release: Path) -> list[Path]:
    return sorted((release / STATES).glob("as_of=*.parquet"))


def _remove(home: Home, path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
    else:
        shutil.rmtree(_retire(home, path) if path.parent == home.releases else path)
