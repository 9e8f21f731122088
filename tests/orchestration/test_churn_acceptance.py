"""Scores against what happened next, through the night: learned on earlier days alone, and blind to later ones.

Belongs here: nights of real and simulated shops as of a past day, held against the rest of the same export. Does not
belong here: the models by themselves (``tests/models``).
"""

from collections.abc import Callable
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from orchestration.nightly import Outcome

RULES = Path(__file__).resolve().parents[2] / "examples" / "online_retail" / "business.yml"
EXAMPLE = RULES.with_name("online_retail.csv.gz")
#: Bins of equal mass.
BINS = 10


class Held(NamedTuple):
    """Scores of a day, beside what happened."""

    probability: NDArray[np.float64]
    silence: NDArray[np.float64]
    is_silent: NDArray[np.bool_]


def rules_of(folder: Path, zone: str, currency: str, horizon_days: int) -> Path:
    text = RULES.read_text(encoding="utf-8")
    for old, new in (
        ("time_zone: Europe/London", f"time_zone: {zone}"),
        ("base_currency: GBP", f"base_currency: {currency}"),
        ("horizon_days: 90", f"horizon_days: {horizon_days}"),
    ):
        assert old in text, old
        text = text.replace(old, new, 1)
    file = folder / "business.yml"
    file.write_text(text, encoding="utf-8")
    return file


def auc(score: NDArray[np.float64], event: NDArray[np.bool_]) -> float:
    """Mann and Whitney's count of pairs in the right order, by ranks."""
    hits = int(event.sum())
    pairs = hits * (len(event) - hits)
    return float((rankdata(score)[event].sum() - hits * (hits + 1) / 2) / pairs)


def calibration_error(held: Held) -> float:
    parts = np.array_split(np.argsort(held.probability, kind="stable"), BINS)
    gaps = [len(part) * abs(held.probability[part].mean() - held.is_silent[part].mean()) for part in parts]
    return float(sum(gaps) / len(held.probability))


def held(home: Path, bought: set[str], horizon_days: int) -> Held:
    """The published scores of a home, and whether each customer is among those who bought within the horizon."""
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(
            "select source_customer_id, churn_probability, recency_days, horizon_days, scored_on = as_of "
            "from marts.churn_risk join marts.customer_identities using (customer_id) order by 1"
        ).fetchall()
    assert {row[3:] for row in rows} == {(horizon_days, True)}
    return Held(
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows], dtype=np.float64),
        np.array([row[0] not in bought for row in rows]),
    )


@pytest.mark.slow
def test_cdnow_39_weeks_ahead(tmp_path: Path, night: Callable[..., Outcome], deliver: Callable[..., Path]) -> None:
    """The sample of Fader & Hardie (2001), as the lifetimes package carries it: 39 weeks, and the 39 weeks after."""
    package = find_spec("lifetimes")
    assert package is not None
    assert package.origin is not None
    log = (Path(package.origin).parent / "datasets" / "CDNOW_sample.txt").read_bytes()
    as_of, horizon = date(1997, 9, 30), 273
    home = tmp_path / "home"
    deliver(home, "CDNOW_sample.txt", log, "cdnow")
    outcome = night(home, as_of.isoformat(), config=rules_of(tmp_path, "America/New_York", "USD", horizon))
    assert outcome.kind == "published", outcome.reasons
    purchases = [line.split() for line in log.decode("ascii").splitlines()]
    first, last = f"{as_of:%Y%m%d}", f"{as_of + timedelta(days=horizon):%Y%m%d}"
    # A purchase that cost nothing is none.
    bought = {each[0] for each in purchases if first < each[2] <= last and float(each[4]) > 0}
    found = held(home, bought, horizon)
    # Of the 2,357 customers, eight had paid nothing until then.
    assert len(found.probability) == 2_349
    assert found.is_silent.mean() == pytest.approx(0.71, abs=0.01)
    ranked = auc(found.probability, found.is_silent)
    assert ranked >= 0.775
    assert ranked > auc(found.silence, found.is_silent)
    assert np.mean((found.probability - found.is_silent) ** 2) <= 0.160
    assert calibration_error(found) <= 0.05


@pytest.mark.slow
def test_online_retail_23_weeks_ahead(
    tmp_path: Path, night: Callable[..., Outcome], deliver: Callable[..., Path]
) -> None:
    as_of, horizon = date(2011, 6, 30), 161
    home = tmp_path / "home"
    deliver(home, EXAMPLE.name, EXAMPLE.read_bytes())
    outcome = night(home, as_of.isoformat(), config=rules_of(tmp_path, "Europe/London", "GBP", horizon))
    assert outcome.kind == "published", outcome.reasons
    with duckdb.connect() as con:
        bought = con.execute(
            "select CustomerID from read_csv(?, all_varchar = true) "
            "where InvoiceNo not like 'C%' and InvoiceNo not like 'A%' and CustomerID is not null "
            "and cast(InvoiceDate as timestamp) >= ? and cast(InvoiceDate as timestamp) < ? "
            "group by CustomerID, InvoiceNo having sum(cast(Quantity as int) * cast(UnitPrice as double)) > 0",
            [str(EXAMPLE), as_of + timedelta(days=1), as_of + timedelta(days=horizon + 1)],
        ).fetchall()
    found = held(home, {row[0] for row in bought}, horizon)
    ranked = auc(found.probability, found.is_silent)
    assert ranked >= 0.735
    assert ranked > auc(found.silence, found.is_silent)


def exported(rows: list[tuple[str, str, date, float, str]]) -> bytes:
    lines = ["order_id,source_customer_id,ordered_at,net_amount,kind"]
    lines += [f"{order},{customer},{day}T12:00:00Z,{amount:.2f},{kind}" for order, customer, day, amount, kind in rows]
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.slow
def test_what_happens_later_changes_no_score(
    tmp_path: Path, night: Callable[..., Outcome], deliver: Callable[..., Path]
) -> None:
    """The same shop with and without the orders and refunds after a day: the night of that day learns the same."""
    random = np.random.default_rng(17)
    start, as_of = date(2023, 1, 1), date(2024, 6, 30)
    length = (as_of - start).days + 120
    rows: list[tuple[str, str, date, float, str]] = []
    for number in range(500):
        day, gap = int(random.integers(0, length)), float(random.gamma(2, 25)) + 3
        while day <= length:
            order = f"O{len(rows)}"
            rows.append((order, f"C{number}", start + timedelta(days=day), float(random.gamma(3, 20)) + 1, "sale"))
            if random.random() < 0.1:
                later = start + timedelta(days=day + int(random.integers(1, 60)))
                rows.append((f"R{len(rows)}", f"C{number}", later, -1.0 - float(random.random()), "refund"))
            if random.random() < 0.2:
                break
            day += 1 + int(random.exponential(gap))
    known = [row for row in rows if row[2] <= as_of]
    assert len(rows) - len(known) > 300
    published = []
    for name, content in (("short", known), ("long", rows)):
        home = tmp_path / name
        deliver(home, "source.yml", b"{timezone: Europe/London, currency: GBP}\n", "shop")
        deliver(home, "orders.csv", exported(content), "shop")
        outcome = night(home, as_of.isoformat())
        assert outcome.kind == "published", outcome.reasons
        with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
            published.append(
                {
                    table: con.execute(f"select * from marts.{table} order by all").fetchall()
                    for table in ("churn_risk", "model_quality", "model_deciles", "score_reasons", "model_fits")
                }
            )
    assert len(published[0]["churn_risk"]) > 300
    assert published[0]["model_quality"]
    assert published[0] == published[1]
