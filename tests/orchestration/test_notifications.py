"""What people are told about a failed night, and how often."""

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration import notifications
from orchestration.notifications import Delivery, Failure, deliver, notify

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
DEAD_END = "json://127.0.0.1:9/token-that-must-stay-secret"


class Channel:
    """A chat service on the loopback: collects what it is sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.status = 200
        channel = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"]))
                if channel.status == 200:
                    channel.messages.append(json.loads(text))
                self.send_response(channel.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def channel() -> Iterator[Channel]:
    channel = Channel()
    thread = threading.Thread(target=channel.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield channel
    channel.server.shutdown()
    thread.join()
    channel.server.server_close()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return notifications.ledger_path(tmp_path)


def failure(run_id: str = "run-1", reasons: tuple[str, ...] = ("orders.csv is cut short.",)) -> Failure:
    return Failure(run_id, "nightly", "2026-03-01", Path("/srv/home"), reasons, "release 7, as of 2026-02-28")


def test_a_message_says_what_failed_why_what_is_served_and_what_to_do(channel: Channel, ledger: Path) -> None:
    assert notify(failure(reasons=("first reason", "second reason")), ledger=ledger, urls=[channel.url])
    (message,) = channel.messages
    assert message["title"] == "Keeprate: nightly for 2026-03-01 failed"
    lines = message["message"].splitlines()
    assert lines[:2] == ["- first reason", "- second reason"]
    assert "Served meanwhile: release 7, as of 2026-02-28." in lines
    assert any("keeprate run --home /srv/home --as-of 2026-03-01" in line for line in lines)
    assert message["type"] == "failure"


def test_nothing_configured_means_no_attempt(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(notifications.URLS_VARIABLE, raising=False)
    assert not notify(failure(), ledger=ledger)
    assert not ledger.exists()


def test_addresses_come_from_the_environment(channel: Channel, ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notifications.URLS_VARIABLE, f"{channel.url}\n {channel.url}/second ")
    assert notify(failure(), ledger=ledger)
    assert len(channel.messages) == 2


def test_a_run_is_announced_once_however_much_later(channel: Channel, ledger: Path) -> None:
    assert deliver(failure(), ledger=ledger, urls=[channel.url], now=NOW) is Delivery.SENT
    later = failure(reasons=("something else",))
    repeated = deliver(later, ledger=ledger, urls=[channel.url], now=NOW + timedelta(days=9))
    assert repeated is Delivery.REPEATED
    assert len(channel.messages) == 1


@pytest.mark.parametrize(
    ("change", "hours", "expected"),
    [
        ({}, 1, Delivery.REPEATED),
        ({}, 25, Delivery.SENT),
        ({"reasons": ("another reason",)}, 1, Delivery.SENT),
        ({"as_of": "2026-03-02"}, 1, Delivery.SENT),
        ({"job": "prune"}, 1, Delivery.SENT),
    ],
)
def test_another_run_is_announced_unless_day_and_reasons_are_the_same_within_a_day(
    channel: Channel, ledger: Path, change: dict[str, Any], hours: int, expected: Delivery
) -> None:
    first = failure("run-1", ("b", "a"))
    deliver(first, ledger=ledger, urls=[channel.url], now=NOW)
    second = replace(failure("run-2", ("a", "b")), **change)
    assert deliver(second, ledger=ledger, urls=[channel.url], now=NOW + timedelta(hours=hours)) is expected


def test_a_refused_message_is_reported_tried_again_and_never_raises(
    channel: Channel, ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    channel.status = 500
    assert not notify(failure(), ledger=ledger, urls=[channel.url])
    assert [record.levelno for record in caplog.records if record.name == "keeprate.notifications"] == [logging.ERROR]
    channel.status = 200
    assert notify(failure(), ledger=ledger, urls=[channel.url])


def test_one_dead_channel_does_not_silence_the_other_nor_repeat_it(
    channel: Channel, ledger: Path, caplog: pytest.LogCaptureFixture
) -> None:
    urls = [DEAD_END, "nonsense", channel.url]
    assert notify(failure(), ledger=ledger, urls=urls)
    assert not notify(failure(), ledger=ledger, urls=urls)
    assert len(channel.messages) == 1
    assert "json, an address without scheme" in caplog.text


def test_addresses_are_secrets_and_never_logged(ledger: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    notify(failure(), ledger=ledger, urls=[DEAD_END, "unknown://token-that-must-stay-secret"])
    assert "could not be announced" in caplog.text
    assert "token-that-must-stay-secret" not in caplog.text
    assert "token" not in ledger.read_text(encoding="utf-8")


def test_an_unusable_ledger_is_reported_and_changes_nothing(
    channel: Channel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert not notify(failure(), ledger=tmp_path / "file" / "ledger", urls=[channel.url])
    assert "could not be announced" in caplog.text


def test_a_line_cut_short_by_a_crash_hides_no_other(channel: Channel, ledger: Path) -> None:
    deliver(failure("run-1"), ledger=ledger, urls=[channel.url], now=NOW)
    with ledger.open("a", encoding="utf-8") as file:
        file.write('{"sent_at": "2026-03')
    deliver(failure("run-2", ("other",)), ledger=ledger, urls=[channel.url], now=NOW)
    assert deliver(failure("run-1"), ledger=ledger, urls=[channel.url], now=NOW) is Delivery.REPEATED
    assert deliver(failure("run-2"), ledger=ledger, urls=[channel.url], now=NOW) is Delivery.REPEATED


def test_two_processes_that_fail_together_send_one_message(channel: Channel, ledger: Path) -> None:
    threads = [
        threading.Thread(target=notify, args=(failure(),), kwargs={"ledger": ledger, "urls": [channel.url]})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(channel.messages) == 1


def test_a_message_holds_no_personal_data_and_stays_short() -> None:
    reasons = [
        "bad value 'li.wei@example.com' of 13800138000",
        *(f"reason {n}" for n in range(30)),
        "x" * 5000,
    ]
    text = notifications.body(failure(reasons=tuple(reasons)))
    assert "bad value '[address]' of [number]" in text
    assert "- and 12 more" in text
    assert len(text) < 5000


def test_figures_and_dates_are_not_taken_for_personal_data() -> None:
    sentence = "541909 records of 2011-12-09 10:00:00, 10655622.484 in all, delivery 0123456789ab"
    assert f"- {sentence}" in notifications.body(failure(reasons=(sentence,)))


def test_unusable_addresses_are_named_by_scheme_only() -> None:
    urls = ["json://127.0.0.1/x", "carrierpigeon://secret", "secret"]
    assert notifications.unusable_urls(urls) == ["carrierpigeon", "an address without scheme"]


def test_what_is_served_is_read_from_the_current_release(tmp_path: Path) -> None:
    assert notifications.serving_of(tmp_path) == "nothing, no release was published yet"
    (tmp_path / "current").mkdir()
    manifest = tmp_path / "current" / "manifest.json"
    manifest.write_text('{"seq": 7, "as_of": "2026-02-28"}', encoding="utf-8")
    assert notifications.serving_of(tmp_path) == "release 7, as of 2026-02-28"
    manifest.write_text("{", encoding="utf-8")
    assert notifications.serving_of(tmp_path).startswith("unknown")


@dg.asset(check_specs=[dg.AssetCheckSpec("gate", asset="checked", blocking=True)])
def checked() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(passed=False, check_name="gate", description="too few rows\nbad currency")


@dg.asset(check_specs=[dg.AssetCheckSpec("rows_stand_once", asset="unbuilt")])
def unbuilt() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(passed=False, check_name="rows_stand_once")
    raise RuntimeError("rows_stand_once could not be evaluated: out of memory")


@dg.asset
def broken() -> None:
    try:
        raise ValueError("the file is cut short")
    except ValueError as error:
        raise RuntimeError("wrapped") from error


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def failed_run(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition, **tags: str) -> dg.DagsterRun:
    result = dg.materialize(assets, instance=instance, raise_on_error=False, tags=tags)
    assert not result.success
    return result.dagster_run


def test_failed_gates_give_one_reason_per_line(instance: dg.DagsterInstance) -> None:
    run = failed_run(instance, checked)
    assert notifications.reasons_of(run.run_id, instance) == ["too few rows", "bad currency"]


def test_a_check_that_could_not_be_evaluated_is_explained_by_the_error_of_its_step(
    instance: dg.DagsterInstance,
) -> None:
    run = failed_run(instance, unbuilt)
    assert notifications.reasons_of(run.run_id, instance) == [
        "unbuilt: RuntimeError: rows_stand_once could not be evaluated: out of memory"
    ]


def test_an_error_is_explained_by_what_started_it(instance: dg.DagsterInstance) -> None:
    run = failed_run(instance, broken)
    (reason,) = notifications.reasons_of(run.run_id, instance)
    assert reason == "broken: ValueError: the file is cut short"


def sensor_tick(sensor: dg.SensorDefinition, run: dg.DagsterRun, instance: dg.DagsterInstance) -> None:
    event = dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_FAILURE.value, job_name=run.job_name)
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name, dagster_run=run, dagster_instance=instance, dagster_event=event
    )
    sensor(context.for_run_failure())


def test_the_sensor_announces_a_run_but_not_its_automatic_retries(
    channel: Channel, tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(notifications.URLS_VARIABLE, channel.url)
    sensor = notifications.failure_sensor(tmp_path)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    run = failed_run(instance, broken)
    sensor_tick(sensor, run, instance)
    retry = failed_run(instance, checked)
    retry = retry._replace(root_run_id=run.run_id, tags={**retry.tags, "dagster/retry_number": "1"})
    sensor_tick(sensor, retry, instance)
    (message,) = channel.messages
    assert "ValueError: the file is cut short" in message["message"]


def test_the_sensor_fails_visibly_when_no_channel_takes_the_message(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(notifications.URLS_VARIABLE, DEAD_END)
    run = failed_run(instance, broken)
    with pytest.raises(notifications.NotificationError, match="reached no channel"):
        sensor_tick(notifications.failure_sensor(tmp_path), run, instance)
