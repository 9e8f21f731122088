"""Telling people that a night failed, once, through whatever channel they configured.

Belongs here: the text of the message, not repeating it, handing it to Apprise, and the sensor that does so
for runs of the daemon. Does not belong here: deciding that a run failed, delivering lists, or personal data.

Channels are Apprise addresses in ``KEEPRATE_NOTIFY_URLS`` (WeCom, DingTalk, Feishu, Slack, mail …). They
contain tokens, so only their scheme is ever logged.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import dagster as dg

from warehouse.home import Home

URLS_VARIABLE = "KEEPRATE_NOTIFY_URLS"
REPEAT_AFTER = timedelta(hours=24)
"""The same reasons for the same day are worth another message only after this long."""

_SEND_TIMEOUT_SECONDS = 30
_MAX_REASONS = 20
_MAX_REASON_LENGTH = 400
_RETRY_TAG = "dagster/retry_number"
_PARTITION_TAG = "dagster/partition"
_MAIL_ADDRESS = re.compile(r"[^\s@<>'\"]+@[^\s@<>'\"]+\.\w+")
# Ten digits in a row are a phone or card number; counts, order ids and dates are shorter.
_LONG_NUMBER = re.compile(r"(?<![\w.])\+?\d{10,}(?![\w.])")

_log = logging.getLogger("keeprate.notifications")


@dataclass(frozen=True)
class Failure:
    """What is told about a run that failed.

    Attributes
    ----------
    run_id : str
        Run that failed; for an automatic retry, the run it repeats. One message is sent per run id.
    job : str
        Name of the job.
    as_of : str or None
        Business day of the run (``YYYY-MM-DD``), None if it failed before the day was known.
    home : Path
        Home folder of the run.
    reasons : sequence of str
        One sentence each.
    serving : str
        What readers see meanwhile, for example ``release 7, as of 2011-12-08``.
    """

    run_id: str
    job: str
    as_of: str | None
    home: Path
    reasons: Sequence[str]
    serving: str


class Delivery(Enum):
    """What became of a message."""

    SENT = "sent"
    REPEATED = "repeated"
    NOT_CONFIGURED = "not configured"
    FAILED = "failed"


class NotificationError(RuntimeError):
    """A message could not be delivered."""


def ledger_path(home: Path) -> Path:
    """File of a home that remembers which messages were sent."""
    return Home(home).dagster / "notifications.jsonl"


def notify(failure: Failure, *, ledger: Path, urls: Sequence[str] | None = None) -> bool:
    """Tell the configured channels about a failure, once.

    Never raises: whatever happens to the message, the outcome of the run stays what it was. A message that
    could not be delivered is logged as an error.

    Parameters
    ----------
    failure : Failure
        What happened.
    ledger : Path
        File that remembers what was sent; see `ledger_path`.
    urls : sequence of str, optional
        Apprise addresses; default: `configured_urls`.

    Returns
    -------
    bool
        True if a message left for at least one channel.
    """
    try:
        return deliver(failure, ledger=ledger, urls=urls) is Delivery.SENT
    except Exception as error:
        # Only the type: the text of a foreign exception may quote an address.
        _log.error("The failure of run %s could not be announced (%s).", failure.run_id, type(error).__name__)
        return False


def deliver(
    failure: Failure, *, ledger: Path, urls: Sequence[str] | None = None, now: datetime | None = None
) -> Delivery:
    """As `notify`, but says what became of the message.

    Parameters
    ----------
    now : datetime, optional
        Time of the message, with a time zone; default: the clock.

    Raises
    ------
    OSError
        If the ledger cannot be read or written.
    """
    addresses = configured_urls() if urls is None else list(urls)
    if not addresses:
        return Delivery.NOT_CONFIGURED
    moment = now or datetime.now(UTC)
    fingerprint = _fingerprint(failure)
    with _locked(ledger):
        if _is_repeat(_entries(ledger), failure.run_id, fingerprint, moment):
            _log.info("The failure of run %s was announced before.", failure.run_id)
            return Delivery.REPEATED
        sent, unsent = _send(addresses, title(failure), body(failure))
        if unsent:
            _log.error(
                "The failure of run %s could not be announced through %s; check %s with `keeprate doctor`.",
                failure.run_id,
                ", ".join(unsent),
                URLS_VARIABLE,
            )
        if not sent:
            return Delivery.FAILED
        # Whoever got the message is not told twice because another channel was down.
        _append(ledger, {"sent_at": moment.isoformat(), "run_id": failure.run_id, "fingerprint": fingerprint})
    return Delivery.SENT


def configured_urls(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Apprise addresses in the environment, separated by white space."""
    return environment.get(URLS_VARIABLE, "").split()


