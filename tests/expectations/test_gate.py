"""The adapter: each outcome in words, a broken check is never a verdict, nothing heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from expectations import RESULT_COLUMNS, Expectation, Failure, GateError, GateResult, validate

WHERE_X_IS_A = {"type": "comparison", "column": {"name": "x"}, "operator": "==", "parameter": "a"}
WHERE_X_IS_FILLED = {"type": "nullity", "column": {"name": "x"}, "is_null": False}
ROOT = Path(__file__).parents[2]

# An audit hook cannot be removed, so there is one for the process, and it only writes down what happened.
_connections: list[tuple[Any, ...]] = []
sys.addaudithook(
    lambda event, arguments: (
        _connections.append((event, *arguments)) if event in {"socket.connect", "socket.getaddrinfo"} else None
    )
)


def at_most_one(column: str, **changes: Any) -> Expectation:
    stated: dict[str, Any] = {
        "name": "at_most_1",
        "table": "marts.churn_risk",
        "column": "churn_probability",
        "type": "expect_column_values_to_be_between",
        "arguments": {"column": column, "max_value": 1},
        "allowed": "at most 1",
        "advice": "Look at the model.",
    }
    return Expectation(**{**stated, **changes})


@pytest.fixture(scope="module")
def mixed() -> GateResult:
    """A passed, a failed, a warned and an unavailable expectation, in this order."""
    return validate(
        "warehouse",
        pd.DataFrame({"low": [0.5], "high": [1.5]}, index=[7]),
        [
            at_most_one("low", name="first", observed="0.5"),
            at_most_one("high", name="second", observed="1.5 | one\nand a half"),
            at_most_one("high", name="third", observed="1.5", severity="warning"),
            at_most_one("absent", name="fourth", unavailable="the table is empty"),
        ],
    )


def test_great_expectations_is_the_version_the_adapter_was_written_for() -> None:
    assert version("great-expectations").startswith("1.24.")


@pytest.mark.parametrize(
    ("type_", "arguments", "good", "bad"),
    [
        (
            "expect_column_values_to_be_between",
            {"column": "x", "min_value": 0, "max_value": 1},
            [0.0, 1.0],
            [0.0, 2.0],
        ),
        (
            "expect_column_values_to_be_between",
            {"column": "x", "min_value": 0, "max_value": None},
            [0.0, 1.0],
            [0, -1],
        ),
        ("expect_column_values_to_not_be_null", {"column": "x"}, ["a", "b"], ["a", None]),
        ("expect_column_values_to_be_unique", {"column": "x"}, ["a", "b"], ["a", "a"]),
        (
            "expect_column_values_to_be_in_set",
            {"column": "x", "value_set": ["a", "b"]},
            ["a", "b"],
            ["a", "c"],
        ),
        ("expect_column_values_to_match_regex", {"column": "x", "regex": r"^a\Z"}, ["a", "a"], ["a", "a\n"]),
        ("expect_compound_columns_to_be_unique", {"column_list": ["x", "y"]}, ["a", "b"], ["a", "a"]),
        (
            "expect_table_row_count_to_be_between",
            {"min_value": 1, "max_value": 2},
            ["a", "b"],
            ["a", "b", "c"],
        ),
        (
            "expect_table_row_count_to_be_between",
            {"max_value": 1, "row_condition": WHERE_X_IS_A},
            ["a", "b"],
            ["a", "a"],
        ),
        (
            "expect_column_values_to_not_be_null",
            {"column": "y", "row_condition": WHERE_X_IS_FILLED},
            [None, "b"],
            ["a", None],
        ),
    ],
)
def test_the_api_of_great_expectations_in_use_tells_good_from_bad(
    type_: str, arguments: dict[str, Any], good: list[Any], bad: list[Any]
) -> None:
    def passes(values: list[Any]) -> bool:
        second = [None, *["y"] * (len(values) - 1)] if "row_condition" in arguments else "y"
        frame = pd.DataFrame({"x": values, "y": second})
        return validate("lists", frame, [at_most_one("x", type=type_, arguments=arguments)]).passed

    assert (passes(good), passes(bad)) == (True, False)


def test_outcomes_keep_the_order_of_the_suite(mixed: GateResult) -> None:
    assert [(o.expectation.name, o.status) for o in mixed.outcomes] == [
        ("first", "passed"),
        ("second", "failed"),
        ("third", "warned"),
        ("fourth", "not_available"),
    ]


def test_what_cannot_be_judged_is_not_counted_as_evaluated(mixed: GateResult) -> None:
    assert mixed.evaluated == 3


def test_a_failure_says_where_what_and_what_to_do_in_one_line(mixed: GateResult) -> None:
    message = "marts.churn_risk.churn_probability: 1.5 | one and a half; allowed: at most 1. Look at the model."
    assert mixed.failures == (Failure("warehouse", "marts.churn_risk", "churn_probability", "second", message),)
    assert mixed.lines() == [f"warehouse gate: {message}"]


def test_a_warning_is_listed_and_closes_no_gate() -> None:
    result = validate("raw", pd.DataFrame({"x": [2]}), [at_most_one("x", observed="2", severity="warning")])
    assert result.passed
    assert result.lines() == []
    assert result.warning_lines() == [
        "raw gate, warning: marts.churn_risk.churn_probability: 2; allowed: at most 1. Look at the model."
    ]


def test_a_given_sentence_is_reported_word_for_word() -> None:
    result = validate("raw", pd.DataFrame({"x": [2]}), [at_most_one("x", sentence="orders.csv: is truncated.")])
    assert result.lines() == ["raw gate: orders.csv: is truncated."]


def test_the_table_shows_every_expectation_in_valid_markdown(mixed: GateResult) -> None:
    lines = mixed.table().splitlines()
    assert len(lines) == 2 + len(mixed.outcomes)
    assert lines[0] == "| check | table | column | status | observed | allowed |"
    assert lines[3] == (
        r"| second | marts.churn_risk | churn_probability | failed | 1.5 \| one and a half | at most 1 |"
    )


def test_rows_have_the_columns_of_gate_results(mixed: GateResult) -> None:
    second = dict(zip(RESULT_COLUMNS, mixed.rows[1], strict=True))
    assert second["gate"] == "warehouse"
    assert second["check"] == "second"
    assert second["severity"] == "error"
    assert second["status"] == "failed"
    assert [row[5] for row in mixed.rows] == ["passed", "failed", "warned", "not_available"]


def test_offending_rows_are_counted_and_named_by_position() -> None:
    frame = pd.DataFrame({"x": ["no", *["a"] * 4, "no", "nope", "no"]}, index=range(10, 18))
    in_set = at_most_one("x", type="expect_column_values_to_be_in_set", arguments={"column": "x", "value_set": ["a"]})
    shown = validate("lists", frame, [Expectation(**{**vars(in_set), "show_values": True})])
    hidden = validate("lists", frame, [in_set])
    assert shown.outcomes[0].observed == "not so in 4 of 8 rows (row 1, 6, 7, …: 'no', 'nope')"
    assert hidden.outcomes[0].observed == "not so in 4 of 8 rows (row 1, 6, 7, …)"


def test_a_column_the_frame_lacks_is_an_error_and_no_verdict() -> None:
    with pytest.raises(GateError, match=r"at_most_1 on marts\.churn_risk: there is no column absent"):
        validate("warehouse", pd.DataFrame({"x": [1]}), [at_most_one("absent")])


def test_an_expectation_that_breaks_is_an_error_and_no_verdict() -> None:
    with pytest.raises(GateError, match=r"cannot check at_most_1 on marts\.churn_risk\.churn_probability"):
        validate("warehouse", pd.DataFrame({"x": ["text"]}), [at_most_one("x")])


def test_a_gate_without_anything_to_judge_passes() -> None:
    result = validate("raw", pd.DataFrame(), [at_most_one("x", unavailable="nothing has been delivered")])
    assert result.passed
    assert result.evaluated == 0


def test_the_frame_is_not_changed() -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=[5, 6])
    before = frame.copy()
    validate("lists", frame, [at_most_one("x")])
    pd.testing.assert_frame_equal(frame, before)


def test_judging_opens_no_connection_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    _connections.clear()
    validate("raw", pd.DataFrame({"x": [1]}), [at_most_one("x")])
    assert _connections == []
    assert capfd.readouterr() == ("", "")


def test_importing_the_room_imports_nothing_heavy(run_python: Callable[[str], str]) -> None:
    heavy = ("great_expectations", "pandas", "numpy", "duckdb", "scipy", "dagster", "dbt", "rules")
    loaded = run_python(f"import sys, expectations; print([m for m in {heavy!r} if m in sys.modules])")
    assert loaded == "[]"


@pytest.fixture
def run_python() -> Callable[[str], str]:
    """Run code in a fresh interpreter at the project's root; return what it printed."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    return run
