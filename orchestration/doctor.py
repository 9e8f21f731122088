"""What is wrong with this installation, and what to do about it.

Belongs here: looking, without changing anything. Does not belong here: repairing, sending, or printing.
"""

import importlib.metadata
import logging
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orchestration.instance import SETTINGS, settings_in_force
from warehouse.home import Home

PROJECT = "keeprate"
LOCK = SETTINGS.with_name("requirements.lock")

_GIB = 1024**3
_MINIMUM_FREE = 2 * _GIB
# A night holds the build, the new release and its spill beside what is kept.
_FREE_PER_RELEASE = 5
_MOUNTS = Path("/proc/self/mounts")
_REMOTE = re.compile(
    r"(nfs|cifs|smb|9p|afs|ceph|glusterfs|lustre|gpfs|beegfs|davfs|ncpfs|ocfs2|gfs2|fuse\.(?!fuseblk))"
)

_log = logging.getLogger("keeprate.doctor")


@dataclass(frozen=True)
class Setup:
    """What is examined.

    Attributes
    ----------
    home : Path
        Home folder, which need not exist yet.
    landing : Path
        Folder the exports arrive in.
    config : Path
        Rules file.
    """

    home: Path
    landing: Path
    config: Path


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    ok : bool
        Whether that is as it should be.
    what : str
        One sentence.
    advice : str
        What to do; empty when nothing needs to be done.
    """

    ok: bool
    what: str
    advice: str = ""


def examine(setup: Setup) -> Iterator[Finding]:
    """Yield the findings of every check; a check that breaks is a finding too."""
    for check in CHECKS:
        try:
            yield from check(setup)
        except Exception as error:
            name = check.__name__.removeprefix("check_").replace("_", " ")
            _log.debug("The check of %s broke.", name, exc_info=True)
            what = f"The check of {name} broke: {type(error).__name__}: {error}"
            yield Finding(False, what, "Run `keeprate doctor --debug` and read the traceback.")


def check_python(_: Setup) -> Iterator[Finding]:
    """Whether this interpreter is one the project runs on."""
    from packaging.specifiers import SpecifierSet

    version = ".".join(map(str, sys.version_info[:3]))
    wanted = importlib.metadata.metadata(PROJECT)["Requires-Python"]
    ok = SpecifierSet(wanted).contains(version)
    advice = "" if ok else "Make the virtual environment again with a Python in that range."
    yield Finding(ok, f"Python {version} (wanted: {wanted}).", advice)


def check_packages(_: Setup) -> Iterator[Finding]:
    """Whether what is installed is what the project requires and what its lock names."""
    from packaging.requirements import Requirement

    # The environment's own folders only: a package may put copies that it carries onto the search path.
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    distributions = importlib.metadata.distributions(path=folders)
    installed = {normalised(each.metadata["Name"]): each.version for each in distributions}
    required = [
        requirement
        for requirement in map(Requirement, importlib.metadata.requires(PROJECT) or [])
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]
    advice = "Install the project again from its lock (`make setup`)."
    wrong = 0
    for requirement in required:
        version = installed.get(normalised(requirement.name))
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            wrong += 1
            found = "is not installed" if version is None else f"is installed as {version}"
            yield Finding(False, f"{requirement} is required, but {requirement.name} {found}.", advice)
    pins = locked_versions(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else {}
    for name in sorted(installed.keys() & pins.keys()):
        if installed[name] not in pins[name]:
            wrong += 1
            what = f"{name} is installed as {installed[name]}, but locked to {' or '.join(sorted(pins[name]))}."
            yield Finding(False, what, advice)
    if not wrong:
        what = f"{len(required)} required packages are installed"
        yield Finding(True, f"{what}, all in the versions of the lock." if pins else f"{what}.")


def check_folder(setup: Setup) -> Iterator[Finding]:
    """Whether the home can be written and lies on a disk of this machine."""
    folder = _existing(setup.home)
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield Finding(True, f"{folder} can be written.")
    except OSError as error:
        advice = "Give this account the right to write there, or choose another --home."
        yield Finding(False, f"{folder} cannot be written: {error.strerror}.", advice)
    kind = file_system_type(folder, _MOUNTS.read_text(encoding="utf-8")) if _MOUNTS.exists() else None
    if kind is not None and _REMOTE.match(kind):
        advice = "Move the home to a local disk: locks and renames are not dependable over a network."
        yield Finding(False, f"{folder} lies on a network file system ({kind}).", advice)
    elif kind is not None:
        yield Finding(True, f"{folder} lies on a local file system ({kind}).")


def check_disk(setup: Setup) -> Iterator[Finding]:
    """Whether there is room for a night."""
    free = shutil.disk_usage(_existing(setup.home)).free
    release = sum(path.stat().st_size for path in Home(setup.home).current.rglob("*") if path.is_file())
    wanted = max(_MINIMUM_FREE, _FREE_PER_RELEASE * release)
    ok = free >= wanted
    what = f"{free / _GIB:.1f} GiB are free on the disk of {setup.home}, a night may need {wanted / _GIB:.1f}."
    yield Finding(ok, what, "" if ok else "Free some space, or move the home to a larger disk.")


def check_rules(setup: Setup) -> Iterator[Finding]:
    """Whether the rules file is valid and its time zone is known on this machine."""
    from rules import RulesError, load

    try:
        rules = load(setup.config)
    except RulesError as error:
        for line in str(error).splitlines():
            yield Finding(False, line, "Correct the rules file; a night refuses to start with it.")
        return
    yield Finding(True, f"{setup.config} is valid.")
    yield time_zone_finding(rules.business.time_zone)


def check_landing(setup: Setup) -> Iterator[Finding]:
    """Whether exports arrive where they are looked for."""
    from orchestration.sensors import scan

    if not setup.landing.is_dir():
        advice = f"Create it, with a folder for each system's exports, such as {setup.landing / 'shop'}."
        yield Finding(False, f"The landing folder {setup.landing} does not exist.", advice)
        return
    files = [name for name, _ in scan(setup.landing)]
    stray = sorted(name for name in files if "/" not in name)
    for name in stray:
        advice = "Move it into a folder named after the system it comes from."
        yield Finding(False, f"{setup.landing / name} belongs to no source.", advice)
    if not stray:
        sources = {name.partition("/")[0] for name in files}
        yield Finding(True, f"{setup.landing} holds {len(files)} file(s) of {len(sources)} source(s).")


def check_release(setup: Setup) -> Iterator[Finding]:
    """Whether what readers see is whole, and the home is not pinned to an old release."""
    from warehouse.releases import current_release, pinned_seq, verify

    home = Home(setup.home)
    if not home.current.is_symlink() and not home.current.exists():
        yield Finding(True, "Nothing is published yet.")
        return
    problems = verify(home)
    for problem in problems:
        yield Finding(False, problem, "Serve another release with `keeprate rollback`, or run the night again.")
    release = None if problems else current_release(home)
    if release is not None:
        yield Finding(True, f"Release {release.seq}, as of {release.as_of}, is served and intact.")
    if (pinned := pinned_seq(home)) is not None:
        advice = "`keeprate unpin` serves the newest release again."
        yield Finding(True, f"Release {pinned} is pinned: nights publish, but readers stay there.", advice)


def check_permissions(setup: Setup) -> Iterator[Finding]:
    """Whether other accounts of the machine are kept out of what holds personal data."""
    home = Home(setup.home)
    private = [home.raw, home.rejected, home.build, home.work, home.history, home.identifier_key, home.dagster]
    restricted = home.current / "restricted"
    # Group access to the restricted folder is meant: marketing reads the lists.
    rules = [(path, 0o077) for path in private] + [
        (path, 0o007) for path in (restricted, *sorted(restricted.rglob("*")))
    ]
    opened = [path for path, forbidden in rules if path.exists() and path.stat().st_mode & forbidden]
    for path in opened:
        mode = f"{path.stat().st_mode & 0o777:04o}"
        advice = f"Close it: chmod {'o-rwx' if restricted in (path, *path.parents) else 'go-rwx'} {path}"
        yield Finding(False, f"{path} is open to other accounts ({mode}).", advice)
    if not opened:
        yield Finding(True, "Folders with personal data are closed to other accounts.")


def check_identifier_key(setup: Setup) -> Iterator[Finding]:
    """Whether published ids can be made of addresses and phones, and by which secret."""
    from warehouse.errors import IdentifierKeyError
    from warehouse.identifiers import KEY_VARIABLE, existing_identifier_key

    home, given = Home(setup.home), os.environ.get(KEY_VARIABLE)
    try:
        key = existing_identifier_key(home, given)
    except IdentifierKeyError as error:
        yield Finding(False, str(error), "A night refuses to start with it.")
        return
    if key is None:
        yield Finding(True, f"{home.identifier_key} does not exist yet; the first run makes it.")
        return
    place = f"the environment variable {KEY_VARIABLE}" if given else str(home.identifier_key)
    advice = "" if given else "Keep a copy apart from the home: without it, published ids change."
    yield Finding(True, f"The secret of the published ids is read from {place}.", advice)


def check_lock(setup: Setup) -> Iterator[Finding]:
    """Whether a run is under way; that is no fault, but explains why another one does not start."""
    from warehouse.lock import lock_holder

    holder = lock_holder(Home(setup.home))
    yield Finding(True, "No run is under way." if holder is None else str(holder))


def check_settings(setup: Setup) -> Iterator[Finding]:
    """Whether Dagster follows the project's settings in this home."""
    copy = Home(setup.home).dagster / SETTINGS.name
    if not copy.exists():
        yield Finding(True, f"{copy} does not exist yet; the next command that needs it copies it.")
    elif settings_in_force(setup.home):
        yield Finding(True, f"{copy} equals the project's.")
    else:
        advice = "Change the project's dagster.yaml instead; `keeprate run` and `keeprate dev` copy it."
        yield Finding(False, f"{copy} differs from {SETTINGS}.", advice)
    elsewhere = os.environ.get("DAGSTER_HOME")
    if elsewhere and Path(elsewhere).resolve() != copy.parent.resolve():
        advice = "Unset it: the commands set it themselves, but a bare `dagster` would use another history."
        yield Finding(False, f"DAGSTER_HOME points to {elsewhere}, not to this home.", advice)


