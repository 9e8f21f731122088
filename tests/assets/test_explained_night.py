"""Every number of the hand-made shop's night is traced to its raw rows, by the command that a person would use."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestration import cli
from orchestration.explaining import open_home
from warehouse.explaining import TOLD


@pytest.fixture(scope="module")
def explain(generic_night):
    """Run the command on the home: ``explain(customer, metric, …)``."""
    assert generic_night.process.returncode == 0, generic_night.process.stdout + generic_night.process.stderr

    def run(*arguments: str, config: Path = generic_night.rules) -> Result:
        options = ["--home", str(generic_night.home), "--config", str(config)]
        return CliRunner().invoke(cli.app, ["explain", *arguments, *options])

    return run


@pytest.fixture(scope="module")
def told(explain):
    """The explanation of one figure as plain values."""

    def run(customer: str, metric: str) -> dict[str, Any]:
        result = explain(customer, metric, "--json")
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    return run


def rows(found: dict[str, Any]) -> dict[tuple[str, int], str | None]:
    """File and number of every row it rests on, with the reason why it does not count."""
    return {(row["file"], row["record_no"]): row["why_not"] for row in found["records"]}


def test_every_figure_of_every_customer_follows_from_raw_rows(generic_night):
    wrong, figures = [], 0
    with open_home(generic_night.home, generic_night.rules) as questions:
        for number in ("C1", "C2", "C3", "C4"):
            customer = questions.explainer.find(f"shop:{number}")
            for metric, _ in questions.explainer.figures(customer):
                found = questions.explainer.explain(customer, metric)
                figures += 1
                if found.agrees is not True and metric not in TOLD:
                    wrong.append((number, metric, [each.value for each in found.published], found.recomputed))
    assert wrong == []
    assert figures > 300


def test_a_purchase_counts_once_and_every_other_row_says_why_it_does_not(told):
    found = told("shop:C1", "orders")
    assert [each["value"] for each in found["published"]] == [1, 1]
    assert (found["recomputed"], found["agrees"], found["zh"]) == (1, True, "累计订单数")
    assert rows(found) == {
        ("orders.csv", 1): None,
        ("orders.csv", 2): "replaced by record 1 of orders.csv",
        ("orders.csv", 3): "given back entirely",
        ("orders.csv", 4): "not of the kind that counts here",
        ("orders.csv", 16): "its status cancelled does not count as revenue",
    }


def test_an_amount_names_the_rate_of_its_day(told):
    found = told("shop:C1", "net_revenue")
    # 100, and 50 dollars at 7.20 that went back.
    assert (found["recomputed"], found["filled"]) == ("100.0000", "460 + -360")
    sale = next(row for row in found["records"] if row["record_no"] == 3)
    assert sale["values"] == {"net_amount": "360.0000"}
    assert [(row["file"], row["record_no"]) for row in sale["rests_on"]] == [("fx_rates.csv", 2)]


def test_what_a_margin_rests_on_is_shown_line_by_line(told):
    found = told("shop:C1", "gross_margin")
    assert found["recomputed"] == "40.0000"
    first = next(row for row in found["records"] if row["record_no"] == 1)
    lines = [(row["feed"], row["record_no"]) for row in first["rests_on"]]
    assert lines == [("order_lines", 1), ("order_lines", 2)]


def test_an_order_of_tomorrow_does_not_count_today(told):
    found = told("shop:C3", "net_revenue")
    assert (found["recomputed"], rows(found)) == (
        "80.0000",
        {("orders.csv", 10): None, ("orders.csv", 11): "dated after the reporting day"},
    )


def test_names_and_addresses_are_not_shown(told):
    [present, former] = told("shop:C2", "country")["records"]
    assert (present["cells"]["name"], present["cells"]["email"], present["cells"]["country"]) == ("A…", "a…", "FR")
    assert (former["record_no"], former["why_not"]) == (2, "replaced by record 3 of customers.csv")


def test_a_class_names_the_line_of_each_rule_that_was_tried(told, generic_night):
    text = generic_night.rules.read_text(encoding="utf-8").splitlines()
    tried = told("shop:C1", "lifecycle_stage")["rules"]
    assert [each["met"] for each in tried] == [False] * (len(tried) - 1) + [True]
    for each in tried:
        assert f"id: {each['id']}" in text[each["line"] - 1]
        assert each["condition"] in text[each["line"] - 1]


def test_a_score_names_every_signal(told):
    found = told("shop:C1", "risk_score")
    fired = [each for each in found["signals"] if each["state"] == "fired"]
    assert sum(each["points"] for each in fired) == pytest.approx(found["recomputed"])
    assert all(each["points"] is None for each in found["signals"] if each["state"] != "fired")


def test_a_person_reads_it_in_either_language(explain):
    english = explain("shop:C2", "net_revenue")
    assert english.exit_code == 0, english.output
    for text in ("published: 325", "recomputed: 325  agrees", "gross_revenue + refund_amount", "= 375 + -50"):
        assert text in english.stdout
    chinese = explain("shop:C2", "net_revenue", "--lang", "zh")
    for text in ("已发布: 325", "重新计算: 325  一致", "累计净收入", "计入的原始记录 (3)", "未计入的原始记录"):
        assert text in chinese.stdout


def test_without_a_figure_all_of_them_are_listed(explain):
    result = explain("shop:C4", "--json")
    found = json.loads(result.stdout)
    figures = {each["metric"]: each for each in found["figures"]}
    assert figures["orders"]["published"][0] == {"table": "customers", "column": "orders", "value": 0}
    assert {"tier", "clv_net", "nps_latest", "risk_level"} <= set(figures)
    assert [each["match_rule"] for each in found["identities"]] == ["own_record"]
    assert "customer_360" in explain("shop:C4").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nobody",), "No customer of release 1 has the id nobody"),
        (("shop:C99", "orders"), "shop has no customer C99 in release 1."),
        (("shop:C1", "net_revenu"), "There is no figure net_revenu of a customer; did you mean net_revenue?"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(explain, arguments, sentence):
    result = explain(*arguments)
    assert result.exit_code == 2
    assert sentence in " ".join(result.stderr.split())


def test_other_rules_than_those_of_the_release_are_told(explain, generic_night, tmp_path):
    text = generic_night.rules.read_text(encoding="utf-8")
    assert "default_margin_rate: 0.30" in text
    other = tmp_path / "business.yml"
    other.write_text(text.replace("default_margin_rate: 0.30", "default_margin_rate: 0.40"), encoding="utf-8")
    same = explain("shop:C3", "gross_margin")
    changed = explain("shop:C3", "gross_margin", config=other)
    assert (same.exit_code, changed.exit_code) == (0, 1)
    assert "is not the rules file that this release was made with" in changed.stdout
    # 30 or 40 per cent of 80.
    assert "recomputed: 32  differs by 8" in changed.stdout


def test_a_home_that_lost_its_raw_files_says_so(generic_night, tmp_path):
    lost = tmp_path / "home"
    shutil.copytree(generic_night.home, lost, symlinks=True, ignore=shutil.ignore_patterns("raw", "build", "dagster"))
    options = ["--home", str(lost), "--config", str(generic_night.rules)]
    result = CliRunner().invoke(cli.app, ["explain", "shop:C1", "orders", *options])
    assert result.exit_code == 2
    assert "restore the folder raw of the home" in " ".join(result.stderr.split())
