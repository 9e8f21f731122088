"""The command line: ``keeprate``.

Belongs here: commands, their options, exit statuses and error sentences. Does not belong here: the work itself.
What is heavy to import is imported by the command that needs it, so that ``keeprate --help`` answers at once.

Exit status: 0 done · 1 a gate, a test or a refused file said no · 2 wrong use or configuration · 3 another run holds
the lock · 4 failure.
"""

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

CONFIG = Path(__file__).resolve().parents[1] / "config" / "business.yml"
LATEST = "latest"
_FIRST_DAY = date(1990, 1, 1)
_LOOPBACK = "127.0.0.1"


class Exit(IntEnum):
    """Exit statuses of every command."""

    DONE = 0
    REFUSED = 1
    MISUSE = 2
    LOCKED = 3
    FAILED = 4


class MisuseError(Exception):
    """A command cannot do what it was asked to; the text is one sentence for the user."""


app = typer.Typer(
    name="keeprate",
    help="From raw CRM exports to customer value and lists to act on, every night.",
    epilog="Exit status: 0 done, 1 refused, 2 wrong use or configuration, 3 locked, 4 failure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _day_or_latest(text: str | None) -> str | None:
    """Accept a day or the word that stands for the last day in the data."""
    if text is None or text == LATEST:
        return text
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither a day (YYYY-MM-DD) nor {LATEST!r}.") from None
    if day < _FIRST_DAY:
        raise typer.BadParameter(f"{day} is before {_FIRST_DAY}, the first day there is.")
    return day.isoformat()


HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="KEEPRATE_HOME", file_okay=False, help="Folder that holds everything."),
]
LandingOption = Annotated[
    Path | None,
    typer.Option(
        "--landing",
        envvar="KEEPRATE_LANDING",
        file_okay=False,
        help="Folder the exports arrive in.",
        show_default="<home>/landing",
    ),
]
ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        envvar="KEEPRATE_CONFIG",
        dir_okay=False,
        help="Business rules, complete in one file.",
        show_default="config/business.yml",
    ),
]
AsOfOption = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar=f"YYYY-MM-DD|{LATEST}",
        callback=_day_or_latest,
        help=f"Last day that counts; {LATEST!r} takes the last day in the data.",
        show_default="yesterday in the business time zone",
    ),
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks and what developers need.")]
HOME = Path("data")


@app.command()
def run(
    home: HomeOption = HOME,
    landing: LandingOption = None,
    config: ConfigOption = CONFIG,
    as_of: AsOfOption = None,
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Build every table from the beginning.")] = False,
    debug: DebugOption = False,
) -> None:
    """Run the night once, in this process, and publish its result."""
    from orchestration.console import print_outcome, progress

    with _sentences(debug=debug), progress(debug=debug):
        _require_file(config)
        if landing is not None:
            _require_folder(landing, "--landing")
        from orchestration.nightly import NightlyOptions
        from orchestration.nightly import run as run_night

        outcome = run_night(NightlyOptions(home, landing, config, as_of, full_refresh, debug))
        print_outcome(outcome, _row_counts(home, outcome.release))
        raise typer.Exit(outcome.exit_code)


@app.command()
def dev(
    home: HomeOption = HOME,
    landing: LandingOption = None,
    config: ConfigOption = CONFIG,
    port: Annotated[int, typer.Option("--port", "-p", min=1, max=65535, help="Port on the loopback.")] = 3000,
    debug: DebugOption = False,
) -> None:
    """Open the asset graph in a browser and run schedules and sensors, reachable from this machine only."""
    with _sentences(debug=debug):
        _require_file(config)
        _require_free(port)
        from orchestration import instance

        instance.prepare(home)
        os.environ.update(dev_environment(landing, config))
        # From a folder with another dagster.yaml, Dagster would warn that it is not the one in force.
        os.chdir(instance.dagster_home(home))
        command = dev_command(port)
        # Becoming Dagster instead of starting it: signals and the exit status need no forwarding.
        os.execv(command[0], command)


@app.command()
def releases(home: HomeOption = HOME, debug: DebugOption = False) -> None:
    """List the published versions."""
    from orchestration.console import print_releases

    with _sentences(debug=debug):
        from warehouse.home import Home
        from warehouse.releases import list_releases, pinned_seq

        _require_folder(home, "--home")
        print_releases(list_releases(Home(home)), pinned_seq(Home(home)))


@app.command()
def verify(
    seq: Annotated[int | None, typer.Argument(metavar="[SEQ]", help="Release; default: the served one.")] = None,
    home: HomeOption = HOME,
    debug: DebugOption = False,
) -> None:
    """Compare a release with its manifest, byte by byte."""
    with _sentences(debug=debug):
        from warehouse.home import Home
        from warehouse.releases import list_releases
        from warehouse.releases import verify as find_problems

        _require_release(home, seq)
        problems = find_problems(Home(home), seq)
        for problem in problems:
            typer.echo(problem)
        if problems:
            raise typer.Exit(Exit.REFUSED)
        checked = next(
            release for release in list_releases(Home(home)) if (release.served if seq is None else release.seq == seq)
        )
        typer.echo(f"Release {checked.seq}, as of {checked.as_of}, is intact.")


@app.command()
def rollback(
    seq: Annotated[int | None, typer.Argument(metavar="[SEQ]", help="Release; default: the one before.")] = None,
    home: HomeOption = HOME,
    debug: DebugOption = False,
) -> None:
    """Serve an earlier release and pin it: nights go on publishing, but readers stay there until `unpin`."""
    with _sentences(debug=debug):
        from warehouse.home import Home
        from warehouse.releases import rollback as roll_back

        _require_release(home, seq)
        with _impossible_is_misuse():
            release = roll_back(Home(home), seq)
        typer.echo(f"Release {release.seq}, as of {release.as_of}, is served and pinned.")


@app.command()
def unpin(home: HomeOption = HOME, debug: DebugOption = False) -> None:
    """Serve the newest release again, and every later one."""
    with _sentences(debug=debug):
        from warehouse.home import Home
        from warehouse.releases import unpin as remove_pin

        _require_folder(home, "--home")
        with _impossible_is_misuse():
            release = remove_pin(Home(home))
        typer.echo(f"Release {release.seq}, as of {release.as_of}, is served; nothing is pinned.")


@app.command()
def doctor(
    home: HomeOption = HOME,
    landing: LandingOption = None,
    config: ConfigOption = CONFIG,
    debug: DebugOption = False,
) -> None:
    """Find out what is wrong with this installation, and what to do."""
    from orchestration.console import print_finding, progress

    with _sentences(debug=debug), progress(debug=debug):
        from orchestration.doctor import Setup, examine
        from warehouse.home import Home

        healthy = True
        for finding in examine(Setup(home, landing or Home(home).landing, config)):
            print_finding(finding)
            healthy = healthy and finding.ok
        raise typer.Exit(Exit.DONE if healthy else Exit.REFUSED)


@app.command()
def inspect(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Exports, wherever they lie.")],
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Write a source.yml with the best mapping found to standard output.")
    ] = False,
    config: ConfigOption = CONFIG,
    debug: DebugOption = False,
) -> None:
    """Say how files would be read: profile, encoding, columns, counts and the first rejects. Nothing is loaded."""
    from orchestration.console import print_inspection, progress

    with _sentences(debug=debug), progress(debug=debug):
        _require_file(config)
        for file in files:
            if not file.is_file():
                raise MisuseError(f"The file {file} does not exist.")
        from rules import load as load_rules
        from sources import SourceDefaults
        from sources import inspect as look_at
        from warehouse.connection import connect

        business = load_rules(config).business
        with connect() as con:
            found = look_at(con, files, defaults=SourceDefaults(business.time_zone, business.base_currency))
        if suggest:
            typer.echo(found.suggestion(), nl=False)
            return
        print_inspection(found)
        raise typer.Exit(Exit.REFUSED if any(file.refused for file in found.files) else Exit.DONE)


@app.command()
def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", file_okay=False, help="Becomes a home: landing/ gets the exports.")
    ],
    customers: Annotated[
        int, typer.Option("--customers", min=1, max=10_000_000, help="People and accounts of the company.")
    ] = 2_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same number writes the same files.")] = 1,
    lines_per_order: Annotated[
        float, typer.Option("--lines-per-order", min=1, max=5, help="About how many goods are in an order.")
    ] = 1.8,
    debug: DebugOption = False,
) -> None:
    """Write the exports of a simulated company's systems, and the truth about them."""
    from orchestration.console import print_demo, progress

    with _sentences(debug=debug), progress(debug=debug):
        if (folder / "landing").exists() and not (folder / "truth" / "parameters.json").exists():
            raise MisuseError(f"The folder {folder} holds exports that are no demo's; name another one.")
        import tempfile

        from demo import write_demo
        from warehouse.connection import connect

        folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".demo-", dir=folder) as desk,
            connect(Path(desk) / "simulation.duckdb", memory_limit="4GB") as con,
        ):
            summary = write_demo(con, folder, customers=customers, seed=seed, lines_per_order=lines_per_order)
        print_demo(summary, folder)


@app.command()
def replay(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A release's rejected_records.csv with corrected_value filled in.")
    ],
    home: HomeOption = HOME,
    landing: LandingOption = None,
    config: ConfigOption = CONFIG,
    debug: DebugOption = False,
) -> None:
    """Put corrected records into landing, for the next run to load."""
    from orchestration.console import print_replayed, progress

    with _sentences(debug=debug), progress(debug=debug):
        _require_file(config)
        _require_folder(home, "--home")
        if not file.is_file():
            raise MisuseError(f"The file {file} does not exist.")
        from rules import load as load_rules
        from sources import RefusedFileError, SourceDefaults
        from sources import replay as write_corrections
        from warehouse.connection import connect
        from warehouse.home import Home

        paths, business = Home(home), load_rules(config).business
        exports = landing or paths.landing
        _require_folder(exports, "--landing")
        try:
            with connect() as con:
                done = write_corrections(
                    con,
                    file,
                    landing=exports,
                    raw=paths.raw,
                    defaults=SourceDefaults(business.time_zone, business.base_currency),
                )
        except RefusedFileError as error:
            raise MisuseError(f"The file {file} cannot be used: {error.reason}.") from error
        print_replayed(done, exports)
        raise typer.Exit(Exit.REFUSED if done.refused else Exit.DONE)


class Language(StrEnum):
    """Languages that explanations are written in."""

    ZH = "zh"
    EN = "en"


@app.command()
def explain(
    customer: Annotated[
        str, typer.Argument(metavar="CUSTOMER_ID", help="Customer, by id, by a retired id or as SOURCE:ID.")
    ],
    metric: Annotated[str | None, typer.Argument(metavar="[METRIC]", help="Figure; default: a list of all.")] = None,
    home: HomeOption = HOME,
    config: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Business rules to go by.", show_default="those of the release"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print plain values for a program to read.")] = False,
    language: Annotated[Language, typer.Option("--lang", help="Language of the sentences.")] = Language.EN,
    debug: DebugOption = False,
) -> None:
    """Trace a published number of a customer back to raw rows and rules, and work it out again from them."""
    with _sentences(debug=debug):
        if config is not None:
            _require_file(config)
        _require_folder(home, "--home")
        from orchestration.explaining import open_home
        from orchestration.explanations import tell_explanation, tell_figures
        from warehouse.identifiers import KEY_VARIABLE

        with _impossible_is_misuse(), open_home(home, config, os.environ.get(KEY_VARIABLE)) as questions:
            if metric is None:
                tell_figures(questions, customer, language.value, as_plain=as_json)
            elif not tell_explanation(questions, customer, metric, language.value, as_plain=as_json):
                raise typer.Exit(Exit.REFUSED)


rules_app = typer.Typer(
    help="Check business rules, and see what they would change.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(rules_app, name="rules")
RulesArgument = Annotated[
    Path,
    typer.Argument(
        metavar="[FILE]",
        envvar="KEEPRATE_CONFIG",
        dir_okay=False,
        help="Business rules, complete in one file.",
        show_default="config/business.yml",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print plain values for a program to read.")]


@rules_app.command("check")
def rules_check(file: RulesArgument = CONFIG, debug: DebugOption = False) -> None:
    """Say whether a rules file can be used, and else each mistake with its line. Nothing else runs."""
    from orchestration.console import print_rules

    with _sentences(debug=debug):
        from rules import load as load_rules

        print_rules(load_rules(file), file)


@rules_app.command("preview")
def rules_preview(
    file: RulesArgument = CONFIG,
    home: HomeOption = HOME,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say who would move between tiers, stages, segments and lists, with how much value. Nothing is published."""
    from orchestration.console import print_preview, progress

    with _sentences(debug=debug), progress(debug=debug):
        from rules import load as load_rules

        rules = load_rules(file)
        _require_folder(home, "--home")
        from orchestration.trials import preview

        told = preview(home, rules)
        if as_json:
            typer.echo(json.dumps(told.as_json(), ensure_ascii=False, indent=2))
        else:
            print_preview(told)


@rules_app.command("compare")
def rules_compare(
    first: Annotated[Path, typer.Argument(metavar="A", dir_okay=False, help="The rules in force, for one.")],
    second: Annotated[Path, typer.Argument(metavar="B", dir_okay=False, help="The rules that might replace them.")],
    home: HomeOption = HOME,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say who is classed otherwise by two rules files, and which of them had told better what customers did next."""
    from orchestration.console import print_comparison, progress

    with _sentences(debug=debug), progress(debug=debug):
        from rules import load as load_rules

        rules = load_rules(first), load_rules(second)
        _require_folder(home, "--home")
        from orchestration.trials import compare

        told = compare(home, *rules)
        if as_json:
            typer.echo(json.dumps(told.as_json(), ensure_ascii=False, indent=2))
        else:
            print_comparison(told, (str(first), str(second)))


def dev_command(port: int) -> list[str]:
    """Command that serves the definitions on the loopback."""
    return [
        *(sys.executable, "-m", "dagster", "dev"),
        *("-m", "orchestration.definitions", "-h", _LOOPBACK, "-p", str(port)),
    ]


def dev_environment(landing: Path | None, config: Path) -> dict[str, str]:
    """Variables by which the definitions find the same files as ``run`` would, from any folder."""
    paths = {"KEEPRATE_CONFIG": config, **({"KEEPRATE_LANDING": landing} if landing else {})}
    return {name: str(path.resolve()) for name, path in paths.items()}


def exit_status(error: Exception) -> Exit:
    """Exit status an exception ends a command with."""
    from rules.errors import RulesError
    from sources.errors import ProfileError
    from warehouse.errors import IdentifierKeyError, LockHeld

    match error:
        case LockHeld():
            return Exit.LOCKED
        case IdentifierKeyError() | MisuseError() | ProfileError() | RulesError():
            return Exit.MISUSE
        case _:
            return Exit.FAILED


def sentence(error: Exception) -> str:
    """What a user is told about an exception."""
    from rules.errors import RulesError
    from sources.errors import ProfileError
    from warehouse.errors import WarehouseError

    if isinstance(error, MisuseError | ProfileError | RulesError | WarehouseError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}."
    # Nobody foresaw this one: its text alone may not help.
    text = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {text} (run again with --debug to see where)"


@contextmanager
def _sentences(*, debug: bool) -> Iterator[None]:
    """End the command with a sentence and an exit status instead of a traceback."""
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        # Typer would end with 1, which means that a gate said no.
        _fail("Interrupted; what was served before still is.", Exit.FAILED)
    except Exception as error:
        if debug:
            traceback.print_exc()
        _fail(sentence(error), exit_status(error))


def _fail(text: str, status: Exit) -> NoReturn:
    typer.echo(f"keeprate: {text}", err=True)
    raise typer.Exit(status)


@contextmanager
def _impossible_is_misuse() -> Iterator[None]:
    """Treat what the warehouse refuses to do as a wrong request, except when another run holds the lock."""
    from warehouse.errors import LockHeld, WarehouseError

    try:
        yield
    except LockHeld:
        raise
    except WarehouseError as error:
        raise MisuseError(str(error)) from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise MisuseError(f"The rules file {path} does not exist; name another one with --config.")


def _require_folder(path: Path, option: str) -> None:
    if not path.is_dir():
        raise MisuseError(f"The folder {path} does not exist; name another one with {option}.")


def _require_release(home: Path, seq: int | None) -> None:
    """Refuse a home that does not exist and a release that is not kept."""
    from warehouse.home import Home
    from warehouse.releases import list_releases

    _require_folder(home, "--home")
    if seq is not None and seq not in (kept := [release.seq for release in list_releases(Home(home))]):
        choice = ", ".join(map(str, kept)) or "none"
        raise MisuseError(f"There is no release {seq} in {home}; choose one of those kept: {choice}.")


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        # As the web server does: a port that was closed a moment ago counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError as error:
            raise MisuseError(f"Port {port} cannot be used ({error.strerror}); name another with --port.") from None


def _row_counts(home: Path, release: str | None) -> dict[str, int]:
    """Rows of each table of a published release; empty if there is none."""
    if release is None:
        return {}
    from warehouse.home import Home
    from warehouse.releases import list_releases

    found = [kept for kept in list_releases(Home(home)) if release in (kept.name, str(kept.seq))]
    return dict(found[-1].manifest.get("row_counts", {})) if found else {}


def main() -> None:
    """Entry point of the installed command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not cost the night its summary.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As scripts start what they put in the background. Dagster gives SIGTERM the handler of SIGINT, so that nothing
        # but a kill would end the night.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    app()