def unusable_urls(urls: Iterable[str]) -> list[str]:
    """Scheme of every address that Apprise does not understand; nothing is sent."""
    import apprise

    with _silenced_apprise():
        return [_scheme(url) for url in urls if not apprise.Apprise().add(url)]


def title(failure: Failure) -> str:
    """One line: what failed, for which day."""
    day = f" for {failure.as_of}" if failure.as_of else ""
    return f"Keeprate: {failure.job}{day} failed"


def body(failure: Failure) -> str:
    """The reasons, one per line, what is still served, and what to do."""
    reasons = [_without_personal_data(reason) for reason in failure.reasons] or ["No reason was recorded."]
    hidden = len(reasons) - _MAX_REASONS
    day = f" --as-of {failure.as_of}" if failure.as_of else ""
    return "\n".join(
        [
            *(f"- {reason}" for reason in reasons[:_MAX_REASONS]),
            *([f"- and {hidden} more"] if hidden > 0 else []),
            "",
            f"Served meanwhile: {failure.serving}.",
            f"What to do: remove the cause, then run `keeprate run --home {failure.home}{day}` again.",
            f"Run: {failure.run_id}",
        ]
    )


def failure_of(run: dg.DagsterRun, instance: dg.DagsterInstance, *, home: Path, serving: str) -> Failure:
    """Describe a failed Dagster run.

    An automatic retry carries the id of the run it repeats, so that it is not announced again.
    """
    repeated = run.root_run_id if _RETRY_TAG in run.tags else None
    return Failure(
        run_id=repeated or run.run_id,
        job=run.job_name,
        as_of=run.tags.get(_PARTITION_TAG),
        home=home,
        reasons=reasons_of(run.run_id, instance),
        serving=serving,
    )


def reasons_of(run_id: str, instance: dg.DagsterInstance) -> list[str]:
    """Why a run failed, one sentence each, in the order of the events.

    Failed checks of severity ERROR speak through their description, one reason per line. Without any, the
    innermost error of each failed step does, then the name of a check that says nothing (dbt could not evaluate it, and
    the error of its step tells why), and without that the message of the run's failure event.
    """
    kinds = {
        dg.DagsterEventType.ASSET_CHECK_EVALUATION,
        dg.DagsterEventType.STEP_FAILURE,
        dg.DagsterEventType.RUN_FAILURE,
    }
    checks: list[str] = []
    silent: list[str] = []
    steps: list[str] = []
    run: list[str] = []
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            steps.append(f"{event.step_key}: {_innermost_message(event)}")
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
                checks.extend(line for line in (check.description or "").splitlines() if line.strip())
                if not check.description:
                    silent.append(f"{check.asset_key.to_user_string()}: {check.check_name} failed")
        else:
            run.append(event.message or "")
    return list(dict.fromkeys(checks or steps or silent or [line for line in run if line]))


def serving_of(home: Path) -> str:
    """What readers of ``home`` see at this moment, in words."""
    try:
        manifest = json.loads((Home(home).current / "manifest.json").read_text(encoding="utf-8"))
        return f"release {manifest['seq']}, as of {manifest['as_of']}"
    except FileNotFoundError:
        return "nothing, no release was published yet"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown, `keeprate verify` tells what is wrong with the current release"


