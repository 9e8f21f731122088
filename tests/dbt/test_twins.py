"""Every figure of the metric catalogue, computed twice: by the SQL of a night, and in pandas from the docs.

The twins stand in ``twins/``. They start from the standing records of each feed, and take from the tables between only
who is who. A figure that is added to the catalogue without a twin fails here.
"""

import ast
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rules.indicators import catalogue_rows
from tests.dbt.twins.figures import Figure, Shop
from tests.dbt.twins.night import Night
from tests.dbt.twins.shop import write_rules, write_shop

pytestmark = pytest.mark.slow

CLOSE = 1e-6
#: Wider where the night integrates over the days ahead at fewer points than the twin.
CLOSE_ENOUGH = dict.fromkeys(
    [
        ("customer", "clv_predicted_365d"),
        ("customer", "value_at_risk"),
        ("published", "value_at_risk"),
        ("counted", "clv_predicted"),
    ],
    1e-5,
)
CATALOGUE = {(row[0], row[1]): row[9] for row in catalogue_rows()}
#: Systems that join in the second night: some of their records are older, and their orders change the past.
LATE = ("tencent_qidian", "yonyou")
FIRST_NIGHT = "2025-11-30"
#: Figures that the shop gives no reason to be anything but zero, with the tests that show them otherwise.
ALWAYS_ZERO = {
    ("customer", "is_paused"): "what_was_known_of_contracts_on_a_day",
    ("counted", "corrected"): "a_rejected_record_is_corrected_where_a_correction_of_its_delivery_names_it",
}
#: What is learned is taken as the night learned it: the tests that hold it against numbers found otherwise.
LEARNED = {
    ("customer", "churn_probability"): "test_churn.py::test_cdnow_hold_out",
    ("counted", "auc"): "test_backtest.py::test_measures_of_four_customers_worked_out_by_hand",
    ("counted", "brier"): "test_backtest.py::test_measures_of_four_customers_worked_out_by_hand",
    ("counted", "forecast_events"): "test_backtest.py::test_deciles_add_up",
    ("counted", "contribution"): "test_churn.py::test_contributions_sum_to_the_margin",
}
MODELS = Path(__file__).resolve().parents[1] / "models"


@pytest.fixture(scope="module")
def shop(tmp_path_factory, night) -> Shop:
    """The simulated company after two nights, the first of which lacked two of its systems."""
    home = tmp_path_factory.mktemp("twins")
    landing, rules = write_shop(home), write_rules(home)
    for system in LATE:
        shutil.move(landing / system, home / system)
    assert night(home, FIRST_NIGHT, config=rules).kind == "published"
    for system in LATE:
        shutil.move(home / system, landing / system)
    assert night(home, "latest", config=rules).kind == "published"
    return Shop(Night(home, rules), landing, home / "truth")


def published(shop: Shop, figure: Figure) -> pd.Series:
    """What a table says of a figure."""
    con = shop.night.release if figure.table.startswith("marts.") else shop.night.built
    rows = con.execute(figure.query).df()
    for column in figure.keys:
        if str(rows[column].dtype).startswith("datetime64"):
            rows[column] = rows[column].astype("datetime64[us]")
    return rows.set_index(figure.keys)["value"]


def difference(ours: pd.Series, theirs: pd.Series, close: float = CLOSE) -> pd.DataFrame:
    """The rows in which the two disagree; a figure that is empty on one side disagrees."""
    theirs = theirs.reindex(ours.index)
    if pd.api.types.is_numeric_dtype(theirs) or pd.api.types.is_bool_dtype(theirs):
        ours, theirs = ours.astype(float), theirs.astype(float)
        agrees = np.isclose(ours, theirs, rtol=close, atol=CLOSE, equal_nan=True)
    else:
        agrees = (ours == theirs) | (ours.isna() & theirs.isna())
    return pd.DataFrame({"pandas": ours, "sql": theirs})[~agrees]


def test_the_figures_that_have_a_twin_are_those_of_the_catalogue(shop):
    assert set(shop.figures) == set(CATALOGUE)


@pytest.mark.parametrize(("kind", "metric"), [each for each in CATALOGUE if each[0] != "customer"])
def test_a_figure_has_a_twin_in_every_table_that_publishes_it(shop, kind, metric):
    tables = {figure.table.removeprefix("marts.") for figure in shop.figures[kind, metric]}
    assert tables == set(CATALOGUE[kind, metric].split(", "))


@pytest.mark.parametrize(("kind", "metric"), list(CATALOGUE))
def test_a_figure_is_the_same_in_sql_and_in_pandas(shop, kind, metric):
    for figure in shop.figures[kind, metric]:
        theirs, ours = published(shop, figure), figure.twin()
        assert not theirs.index.has_duplicates, figure.table
        assert set(ours.index) == set(theirs.index), figure.table
        close = CLOSE_ENOUGH.get((kind, metric), CLOSE)
        assert difference(ours, theirs, close).to_dict("index") == {}, figure.table


@pytest.mark.parametrize(("kind", "metric"), list(CATALOGUE))
def test_a_figure_says_something_in_this_shop(shop, empty_shop, kind, metric):
    """A twin of nothing but zeros and gaps proves nothing; where the shop has no more, another test has."""
    says = any((ours := figure.twin().dropna()).size and (ours != 0).any() for figure in shop.figures[kind, metric])
    if (kind, metric) in ALWAYS_ZERO:
        tests = {node["name"] for node in empty_shop.manifest["unit_tests"].values()}
        assert ALWAYS_ZERO[kind, metric] in tests
    assert says != ((kind, metric) in ALWAYS_ZERO)


def test_reasons_weigh_as_the_scores_they_are_for(shop):
    """Calibration keeps the order: whose reasons add up to more has the higher probability, by the same model."""
    reasons = shop.night.table("marts.score_reasons").groupby("customer_id")["margin"].first()
    scores = shop.night.table("marts.churn_risk").set_index("customer_id")[["churn_probability", "model"]]
    both = scores.reindex(reasons.index).assign(margin=reasons).sort_values("margin")
    assert both["churn_probability"].nunique() > 10
    for _, rows in both.groupby("model"):
        assert rows["churn_probability"].diff().dropna().ge(-CLOSE).all()


def test_whoever_is_under_contract_is_scored_by_it(shop):
    """The flag of the snapshots, which pandas has made again, decides; customer_360 says the same."""
    risk = shop.night.table("marts.churn_risk").set_index("customer_id")
    wide = shop.night.table("marts.customer_360").set_index("customer_id")
    held = shop.value.tonight["has_contract"].astype(bool)
    assert held.sum() > 10
    assert (risk["model"] == "contract_hazard").equals(held.reindex(risk.index))
    assert wide["contract_leave_probability"].notna().equals(held.reindex(wide.index))
    both = risk["churn_probability"].where(held).dropna()
    assert both.equals(wide["contract_leave_probability"].reindex(both.index))


@pytest.mark.parametrize(("figure", "test"), LEARNED.items())
def test_what_is_learned_has_a_test_of_its_own(figure, test):
    file, _, name = test.partition("::")
    tree = ast.parse((MODELS / file).read_text(encoding="utf-8"))
    assert figure in CATALOGUE
    assert name in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
