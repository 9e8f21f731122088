"""The instruments measure what they say; the measurements themselves run in ``make bench``."""

import warnings
from datetime import date

import numpy as np
import pytest

from benchmarks.libraries import Keeprate, Lifetimes
from benchmarks.measure import ChildRun, Stage, run_child
from benchmarks.million import simulate
from benchmarks.peer import area_under_curve
from benchmarks.purchases import Case, Purchases
from benchmarks.tables import Table, markdown
from warehouse.connection import connect


def test_memory_of_a_stage_is_the_largest_sample_within_it() -> None:
    samples = [(1.0, 10), (2.0, 30), (3.0, 20), (4.0, 90)]
    run = ChildRun(4.0, 4.0, 90, [], {}, samples)
    assert run.sampled_peak(Stage("inside", 1.5, 3.2)) == 30
    assert run.sampled_peak(Stage("too short to be seen", 0.1, 3.2)) is None
    assert run.sampled_peak(Stage("in pieces", 1.0, None)) is None


def test_a_child_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"No module named benchmarks\.nothing"):
        run_child("nothing")


def test_area_under_curve_is_the_share_of_pairs_in_the_right_order() -> None:
    # Pairs (event, other): 3>1, 3>2, 2>1 are right, 2=2 is a tie: 3.5 of 4.
    assert area_under_curve(np.array([3.0, 2.0, 1.0, 2.0]), [True, True, False, False]) == 3.5 / 4


def test_both_libraries_build_the_histories_of_a_hand_calculation() -> None:
    days = np.array(["2024-01-01", "2024-01-01", "2024-01-11", "2024-02-20", "2024-01-05"], dtype="datetime64[D]")
    purchases = Purchases(np.array([7, 7, 7, 7, 9]), days, np.array([1.0, 2.0, 10.0, 99.0, 5.0]))
    cut = date(2024, 1, 31)
    with connect() as con:
        ours = Keeprate(con, purchases).summarise(cut)
    with warnings.catch_warnings():
        # Those of lifetimes, which was written for older pandas.
        warnings.simplefilter("ignore")
        theirs = Lifetimes(purchases).summarise(cut).sort_index()
    assert ours.customer.tolist() == [7, 9]
    assert ours.frequency.tolist() == [1, 0]
    assert ours.recency.tolist() == [10, 0]
    assert ours.T.tolist() == [30, 26]
    assert ours.monetary_value.tolist() == [10, 0]
    assert theirs.to_numpy().tolist() == [[1, 10, 30, 10], [0, 0, 26, 0]]


def test_a_day_with_two_purchases_is_one_purchase_of_the_hold_out() -> None:
    days = np.array(["2024-01-01", "2024-02-01", "2024-02-01", "2024-02-02", "2024-03-01"], dtype="datetime64[D]")
    purchases = Purchases(np.array([7, 7, 7, 7, 7]), days, np.ones(5))
    case = Case("two in a day", purchases, date(2024, 1, 31), holdout_days=2)
    assert case.future_days_with_purchase(np.array([7, 9])).tolist() == [2, 0]


def test_markdown_marks_groups_and_keeps_the_width() -> None:
    table = Table("A title", ["what", "s"], [["a group"], ["a row", "1.0"]], "A note.")
    assert markdown(table).splitlines() == [
        "## A title",
        "",
        "| what | s |",
        "|---|--:|",
        "| **a group** |  |",
        "| a row | 1.0 |",
        "",
        "A note.",
    ]


def test_simulated_customers_buy_on_days_of_two_years_and_most_only_once() -> None:
    purchases = simulate(np.random.default_rng(1), 20_000)
    again = simulate(np.random.default_rng(1), 20_000)
    assert (again.amount == purchases.amount).all()
    assert (purchases.day.min(), purchases.day.max()) == (np.datetime64("2023-07-02"), np.datetime64("2025-06-30"))
    number = np.bincount(purchases.customer)
    assert len(number) == 20_000
    assert 0.4 < np.mean(number == 1) < 0.7
    assert 2.2 < number.mean() < 2.7
    assert (purchases.amount > 0).all()