def failure_sensor(home: Path) -> dg.SensorDefinition:
    """Sensor that announces failed runs of the daemon, exactly as `notify` does for runs of the command line.

    Parameters
    ----------
    home : Path
        Home whose ledger and releases are consulted.
    """

    @dg.run_failure_sensor(
        name="announce_failures",
        description="Tells the channels in KEEPRATE_NOTIFY_URLS that a run failed, once per run and cause.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def announce_failures(context: dg.RunFailureSensorContext) -> None:
        failure = failure_of(context.dagster_run, context.instance, home=home, serving=serving_of(home))
        if deliver(failure, ledger=ledger_path(home)) is Delivery.FAILED:
            # A failed tick is seen; an alarm that is silently broken is not.
            raise NotificationError(
                f"The failure of run {failure.run_id} reached no channel: check {URLS_VARIABLE} with `keeprate doctor`."
            )

    return announce_failures


def _innermost_message(event: dg.DagsterEvent) -> str:
    """First line of the error that started a chain of errors."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return "it was told to stop before it was done; run the night again."
    text = (error.message if error is not None else event.message or "").strip()
    # Dagster writes "module.Class: text". Of our own classes people need only the text.
    text = re.sub(r"^\w+(?:\.\w+)+: ", "", text)
    return text.splitlines()[0] if text else "failed without a message"


def _without_personal_data(text: str) -> str:
    masked = _LONG_NUMBER.sub("[number]", _MAIL_ADDRESS.sub("[address]", " ".join(text.split())))
    return masked if len(masked) <= _MAX_REASON_LENGTH else masked[: _MAX_REASON_LENGTH - 1] + "…"


def _fingerprint(failure: Failure) -> str:
    """Hash of job, day and reasons, whatever their order."""
    parts = [failure.job, failure.as_of or "", *sorted(set(failure.reasons))]
    return hashlib.sha256("\x00".join(parts).replace(failure.run_id, "").encode()).hexdigest()


def _is_repeat(entries: Iterable[Mapping[str, str]], run_id: str, fingerprint: str, now: datetime) -> bool:
    return any(
        entry["run_id"] == run_id
        or (entry["fingerprint"] == fingerprint and now - datetime.fromisoformat(entry["sent_at"]) < REPEAT_AFTER)
        for entry in entries
    )


def _entries(ledger: Path) -> Iterator[dict[str, str]]:
    if not ledger.exists():
        return
    for line in ledger.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            datetime.fromisoformat(entry["sent_at"])
            yield {key: str(entry[key]) for key in ("sent_at", "run_id", "fingerprint")}
        except (ValueError, KeyError, TypeError):
            # The machine stopped in the middle of a line: that message may be repeated.
            continue


def _append(ledger: Path, entry: Mapping[str, str]) -> None:
    # A line break in front keeps this entry readable after one that was cut short.
    line = f"\n{json.dumps(entry)}\n".encode()
    with ledger.open("ab", buffering=0) as file:
        file.write(line)
        os.fsync(file.fileno())


@contextmanager
def _locked(ledger: Path) -> Iterator[None]:
    """Let one process at a time look into the ledger and send: the sensor and a night may fail together."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _send(urls: Sequence[str], title: str, body: str) -> tuple[list[str], list[str]]:
    """Send to every address on its own; returns the schemes that took the message and those that did not."""
    import apprise

    sent: list[str] = []
    unsent: list[str] = []
    with _silenced_apprise():
        for url in urls:
            channel = apprise.Apprise()
            accepted = channel.add(url) and channel.notify(
                title=title,
                body=body,
                notify_type=apprise.NotifyType.FAILURE,
                body_format=apprise.NotifyFormat.TEXT,
                timeout=_SEND_TIMEOUT_SECONDS,
            )
            (sent if accepted else unsent).append(_scheme(url))
    return sent, unsent


def _scheme(url: str) -> str:
    """The part of an address that is no secret."""
    scheme, separator, _ = url.partition("://")
    return scheme if separator and scheme.isalnum() else "an address without scheme"


@contextmanager
def _silenced_apprise() -> Iterator[None]:
    """Keep addresses, which contain tokens, out of the logs: the caller reports the outcome instead."""
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3.connectionpool")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled
