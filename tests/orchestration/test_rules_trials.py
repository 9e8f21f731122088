"""Other rules tried on a home: what they would change, told before anything is published, as the next night does it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from assets.identity import identity_asset
from assets.night import nightly_partitions
from assets.predictions import prediction_assets
from orchestration import cli, trials
from orchestration.trials import PYTHON_STEPS, Preview
from rules import load
from warehouse.comparing import moves_between
from warehouse.connection import connect
from warehouse.home import Home

PROJECT = Path(__file__).resolve().parents[2]
RULES = PROJECT / "examples" / "online_retail" / "business.yml"
AS_OF = "2024-06-30"

# Who buys when, and for how much. c06 and c08 never do; c06 is recorded in June only.
HISTORIES = {
    "c01": (100, ["2024-01-10", "2024-02-10", "2024-03-10", "2024-04-10", "2024-05-10", "2024-06-10"]),
    "c02": (200, ["2024-02-10", "2024-04-10", "2024-06-10"]),
    "c03": (50, ["2024-05-01", "2024-06-01"]),
    "c04": (80, ["2024-06-15"]),
    "c05": (500, ["2022-01-10"]),
    "c06": (0, []),
    "c07": (25, ["2022-01-10", "2022-03-10", "2022-05-10", "2022-07-10"]),
    "c08": (0, []),
    "c09": (40, ["2023-11-01"]),
}
TIERS = "pct(clv_net_margin_basis) >= 0.80 and orders_365d >= 3"


def edited(folder: Path, *edits: tuple[str, str]) -> Path:
    """The rules of the home with some texts replaced, each of which must stand there once."""
    text = RULES.read_text(encoding="utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.yml"
    path.write_text(text, encoding="utf-8")
    return path


def with_sections(folder: Path, **sections: Any) -> Path:
    """The rules of the home with whole sections replaced."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8")) | sections
    path = folder / "sections.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory, deliver, night) -> Path:
    """A home after one published night of the nine customers above."""
    home = tmp_path_factory.mktemp("trials") / "home"
    customers = ["source_customer_id,name,country,created_at"]
    orders = ["order_id,source_customer_id,ordered_at,status,kind,currency,net_amount"]
    for customer, (amount, days) in HISTORIES.items():
        created = "2024-06-01" if customer == "c06" else "2022-01-01"
        customers.append(f"{customer},Customer {customer},GB,{created}")
        orders += [f"{customer}-{day},{customer},{day},completed,sale,GBP,{amount}" for day in days]
    deliver(home, "source.yml", b"system: generic\ntimezone: Europe/London\ncurrency: GBP\n", "shop")
    deliver(home, "customers.csv", "\n".join(customers).encode() + b"\n", "shop")
    deliver(home, "orders.csv", "\n".join(orders).encode() + b"\n", "shop")
    outcome = night(home, AS_OF, config=RULES)
    assert outcome.kind == "published", outcome.reasons
    return home


def classes(build: Path, column: str) -> dict[str, str]:
    """What the customers of a build file are in, by the id that the shop gives them."""
    with connect(build, read_only=True) as con:
        return dict(
            con.execute(
                f"select source_customer_id, {column} from marts.customer_360 "
                "inner join marts.customer_identities using (customer_id)"
            ).fetchall()
        )


def sizes(told: Preview, axis: str) -> Counter[str | None]:
    """How many customers each class would have."""
    found: Counter[str | None] = Counter()
    for move in told.moves:
        if move.axis == axis:
            found[move.after] += move.customers
    return found


def footprint(home: Path) -> dict[str, str]:
    """Everything that a trial must leave as it was: tables, releases, history."""
    kept = [home / "build" / "warehouse.duckdb", *(home / "releases").rglob("*"), *(home / "history").rglob("*")]
    digests = {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in kept if file.is_file()}
    return digests | {"current": str((home / "current").resolve())}


@pytest.mark.slow
def test_the_night_classes_the_customers_as_computed_by_hand(home: Path) -> None:
    # Margins at 30 percent are 12, 24, 30, 30, 150, 180 and 180: the 80 percent quantile is 150 + 0.8 × 30 = 174.
    assert classes(Home(home).build_file, "tier") == {
        "c01": "high_value", "c02": "high_value", "c03": "potential", "c04": "potential", "c05": "regular",
        "c06": "regular", "c07": "regular", "c08": "regular", "c09": "regular",
    }  # fmt: skip
    assert classes(Home(home).build_file, "lifecycle_stage") == {
        "c01": "loyal", "c02": "repeat", "c03": "repeat", "c04": "first_purchase", "c05": "churned",
        "c06": "prospect", "c07": "churned", "c08": "prospect", "c09": "churned",
    }  # fmt: skip