def check_notifications(_: Setup) -> Iterator[Finding]:
    """Whether somebody would be told of a failure; nothing is sent."""
    from orchestration.notifications import URLS_VARIABLE, configured_urls, unusable_urls

    urls = configured_urls()
    if not urls:
        advice = f"Set {URLS_VARIABLE} to one or more Apprise addresses to be told of failures."
        yield Finding(True, "No notification is configured.", advice)
        return
    unusable = unusable_urls(urls)
    for scheme in unusable:
        advice = f"Correct it in {URLS_VARIABLE}; addresses are separated by spaces or line breaks."
        yield Finding(False, f"A notification address cannot be used ({scheme}).", advice)
    if not unusable:
        yield Finding(True, f"{len(urls)} notification address(es) can be used.")


CHECKS: tuple[Callable[[Setup], Iterator[Finding]], ...] = (
    check_python,
    check_packages,
    check_folder,
    check_disk,
    check_rules,
    check_landing,
    check_release,
    check_permissions,
    check_identifier_key,
    check_lock,
    check_settings,
    check_notifications,
)


def time_zone_finding(name: str) -> Finding:
    """Whether the rules of a time zone are known on this machine."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        advice = "Correct business.time_zone, or install the package tzdata."
        return Finding(False, f"The time zone {name} is not known here.", advice)
    return Finding(True, f"The business day ends at midnight in {name}.")


def file_system_type(folder: Path, mounts: str) -> str | None:
    """Type of the file system of ``folder`` by the text of ``/proc/self/mounts``; None if it does not say."""
    folder = folder.resolve()
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        # Blanks and other awkward characters of a path are written as octal escapes.
        path = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point))
        # A later mount on the same point hides an earlier one.
        if folder.is_relative_to(path) and (found is None or len(path.parts) >= found[0]):
            found = (len(path.parts), kind)
    return None if found is None else found[1]


def locked_versions(lock: str) -> dict[str, set[str]]:
    """Versions a lock file allows for each package: one, or one per platform and Python version."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE):
        versions.setdefault(normalised(name), set()).add(version)
    return versions


def normalised(name: str) -> str:
    """The one spelling of a package's name under which all its spellings are equal."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(folder for folder in (path.resolve(), *path.resolve().parents) if folder.is_dir())
