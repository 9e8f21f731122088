"""A company whose every feed is filled: the simulated one, and what its systems do not deliver.

Here belong the files and the rules of the night that is computed twice. What is computed belongs to the modules beside
it.
"""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

from demo import write_demo

CUSTOMERS, SEED = 400, 11
LAST = datetime(2025, 12, 31, 15, 0, tzinfo=UTC)
RULES = Path(__file__).resolve().parents[3] / "config" / "business.yml"
#: Settings that leave no figure at a default that says nothing: costs that no file states, a window that cuts.
CHANGED = {
    "touch: {} ": "touch: {email: 0.02, sms: 0.05} ",
    "service_per_ticket: {} ": "service_per_ticket: {complaint: 25, repair: 60, other: 8} ",
    "service_per_return: null": "service_per_return: 5",
    "window_days: null ": "window_days: 365 ",
    "max_records_per_customer: 50 ": "max_records_per_customer: 4 ",
    # The systems that join late change the past: what the scores of the first night are worth is no bar for the second.
    "max_score_loss: 0.05 ": "max_score_loss: null ",
}


def write_rules(folder: Path) -> Path:
    """Write the shop's rules into a folder, and return the file."""
    text = RULES.read_text(encoding="utf-8")
    for before, after in CHANGED.items():
        assert text.count(before) == 1, f"{before!r} has to stand once in {RULES}"
        text = text.replace(before, after)
    file = folder / "business.yml"
    file.write_text(text, encoding="utf-8")
    return file


def write_shop(folder: Path, *, customers: int = CUSTOMERS, seed: int = SEED) -> Path:
    """Write what all systems of the company export, and return the landing folder."""
    with duckdb.connect() as con:
        write_demo(con, folder, customers=customers, seed=seed)
    landing = folder / "landing"
    with (landing / "membership" / "customers_2026-01-01.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        members = [row["source_customer_id"] for row in rows if row["is_deleted"] == "false"][:120]
    draw = np.random.default_rng(seed)
    for feed, header, lines in (
        ("interactions", INTERACTION, _interactions(members, draw)),
        ("tickets", TICKET, _tickets(members, draw)),
        ("contacts", CONTACT, _contacts(members)),
        ("survey_responses", ANSWER, _answers(members, draw)),
    ):
        file = landing / "membership" / f"{feed}_2026-01-02.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(header.split())
            writer.writerows(lines)
    return landing


INTERACTION = "interaction_id source_customer_id occurred_at channel direction kind feature duration_s quantity"
TICKET = "ticket_id source_customer_id kind topic status opened_at first_response_at closed_at csat cost_amount"
CONTACT = "contact_id source_customer_id name email is_primary left_at"
ANSWER = "response_id source_customer_id survey score scale_max responded_at"


def _ago(days: float) -> str:
    return (LAST - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _interactions(members: list[str], draw: np.random.Generator) -> Iterable[list[object]]:
    """Logins, uses and talk of half a year; some days hold several, some rows stand for several events."""
    number = 0
    for member in members[:70]:
        for _ in range(draw.integers(3, 25)):
            number += 1
            channel = ["login", "usage", "usage", "page_view", "click", "email", "call"][draw.integers(7)]
            talk = channel in ("email", "call")
            yield [
                f"I{number:05}",
                member,
                _ago(float(np.round(draw.exponential(60), 3))),
                channel,
                ["inbound", "outbound", ""][draw.integers(3)] if talk else "",
                "",
                "" if talk or channel == "login" else ["reports", "export", "search", ""][draw.integers(4)],
                "" if channel in ("email", "click") else int(draw.integers(10, 4000)),
                int(draw.integers(2, 6)) if draw.random() < 0.2 else "",
            ]


def _tickets(members: list[str], draw: np.random.Generator) -> Iterable[list[object]]:
    """Tickets that are answered, rated, paid for, reopened in kind, or never closed."""
    for number, member in enumerate(np.repeat(members[40:80], 4)):
        opened = float(np.round(draw.exponential(50), 3))
        answered = opened - draw.random() * min(2, opened) if draw.random() < 0.8 else None
        closed = (answered or opened) * draw.random() if draw.random() < 0.6 else None
        yield [
            f"S{number:05}",
            member,
            ["complaint", "question", "repair"][draw.integers(3)],
            ["delivery", "quality"][draw.integers(2)],
            "open" if closed is None else "closed",
            _ago(opened),
            "" if answered is None else _ago(answered),
            "" if closed is None else _ago(closed),
            int(draw.integers(1, 6)) if closed is not None and draw.random() < 0.5 else "",
            f"{draw.integers(5, 80)}.50" if draw.random() < 0.3 else "",
        ]


def _contacts(members: list[str]) -> Iterable[list[object]]:
    """Main contacts: who stays, who left lately, who left long ago, and who was followed by another."""
    for number, member in enumerate(members[:24]):
        left = {0: None, 1: 20, 2: 400, 3: 90}[number % 4]
        for place in range(2 if number % 4 == 3 else 1):
            yield [
                f"P{number:03}{place}",
                member,
                f"Contact {number} {place}",
                f"contact{number}.{place}@firm{number}.example.org",
                "true",
                "" if left is None or place else _ago(left),
            ]


def _answers(members: list[str], draw: np.random.Generator) -> Iterable[list[object]]:
    """Answers on the scales that can be used, and on one that cannot."""
    for number, member in enumerate(np.repeat(members[20:110], 2)):
        survey, top = [("nps", 10), ("csat", 5), ("csat", 10), ("csat", 7)][draw.choice(4, p=[0.6, 0.2, 0.15, 0.05])]
        low = 0 if top == 10 else 1
        yield [
            f"Q{number:05}",
            member,
            survey,
            int(draw.integers(low, top + 1)),
            top,
            _ago(float(np.round(draw.exponential(120), 3))),
        ]