@pytest.mark.slow
def test_a_preview_tells_who_moves_with_how_much_and_leaves_everything_as_it_was(home: Path, tmp_path: Path) -> None:
    before = footprint(home)

    told = trials.preview(home, load(edited(tmp_path, (TIERS, TIERS.replace(">= 3", ">= 6")))))

    # c02, with three orders of 200 pounds at 30 percent margin.
    (moved,) = told.moved("tier")
    assert (moved.before, moved.after, moved.customers) == ("high_value", "regular", 1)
    assert (moved.net_revenue_365d, moved.gross_margin_365d) == (600, 180)
    assert told.moved("lifecycle_stage") == []
    assert sizes(told, "tier") == {"high_value": 1, "potential": 2, "regular": 6}
    assert footprint(home) == before
    assert list(Home(home).work.iterdir()) == []


@pytest.mark.slow
def test_every_class_of_a_preview_adds_up_to_all_customers(home: Path, tmp_path: Path) -> None:
    told = trials.preview(home, load(edited(tmp_path, ("high: 60, critical: 80", "high: 89, critical: 90"))))

    for axis in told.axes:
        if not axis.startswith("list_"):
            assert sizes(told, axis).total() == len(HISTORIES), axis
    # c05, c07 and c09, silent for months and perhaps late, score between 60 and 100 × (1 − 0.4 × 0.6 × 0.5) = 88.
    assert sizes(told, "risk_level") == {"low": 4, "medium": 3, None: 2}
    assert sum(move.customers for move in told.moved("risk_level")) == 3
    assert told.moved("tier") == [], "a tier is free of risk"


@pytest.mark.slow
def test_the_rules_of_the_last_night_move_nobody(home: Path) -> None:
    told = trials.preview(home, load(RULES))

    assert told.rebuilt == 0
    assert [axis for axis in told.axes if told.moved(axis)] == []


