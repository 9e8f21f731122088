"""What each command answers, and with which exit status."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestration import cli, nightly
from orchestration.cli import Exit
from orchestration.nightly import NightlyOptions, Outcome, Step
from rules.errors import Problem, RulesError
from warehouse.connection import connect
from warehouse.errors import LockHeld, WarehouseError
from warehouse.home import Home
from warehouse.lock import RunLock
from warehouse.releases import export_marts, new_work, publish

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("KEEPRATE_HOME", "KEEPRATE_LANDING", "KEEPRATE_CONFIG", "DAGSTER_HOME"):
        monkeypatch.delenv(variable, raising=False)


def keeprate(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def in_one_piece(text: str) -> str:
    """Undo the line breaks and frames of a message laid out for a terminal."""
    return " ".join(text.replace("│", " ").split())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def publish_night(home: Path, as_of: str) -> None:
    """Publish a release that holds two customers."""
    warehouse = Home(home)
    run_id = f"night-{as_of}"
    work = new_work(warehouse, run_id)
    build = home.parent / f"{run_id}.duckdb"
    with connect(build) as con:
        con.execute("create schema marts")
        con.execute("create table marts.customers as select unnest(['a', 'b']) as customer_id")
    export_marts(build, work, {"customers": ["customer_id"]})
    publish(warehouse, work, {"run_id": run_id, "as_of": as_of, "code_version": "0.1.0", "config_hash": "abc"})


@pytest.fixture
def two_releases(home: Path) -> Path:
    publish_night(home, "2026-03-01")
    publish_night(home, "2026-03-02")
    return home


class Night:
    """Takes the place of the night, whose own tests run it, so that every outcome can be had at will."""

    def __init__(self) -> None:
        self.options: NightlyOptions | None = None
        self.outcome = outcome()
        self.work: Callable[[], None] = lambda: None

    def run(self, options: NightlyOptions) -> Outcome:
        self.options = options
        self.work()
        return self.outcome


def outcome(**changes: Any) -> Outcome:
    published = Outcome(
        exit_code=0,
        as_of=date(2026, 3, 2),
        kind="published",
        release="2-night-2026-03-02",
        served=True,
        steps=[Step("orders", 541909, 2.34), Step("report", None, 0.1)],
        where={"warehouse": Path("/srv/home/current/warehouse.duckdb")},
    )
    return replace(published, **changes)


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> Night:
    night = Night()
    monkeypatch.setattr(nightly, "run", night.run)
    return night


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "business.yml"
    path.touch()
    return path


def test_help_is_fast_because_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; from orchestration.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'dagster', 'duckdb', 'dbt', 'pandas', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.splitlines()[-1] == "[]"
    for command in ("run", "dev", "releases", "verify", "rollback", "unpin", "doctor"):
        assert f" {command} " in result.stdout


def test_run_hands_its_options_to_the_night(
    night: Night, home: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    result = keeprate(
        *("run", "--home", home, "--landing", tmp_path / "in", "--config", config),
        *("--as-of", "2026-03-02", "--full-refresh", "--debug"),
    )
    assert result.exit_code == Exit.DONE, result.output
    assert night.options == NightlyOptions(
        home=home, landing=tmp_path / "in", config=config, as_of="2026-03-02", full_refresh=True, debug=True
    )
    monkeypatch.setenv("KEEPRATE_HOME", str(home / "other"))
    keeprate("run", "--config", config, "--as-of", "latest")
    assert (night.options.home, night.options.landing, night.options.as_of) == (
        home / "other",
        None,
        "latest",
    )


def test_run_summarises_steps_figures_and_where_to_look(night: Night, two_releases: Path, config: Path) -> None:
    result = keeprate("run", "--home", two_releases, "--config", config)
    assert "541,909" in result.stdout
    assert "2.3" in result.stdout
    assert "2 customers" in result.stdout
    assert "/srv/home/current/warehouse.duckdb" in result.stdout
    assert result.stdout.splitlines()[-1] == "Published release 2-night-2026-03-02 as of 2026-03-02; it is served now."


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": "published", "served": False}, "another one is pinned"),
        ({"kind": "backfilled", "release": None}, "a later day is served and did not change"),
        ({"kind": "refused", "exit_code": 1, "release": None}, "nothing was published"),
        ({"kind": "failed", "exit_code": 4, "release": None}, "Failed as of 2026-03-02: what was served"),
    ],
)
def test_every_outcome_is_said_in_a_sentence_and_keeps_its_status(
    night: Night, home: Path, config: Path, changes: dict[str, Any], sentence: str
) -> None:
    night.outcome = outcome(**changes, reasons=["orders.csv [x] is cut short."], warnings=["old export"])
    result = keeprate("run", "--home", home, "--config", config)
    assert result.exit_code == changes.get("exit_code", 0)
    assert sentence in result.stdout
    assert "- orders.csv [x] is cut short." in result.stdout
    assert "Warning: old export" in result.stdout


def test_progress_goes_to_standard_error_and_leaves_the_logger_as_it_was(
    night: Night, home: Path, config: Path
) -> None:
    logger = logging.getLogger("keeprate")
    before = (logger.level, logger.propagate, list(logger.handlers))
    night.work = lambda: logging.getLogger("keeprate.orders").info("orders: 541,909 rows in 2.3 s")
    result = keeprate("run", "--home", home, "--config", config)
    assert "orders: 541,909 rows in 2.3 s" in result.stderr
    assert "orders: 541,909 rows" not in result.stdout
    assert (logger.level, logger.propagate, logger.handlers) == before


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            LockHeld("run.lock is held: process 7 works.", 7),
            Exit.LOCKED,
            "keeprate: run.lock is held: process 7",
        ),
        (WarehouseError("The file is gone."), Exit.FAILED, "keeprate: The file is gone."),
        (
            RulesError([Problem(Path("b.yml"), 12, "too large")]),
            Exit.MISUSE,
            "keeprate: b.yml, line 12: too large",
        ),
        (PermissionError(13, "Permission denied", "/srv"), Exit.FAILED, "keeprate: Permission denied: /srv."),
        (ZeroDivisionError("division by zero"), Exit.FAILED, "keeprate: ZeroDivisionError: division by zero"),
        (KeyboardInterrupt(), Exit.FAILED, "keeprate: Interrupted"),
    ],
)
def test_errors_are_a_sentence_and_a_status_without_traceback(
    night: Night, home: Path, config: Path, error: BaseException, status: Exit, text: str
) -> None:
    def fail() -> None:
        raise error

    night.work = fail
    result = keeprate("run", "--home", home, "--config", config)
    assert result.exit_code == status
    assert result.stderr.startswith(text)
    assert "Traceback" not in result.stderr


def test_debug_shows_the_traceback_and_keeps_the_status(night: Night, home: Path, config: Path) -> None:
    def fail() -> None:
        raise WarehouseError("The file is gone.")

    night.work = fail
    result = keeprate("run", "--home", home, "--config", config, "--debug")
    assert result.exit_code == Exit.FAILED
    assert "Traceback" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--as-of", "09.12.2011"), "neither a day"),
        (("--as-of", "2011-02-30"), "neither a day"),
        (("--as-of", "1989-12-31"), "before 1990-01-01"),
        (("--config", "nowhere.yml"), "nowhere.yml does not exist"),
        (("--landing", "nowhere"), "nowhere does not exist"),
        (("--unknown",), "No such option"),
    ],
)
def test_wrong_use_is_said_and_starts_nothing(
    night: Night, home: Path, config: Path, arguments: tuple[str, ...], text: str
) -> None:
    result = keeprate("run", "--home", home, "--config", config, *arguments)
    assert result.exit_code == Exit.MISUSE
    assert text in in_one_piece(result.stderr)
    assert night.options is None


def test_releases_are_listed_newest_first_with_the_served_one_marked(two_releases: Path) -> None:
    result = keeprate("releases", "--home", two_releases)
    assert result.exit_code == Exit.DONE
    newest, oldest = (line for line in result.stdout.splitlines() if "2026-03-0" in line)
    assert "2026-03-02" in newest
    assert "served" in newest
    assert "2026-03-01" in oldest
    assert "served" not in oldest


def test_a_home_without_releases_says_so(home: Path) -> None:
    home.mkdir()
    assert "Nothing is published yet" in keeprate("releases", "--home", home).stdout


def test_verify_passes_a_whole_release_and_refuses_a_damaged_one(two_releases: Path) -> None:
    result = keeprate("verify", "--home", two_releases)
    assert (result.exit_code, result.stdout) == (Exit.DONE, "Release 2, as of 2026-03-02, is intact.\n")
    file = two_releases / "current" / "marts" / "customers.parquet"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    result = keeprate("verify", "--home", two_releases)
    assert result.exit_code == Exit.REFUSED
    assert "customers.parquet" in result.stdout
    assert keeprate("verify", "1", "--home", two_releases).exit_code == Exit.DONE


def test_rollback_pins_until_unpin(two_releases: Path) -> None:
    result = keeprate("rollback", "--home", two_releases)
    assert result.stdout == "Release 1, as of 2026-03-01, is served and pinned.\n"
    assert "pinned" in keeprate("releases", "--home", two_releases).stdout
    publish_night(two_releases, "2026-03-03")
    assert "Release 1," in keeprate("verify", "--home", two_releases).stdout
    result = keeprate("unpin", "--home", two_releases)
    assert result.stdout == "Release 3, as of 2026-03-03, is served; nothing is pinned.\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("rollback", "9"), "There is no release 9"),
        (("rollback", "2"), "served already"),
        (("verify", "9"), "choose one of those kept: 1, 2."),
        (("unpin",), "Nothing is pinned"),
    ],
)
def test_what_cannot_be_done_is_wrong_use(two_releases: Path, arguments: tuple[str, ...], text: str) -> None:
    result = keeprate(*arguments, "--home", two_releases)
    assert result.exit_code == Exit.MISUSE
    assert text in result.stderr


@pytest.mark.parametrize("command", ["releases", "verify", "rollback", "unpin"])
def test_a_mistyped_home_is_wrong_use_and_is_not_created(home: Path, command: str) -> None:
    result = keeprate(command, "--home", home)
    assert result.exit_code == Exit.MISUSE
    assert "does not exist" in result.stderr
    assert not home.exists()


@pytest.mark.parametrize("command", ["rollback", "unpin"])
def test_nothing_is_rolled_back_while_a_run_holds_the_lock(two_releases: Path, command: str) -> None:
    with RunLock(Home(two_releases)):
        result = keeprate(command, "--home", two_releases)
    assert result.exit_code == Exit.LOCKED
    assert f"process {os.getpid()}" in result.stderr


def test_dev_listens_on_the_loopback_only() -> None:
    command = cli.dev_command(3100)
    assert command[:4] == [sys.executable, "-m", "dagster", "dev"]
    assert command[command.index("-h") + 1] == "127.0.0.1"
    assert command[command.index("-p") + 1] == "3100"


def test_dev_passes_whole_paths_because_it_leaves_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.dev_environment(None, Path("b.yml")) == {"KEEPRATE_CONFIG": str(tmp_path / "b.yml")}
    assert cli.dev_environment(Path("in"), Path("b.yml"))["KEEPRATE_LANDING"] == str(tmp_path / "in")


def test_dev_refuses_a_port_that_is_taken(home: Path, config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = keeprate("dev", "--home", home, "--config", config, "--port", port)
    assert result.exit_code == Exit.MISUSE
    assert f"Port {port} cannot be used" in result.stderr
    assert not home.exists()


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture
def dev_server(home: Path, free_port: int) -> Iterator[subprocess.Popen[str]]:
    code = "from orchestration.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "dev", "--home", str(home), "--port", str(free_port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Dagster starts a web server and a daemon: a group of their own, so that a failing test leaves none.
        start_new_session=True,
    )
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_until_open(port: int, process: subprocess.Popen[str]) -> None:
    """Dagster says that it serves a moment before its port is open."""
    give_up_at = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < give_up_at:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
    pytest.fail(f"nothing listens on port {port}")


@pytest.mark.slow
def test_dev_serves_the_asset_graph_and_stops_on_interrupt(dev_server: subprocess.Popen[str], free_port: int) -> None:
    assert dev_server.stdout is not None
    # The end of Dagster's output would mean that it could not start.
    address = f"Serving dagster-webserver on http://127.0.0.1:{free_port}"
    assert any(address in line for line in dev_server.stdout)
    wait_until_open(free_port, dev_server)
    query = json.dumps({"query": "{ assetNodes { assetKey { path } } }"}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{free_port}/graphql", query, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        assert json.load(response)["data"]["assetNodes"]
    dev_server.send_signal(signal.SIGINT)
    dev_server.communicate(timeout=60)


def test_doctor_ends_with_one_when_something_is_wrong(home: Path, tmp_path: Path) -> None:
    result = keeprate("doctor", "--home", home, "--config", tmp_path / "nowhere.yml")
    assert result.exit_code == Exit.REFUSED
    assert "✓ Nothing is published yet." in result.stdout
    assert "nowhere.yml" in result.stdout
    assert "✗ " in result.stdout
    assert not home.exists()


def test_inspect_tells_how_a_file_would_be_read(tmp_path: Path) -> None:
    file = tmp_path / "shop" / "orders-2024.csv"
    file.parent.mkdir()
    file.write_text("order_id,ordered_at,net_amount,colour\n1,2024-01-01,5.00,red\n2,tomorrow,6.00,blue\n")
    answer = keeprate("inspect", file)
    assert answer.exit_code == Exit.DONE
    told = in_one_piece(answer.output)
    assert "generic, orders → orders (told by name and headers; 75% of its columns are known)" in told
    assert "encoding utf-8" in told
    assert "header read as becomes" in told
    assert "net_amount net_amount net_amount" in told
    assert "unmapped colour" in told
    assert "records 2: 1 readable, 1 rejected, 0 ignored" in told
    assert "record 2, bad_date in ordered_at: 'tomorrow'" in told
    assert "first orders: order_id 1 · ordered_at 2024-01-01T04:00:00Z · status completed · kind sale" in told


def test_inspect_tells_what_words_mean_and_which_are_unknown(tmp_path: Path) -> None:
    file = tmp_path / "olist" / "olist_orders.csv"
    file.parent.mkdir()
    header = "order_id,customer_id,order_status,order_purchase_timestamp"
    file.write_text(f"{header}\n1,7,delivered,2018-01-01\n2,7,parked,2018-01-01\n")
    told = in_one_piece(keeprate("inspect", file).output)
    assert "words order_status → orders.status: 'parked' 1× unknown, 'delivered' 1× completed" in told
    assert "unusual the column 'order_status' has words that the profile does not know: 'parked' 1×" in told


def test_inspect_says_why_a_file_cannot_be_read_and_suggests_how_it_could(tmp_path: Path) -> None:
    file = tmp_path / "表单" / "门店订单2024.csv"
    file.parent.mkdir()
    file.write_text("订单号码,下单时间,客户代码,实付总金额\nA1,31/12/2024,KH1,12.50\n", encoding="utf-8")
    answer = keeprate("inspect", file)
    assert answer.exit_code == Exit.REFUSED
    assert "refused its headers fit no profile" in in_one_piece(answer.output)
    suggestion = keeprate("inspect", "--suggest", file)
    assert suggestion.exit_code == Exit.DONE
    (file.parent / "source.yml").write_text(suggestion.stdout + 'dates: ["%d/%m/%Y"]\n', encoding="utf-8")
    assert "records 1: 1 readable, 0 rejected, 0 ignored" in in_one_piece(keeprate("inspect", file).output)


def test_inspect_of_a_file_that_is_not_there_is_misuse(tmp_path: Path) -> None:
    assert keeprate("inspect", tmp_path / "none.csv").exit_code == Exit.MISUSE


@pytest.mark.parametrize("key", ["not a key", "5e" * 31, "5g" * 32])
def test_a_secret_that_is_none_is_told_before_the_night_begins(
    home: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("KEEPRATE_IDENTIFIER_KEY", key)
    answer = keeprate("run", "--home", home)
    assert answer.exit_code == Exit.MISUSE
    assert answer.stdout == ""
    [line] = answer.stderr.splitlines()
    assert line.startswith(
        "keeprate: The key in the environment variable KEEPRATE_IDENTIFIER_KEY is not 64 hexadecimal digits;"
    )
    assert key not in line
    assert not Home(home).build_file.exists()


def test_replay_says_where_it_looked_for_the_exports(home: Path, tmp_path: Path) -> None:
    worklist = tmp_path / "rejected_records.csv"
    worklist.write_text(
        "source,file,delivery_id,feed,record_no,column_name,corrected_value\nshop,orders.csv,0,orders,1,net_amount,1\n"
    )
    Home(home).prepare()
    answer = keeprate("replay", worklist, "--home", home)
    assert answer.exit_code == Exit.REFUSED
    assert f"there is no folder {home / 'landing' / 'shop'}; put it back, or name with --landing" in answer.output
    Home(home).landing.rmdir()
    answer = keeprate("replay", worklist, "--home", home)
    assert answer.exit_code == Exit.MISUSE
    assert f"The folder {home / 'landing'} does not exist; name another one with --landing." in answer.output
    answer = keeprate("replay", worklist, "--home", home, "--landing", tmp_path / "elsewhere")
    assert answer.exit_code == Exit.MISUSE
    assert f"The folder {tmp_path / 'elsewhere'} does not exist; name another one with --landing." in answer.output