def sections_of_the_page(name: str) -> list[Any]:
    """The examples of a section that the page about rules prints."""
    page = (PROJECT / "docs" / "change-a-rule.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    return [block[name] for block in blocks if name in block]


@pytest.mark.slow
def test_three_or_four_tiers_and_other_stages_are_a_matter_of_the_file_alone(home: Path, tmp_path: Path) -> None:
    three, four = sections_of_the_page("tiers")
    journey, growth, relationship = sections_of_the_page("lifecycle")
    # The default names tiers in its tags, which these tiers do not have.
    common = {"tags": [], "segment_schemes": []}

    told = [
        trials.preview(home, load(with_sections(tmp_path, tiers=tiers, lifecycle=stages, **common)))
        for tiers, stages in ((three, journey), (four, growth), (three, relationship))
    ]

    # Orders of 365 days are 0, 0, 0, 0, 1, 1, 2, 3 and 6, so the quantile is 2.4; order values are 40, 50, 80, 100 and
    # 200, so theirs is 88.
    assert sizes(told[0], "tier") == {"vip": 2, "important": 3, "ordinary": 4}
    assert sizes(told[1], "tier") == {"lost": 3, "high_value": 2, "potential": 2, "regular": 2}
    assert sizes(told[0], "lifecycle_stage") == {"churn_warning": 3, "repurchase": 3, "conversion": 1, "acquisition": 2}
    assert sizes(told[1], "lifecycle_stage") == {"loyalty": 1, "growth": 3, "activation": 3, "reach": 2}
    assert sizes(told[2], "lifecycle_stage") == {"at_risk": 3, "prospect": 2, "first_deal": 1, "new_customer": 3}
    assert {move.before for move in told[0].moves if move.axis == "segment_activity"} == {
        "at_risk", "new_user", "active", "silent",
    }  # fmt: skip
    assert {move.after for move in told[0].moves if move.axis == "segment_activity"} == {None}


@pytest.mark.slow
def test_the_next_night_does_what_the_preview_said(home: Path, tmp_path: Path, night) -> None:
    rules = edited(
        tmp_path,
        (TIERS, TIERS.replace(">= 3", ">= 6")),
        ("min_days: 30, max_days: 400, one_time_days: 180", "min_days: 10, max_days: 20, one_time_days: 12"),
        ("horizon_days: 90", "horizon_days: 30"),
        ("default_margin_rate: 0.30", "default_margin_rate: 0.50"),
    )
    copy = tmp_path / "home"
    # The night writes its own releases; the other tests go on with theirs.
    shutil.copytree(home, copy, symlinks=True)

    told = trials.preview(copy, load(rules))
    outcome = night(copy, AS_OF, config=rules)

    assert outcome.kind == "published", outcome.reasons
    for axis in ("tier", "lifecycle_stage", "display_layer", "rfm_segment", "risk_level"):
        before, after = (classes(Home(each).build_file, axis) for each in (home, copy))
        pairs = {(move.before, move.after): move.customers for move in told.moves if move.axis == axis}
        assert pairs == Counter((before[customer], after[customer]) for customer in HISTORIES), axis
    assert told.moved("tier")
    assert told.moved("lifecycle_stage"), "a change that moves nobody would prove nothing"
    # Segments, tags and lists, too, with what the customers are worth.
    assert told.moves == moves_between(Home(home).build_file, Home(copy).build_file)


def scored_on(home: Path) -> set[date]:
    """The days from which the scores of a home's last night are."""
    with connect(Home(home).build_file, read_only=True) as con:
        return {day for (day,) in con.execute("select distinct scored_on from marts.churn_risk").fetchall()}


def skill(home: Path) -> float:
    with connect(Home(home).build_file, read_only=True) as con:
        [(value,)] = con.execute("select value from predictions.score_facts where fact = 'score_skill'").fetchall()
    return float(value)


@pytest.mark.slow
def test_scores_that_the_next_night_would_hold_back_are_held_back_in_a_trial(tmp_path: Path, deliver, night) -> None:
    """What the last release may lose in skill is a rule, too: with none to lose, the scores of the day before stay."""
    random, home = np.random.default_rng(19), tmp_path / "home"
    orders = ["order_id,source_customer_id,ordered_at,status,kind,currency,net_amount"]
    for customer in range(400):
        days, day = [], int(random.integers(0, 670))
        while day < 701:
            days.append(day)
            day += 1 + int(random.exponential(40)) if random.random() < 0.85 else 1_000
        # In June half of all buy, whoever they are: what was learned before foretells little of it.
        days += [int(random.integers(701, 725))] * (random.random() < 0.5)
        orders += [
            f"{customer}-{number},c{customer},{date(2022, 7, 1) + timedelta(days=day)},completed,sale,GBP,50"
            for number, day in enumerate(days)
        ]
    deliver(home, "source.yml", b"system: generic\ntimezone: Europe/London\ncurrency: GBP\n", "shop")
    deliver(home, "orders.csv", "\n".join(orders).encode() + b"\n", "shop")
    any_loss, no_loss = (
        edited(tmp_path, ("max_score_loss: 0.05", f"max_score_loss: {limit}")) for limit in ("null", "0")
    )
    found = []
    for as_of in ("2024-05-31", AS_OF):
        outcome = night(home, as_of, config=any_loss)
        assert outcome.kind == "published", outcome.reasons
        found.append(skill(home))
    assert found[1] < found[0] - 0.05, "there must be something to hold back"
    before = shutil.copytree(home, tmp_path / "before", symlinks=True)
    assert scored_on(home) == {date.fromisoformat(AS_OF)}

    told = trials.preview(home, load(no_loss))
    outcome = night(home, AS_OF, config=no_loss)

    assert outcome.kind == "published", outcome.reasons
    assert date(2024, 5, 31) in scored_on(home)
    assert told.moves == moves_between(Home(before).build_file, Home(home).build_file)
    assert told.moved("risk_level"), "a change that moves nobody would prove nothing"
    # And the other way round: what was held back is let go.
    assert trials.preview(home, load(any_loss)).moves == moves_between(Home(home).build_file, Home(before).build_file)


@pytest.mark.slow
def test_a_comparison_tries_both_rules_on_what_happened_next(home: Path, tmp_path: Path) -> None:
    other = edited(tmp_path, (TIERS, TIERS.replace(">= 3", ">= 6")))

    told = trials.compare(home, load(RULES), load(other))

    assert [(m.before, m.after, m.customers) for m in told.preview.moved("tier")] == [("high_value", "regular", 1)]
    assert (str(told.backtest_on), told.backtest_days) == ("2024-04-01", 90)
    by_rules = [{(row.axis, row.name): row for row in rows} for rows in told.backtests]
    for rows in by_rules:
        # On 1 April only c02 is potential: c01 has three orders by then. In the 90 days after, c02 spends 400 and the
        # other seven 300 + 100 + 80. c09, silent for 152 days, is lost on 30 April.
        assert rows["tier", "potential"].customers == 1
        assert rows["tier", "potential"].revenue_per_customer == 400
        assert rows["tier", "potential"].separation == pytest.approx(400 / (480 / 7))
        assert rows["tier", "regular"].customers == 7
        assert (rows["tier", "regular"].churned, rows["tier", "regular"].churned_share) == (1, 1)
        assert (rows["display_layer", "at_risk"].churned, rows["display_layer", "at_risk"].churned_share) == (1, 1)


def test_a_home_without_a_published_night_is_told_to_run_one(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()

    result = CliRunner().invoke(cli.app, ["rules", "preview", str(RULES), "--home", str(tmp_path)])

    assert result.exit_code == cli.Exit.MISUSE
    assert "run a night first" in result.output


@pytest.mark.slow
def test_rules_that_read_exports_otherwise_need_a_night(home: Path, tmp_path: Path) -> None:
    rules = edited(tmp_path, ("time_zone: Europe/London", "time_zone: Asia/Tokyo"))

    result = CliRunner().invoke(cli.app, ["rules", "preview", str(rules), "--home", str(home)])

    assert result.exit_code == cli.Exit.MISUSE
    assert "business.time_zone is not that of the last night" in result.output


@pytest.mark.slow
def test_the_commands_say_it_in_words_and_in_json(home: Path, tmp_path: Path) -> None:
    rules = edited(tmp_path, (TIERS, TIERS.replace(">= 3", ">= 6")))

    words = CliRunner().invoke(cli.app, ["rules", "preview", str(rules), "--home", str(home)])
    plain = CliRunner().invoke(cli.app, ["rules", "preview", str(rules), "--home", str(home), "--json"])

    assert words.exit_code == plain.exit_code == cli.Exit.DONE
    assert "高价值客户 · High value → 一般客户 · Regular" in words.output
    told = json.loads(plain.output[plain.output.index("{") :])
    (tier,) = (axis for axis in told["axes"] if axis["axis"] == "tier")
    assert (tier["zh"], tier["en"], tier["moved_customers"]) == ("客户层级", "Tier", 1)
    assert sum(move["customers"] for move in tier["moves"]) == len(HISTORIES)


def test_a_check_says_what_is_wrong_and_where_and_does_nothing_else(tmp_path: Path) -> None:
    good, bad = edited(tmp_path), edited(tmp_path, (TIERS, TIERS.replace("orders_365d", "order_365d")))

    fine = CliRunner().invoke(cli.app, ["rules", "check", str(good)])
    wrong = CliRunner().invoke(cli.app, ["rules", "check", str(bad)])

    assert fine.exit_code == cli.Exit.DONE
    assert load(good).hash in fine.output
    assert wrong.exit_code == cli.Exit.MISUSE
    line = next(n for n, text in enumerate(bad.read_text(encoding="utf-8").splitlines(), 1) if "order_365d" in text)
    expected = f"{bad}, line {line}: tiers[high_value].when names order_365d"
    assert expected in " ".join(wrong.output.split())
    assert "did you mean orders_365d?" in " ".join(wrong.output.split())


@pytest.mark.parametrize(
    "command", [["run", "--as-of", AS_OF, "--config"], ["rules", "preview"]], ids=["run", "preview"]
)
def test_a_wrong_edit_is_refused_with_its_line_before_anything_is_done(
    tmp_path: Path, deliver, command: list[str]
) -> None:
    home = tmp_path / "home"
    deliver(home, "orders.csv", b"order_id,source_customer_id,ordered_at,net_amount\nO1,C1,2024-06-01,1.00\n", "shop")
    bad = edited(tmp_path, ("discount_rate_year: 0.08", "discount_rate_year: 8"))
    line = next(n for n, text in enumerate(bad.read_text(encoding="utf-8").splitlines(), 1) if "discount_rate" in text)

    refused = CliRunner().invoke(cli.app, [*command, str(bad), "--home", str(home)])

    assert refused.exit_code == cli.Exit.MISUSE
    said = " ".join(refused.output.split())
    assert f"{bad}, line {line}: clv.discount_rate_year must be at least 0 and less than 1, but is 8" in said
    assert [path.relative_to(home) for path in sorted(home.rglob("*"))] == [
        Path("landing"), Path("landing/shop"), Path("landing/shop/orders.csv"),
    ]  # fmt: skip


def test_a_trial_knows_every_step_between_the_tables() -> None:
    """What Python reads and writes is declared for Dagster, too: a trial that knew less would miss a change."""
    partitions = nightly_partitions("Europe/London")
    declared = {
        step: {dep.asset_key.path[-1] for spec in asset.specs for dep in spec.deps}
        for step, asset in (("identity", identity_asset(partitions)), ("predictions", prediction_assets(partitions)))
    }
    assert declared == {step: set(reads) for step, reads in PYTHON_STEPS.items()}
