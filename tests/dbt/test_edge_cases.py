"""The edges of every formula: who never bought, bought once or gave all back, and what time and money do at a border.

``EDGES`` says which edge is asserted where: by a unit test of the project, by a test of another file, or by a line of
``WORKED``, which asks the tables of a hand-made shop. Its numbers were worked out by hand; the orders stand below.
"""

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "config" / "business.yml"
AS_OF = "2024-04-10"

# The shop lies in Shanghai: 15:30 UTC is half past eleven in the evening, 16:30 UTC is the next day.
SHOP = {
    "customers": """source_customer_id,customer_type,created_at,birth_date
nobody,person,2024-01-01T04:00:00Z,2000-02-29
gone,person,2023-08-01T04:00:00Z,
once,person,2024-01-10T04:00:00Z,
back,person,2024-01-15T04:00:00Z,
late,person,2024-02-29T15:30:00Z,
nocost,person,2024-03-20T04:00:00Z,
dollar,person,2024-03-05T04:00:00Z,
""",
    "orders": """order_id,source_customer_id,ordered_at,kind,original_order_id,currency,net_amount,cost_amount
G1,gone,2023-08-01T04:00:00Z,sale,,CNY,100.00,50.00
A1,once,2024-01-10T04:00:00Z,sale,,CNY,100.00,40.00
B1,back,2024-01-15T04:00:00Z,sale,,CNY,200.00,120.00
B2,back,2024-02-05T04:00:00Z,refund,B1,CNY,200.00,
C1,late,2024-02-29T15:30:00Z,sale,,CNY,100.00,60.00
C2,late,2024-02-29T16:30:00Z,sale,,CNY,50.00,30.00
D1,nocost,2024-03-20T04:00:00Z,sale,,CNY,80.00,
E1,dollar,2024-03-05T04:00:00Z,sale,,USD,10.00,5.00
""",
    "fx_rates": """currency,on,rate
USD,2024-01-01,7.10
USD,2024-03-01,7.20
""",
    "subscriptions": """contract_id,source_customer_id,started_on,mrr,currency,status
K1,nobody,2024-02-29,100.00,CNY,active
""",
    "survey_responses": """response_id,source_customer_id,survey,score,scale_max,responded_at
R1,once,nps,9,10,2024-02-29T15:30:00Z
R2,late,nps,3,10,2024-02-29T16:30:00Z
R3,once,csat,4,5,2024-02-29T15:30:00Z
""",
    "tickets": """ticket_id,source_customer_id,kind,status,opened_at
T1,once,complaint,open,2024-02-29T15:30:00Z
""",
}

NO_ORDERS, ONE_ORDER, FULL_REFUND = "no orders", "one order", "full refund"
NO_STOCK, IMMATURE = "zero opening stock", "immature cohort"
LATE_EVENING, LEAP_DAY = "23:30 local time", "leap day"
NO_COST, NO_RATE = "missing cost", "missing rate"
CASES = {NO_ORDERS, ONE_ORDER, FULL_REFUND, NO_STOCK, IMMATURE, LATE_EVENING, LEAP_DAY, NO_COST, NO_RATE}

HERE = "a line of WORKED"
MISSING_RATE = "tests/dbt/test_missing_rate.py::test_a_missing_rate_fails_and_its_currency_is_named"
NEVER_BOUGHT = "who_never_bought_has_no_value_and_no_risk"
#: Where each edge of each formula is asserted. An edge that a formula cannot meet has no line: cohorts know no costs.
EDGES = {
    "Net revenue": {
        NO_ORDERS: HERE, ONE_ORDER: HERE, FULL_REFUND: HERE, LATE_EVENING: HERE, LEAP_DAY: HERE,
        NO_RATE: MISSING_RATE,
    },
    "AOV": {NO_ORDERS: HERE, ONE_ORDER: HERE, FULL_REFUND: HERE, LATE_EVENING: HERE, LEAP_DAY: HERE},
    "Purchase frequency": {NO_ORDERS: HERE, ONE_ORDER: HERE, FULL_REFUND: HERE, LATE_EVENING: HERE, LEAP_DAY: HERE},
    "Relationship years": {
        NO_ORDERS: HERE, ONE_ORDER: "who_bought_on_one_day_stays_as_long_as_the_tier_does_on_average",
        NO_STOCK: "without_a_past_nobody_knows_how_long_customers_stay", LEAP_DAY: HERE,
    },
    "Margin rate": {
        NO_ORDERS: HERE, ONE_ORDER: HERE, FULL_REFUND: "what_comes_back_takes_the_margin_of_its_sale_with_it",
        NO_COST: HERE, NO_RATE: MISSING_RATE,
    },
    "clv_revenue_formula": {NO_ORDERS: NEVER_BOUGHT, ONE_ORDER: HERE, FULL_REFUND: HERE, LEAP_DAY: HERE},
    "clv_margin_formula": {NO_ORDERS: NEVER_BOUGHT, ONE_ORDER: HERE, FULL_REFUND: HERE, NO_COST: HERE},
    "clv_net": {NO_ORDERS: NEVER_BOUGHT, ONE_ORDER: HERE, FULL_REFUND: HERE, NO_COST: HERE, LEAP_DAY: HERE},
    "clv_predicted": {
        NO_ORDERS: NEVER_BOUGHT, FULL_REFUND: HERE,
        ONE_ORDER: "expected_spend_moves_from_the_mean_of_all_to_the_customers_own",
    },
    "p_alive": {NO_ORDERS: NEVER_BOUGHT, ONE_ORDER: HERE, FULL_REFUND: HERE},
    "Personal gap": {
        NO_ORDERS: HERE, ONE_ORDER: HERE,
        FULL_REFUND: "gaps_are_counted_between_the_days_that_are_still_worth_something",
        LATE_EVENING: HERE, LEAP_DAY: HERE,
    },
    "Churned (non-contractual)": {
        NO_ORDERS: HERE, ONE_ORDER: HERE, FULL_REFUND: HERE, LEAP_DAY: HERE,
        LATE_EVENING: HERE,
    },
    "Churned (contractual)": {
        NO_ORDERS: "contracts_alone_decide_where_business_is_done_by_contract", LEAP_DAY: HERE,
        ONE_ORDER: "who_has_a_contract_is_judged_by_it_from_its_first_day_on",
    },
    "Churn rate": {NO_STOCK: HERE, ONE_ORDER: HERE, FULL_REFUND: HERE, IMMATURE: HERE, LEAP_DAY: HERE},
    "Retention": {
        ONE_ORDER: HERE, FULL_REFUND: HERE, IMMATURE: "a_cohorts_month_that_is_not_over_has_no_rate",
        LATE_EVENING: HERE, LEAP_DAY: HERE,
    },
    "Repurchase rate": {
        ONE_ORDER: HERE, FULL_REFUND: HERE, LATE_EVENING: HERE, LEAP_DAY: HERE,
        IMMATURE: "only_customers_whose_window_has_passed_count_in_repurchase",
    },
    "NPS": {NO_ORDERS: HERE, LATE_EVENING: HERE, LEAP_DAY: HERE},
    "CSAT": {NO_ORDERS: HERE, LATE_EVENING: HERE, LEAP_DAY: HERE},
    "Complaint rate": {NO_STOCK: HERE, FULL_REFUND: HERE, LATE_EVENING: HERE, LEAP_DAY: HERE},
    "Cadence ratio": {NO_ORDERS: HERE, ONE_ORDER: HERE, FULL_REFUND: HERE, LATE_EVENING: HERE, LEAP_DAY: HERE},
    "Risk score": {
        NO_ORDERS: NEVER_BOUGHT, ONE_ORDER: HERE,
        FULL_REFUND: HERE,
    },
    "Value at risk": {NO_ORDERS: NEVER_BOUGHT, ONE_ORDER: HERE, FULL_REFUND: HERE},
    "NRR / GRR": {
        NO_STOCK: HERE, IMMATURE: HERE, LEAP_DAY: HERE, NO_ORDERS: HERE,
        NO_RATE: "a_contract_in_a_currency_without_a_rate_has_no_amount",
    },
}  # fmt: skip
#: Formulas that no table publishes yet, and a word that the first table to do so will have in its name.
UNPUBLISHED = {"Uplift": "uplift", "Incremental margin": "uplift"}

CLV = "select {} from marts.customer_clv where customer_id = {{{}}}"
KNOWN = "select {} from marts.customer_360 where customer_id = {{{}}}"
MONTH = "select {} from marts.revenue_monthly where month = '{}'"
TONIGHT = (
    "select {} from core.customer_snapshots "
    "where customer_id = {{{}}} and as_of = (select max(as_of) from core.customer_snapshots)"
)
SERVICE = "select {} from marts.satisfaction_monthly where period = 'month' and dimension = 'all' and month = '{}'"
#: Formula, edges, question, answer. A name in braces is the customer of that name. 2024 is a leap year: from 10 January
#: to 10 April are 21 + 29 + 31 + 10 = 91 days, from 29 February 41.
WORKED = [
    ("Net revenue", {FULL_REFUND}, KNOWN.format("net_revenue, refund_amount, orders", "back"), (0, -200, 0)),
    ("Net revenue", {NO_ORDERS}, KNOWN.format("net_revenue, orders", "nobody"), (0, 0)),
    ("Net revenue", {ONE_ORDER}, KNOWN.format("net_revenue", "dollar"), (72,)),  # 10 at 7.20
    (
        "Net revenue", {LATE_EVENING, LEAP_DAY, FULL_REFUND},
        # 100 of 29 February less the 200 given back; on the order date the 200 had come and gone in January.
        MONTH.format("net_revenue, net_revenue_by_order_date", "2024-02-01"), (-100, 100),
    ),
    ("Net revenue", {LATE_EVENING}, MONTH.format("net_revenue", "2024-03-01"), (202,)),  # 50 + 72 + 80
    ("AOV", {NO_ORDERS}, MONTH.format("aov, revenue_per_buyer, orders", "2024-04-01"), (None, None, 0)),
    ("AOV", {NO_ORDERS, FULL_REFUND}, KNOWN.format("aov", "back"), (None,)),
    ("AOV", {FULL_REFUND}, MONTH.format("aov", "2024-01-01"), (300,)),  # 300 and one purchase: the other was void
    ("AOV", {ONE_ORDER}, KNOWN.format("aov", "once"), (100,)),
    ("AOV", {LATE_EVENING, LEAP_DAY}, "select aov from marts.kpi_daily where day = '2024-02-29'", (100,)),
    ("AOV", {LATE_EVENING}, "select aov from marts.kpi_daily where day = '2024-03-01'", (50,)),
    ("Purchase frequency", {ONE_ORDER, LEAP_DAY}, CLV.format("orders_per_year", "once"), (365 / 91,)),
    ("Purchase frequency", {LATE_EVENING}, CLV.format("orders_per_year", "late"), (2 / (90 / 365),)),
    (
        "Purchase frequency", {NO_ORDERS, FULL_REFUND},
        "select count(*) from marts.customer_clv where customer_id in ({nobody}, {back})", (0,),
    ),
    ("Relationship years", {LEAP_DAY}, CLV.format("relationship_years", "once"), (91 / 365,)),
    (
        "Relationship years", {NO_ORDERS},
        "select count(*) from core.relationship_years where customer_id in ({nobody}, {back})", (0,),
    ),
    ("Margin rate", {NO_ORDERS}, MONTH.format("margin_rate, gross_margin", "2024-04-01"), (None, 0)),
    ("Margin rate", {ONE_ORDER}, CLV.format("margin_rate, margin_source", "dollar"), (0.5, "cost")),
    ("Margin rate", {NO_COST}, CLV.format("margin_rate, margin_source", "nocost"), (0.3, "default_rate")),
    ("clv_revenue_formula", {ONE_ORDER, LEAP_DAY}, CLV.format("clv_revenue_formula", "once"), (100,)),
    (
        "clv_revenue_formula", {FULL_REFUND},
        KNOWN.format("clv_revenue_formula, clv_margin_formula, clv_net", "back"), (None, None, None),
    ),
    ("clv_margin_formula", {ONE_ORDER}, CLV.format("clv_margin_formula", "once"), (60,)),
    ("clv_margin_formula", {FULL_REFUND}, KNOWN.format("clv_margin_formula", "back"), (None,)),
    ("clv_margin_formula", {NO_COST}, CLV.format("clv_margin_formula", "nocost"), (24,)),
    ("clv_net", {ONE_ORDER, LEAP_DAY}, CLV.format("clv_net, clv_net_per_year", "once"), (60, 60 / (91 / 365))),
    # 21 days are less than a month, which is the least that counts.
    ("clv_net", {NO_COST}, CLV.format("clv_net, clv_net_per_year", "nocost"), (24, 288)),
    ("clv_net", {FULL_REFUND}, KNOWN.format("clv_net, gross_margin", "back"), (None, 0)),
    (
        "clv_predicted", {FULL_REFUND},
        KNOWN.format("clv_predicted_365d, prediction_status", "back"), (None, "insufficient"),
    ),
    ("p_alive", {ONE_ORDER}, CLV.format("p_alive > 0 and p_alive < 1", "once"), (True,)),
    ("p_alive", {FULL_REFUND}, KNOWN.format("p_alive", "back"), (None,)),
    # Fewer than 20 gaps are known: 180 days stand for the usual one. One own gap of a day: (1 + 3 × 180) ÷ 4.
    ("Personal gap", {ONE_ORDER}, KNOWN.format("personal_gap_days", "once"), (180,)),
    ("Personal gap", {LATE_EVENING, LEAP_DAY}, KNOWN.format("personal_gap_days", "late"), (135.25,)),
    ("Personal gap", {NO_ORDERS}, KNOWN.format("personal_gap_days, days_overdue", "nobody"), (None, None)),
    # 1 August and 180 days is 28 January; the day after is that of the loss.
    (
        "Churned (non-contractual)", {ONE_ORDER},
        KNOWN.format("is_churned, churned_on", "gone"), (True, date(2024, 1, 29)),
    ),
    ("Churned (non-contractual)", {LEAP_DAY}, KNOWN.format("is_churned, recency_days", "once"), (False, 91)),
    (
        "Churned (non-contractual)", {NO_ORDERS, FULL_REFUND},
        KNOWN.format("is_churned, churned_on", "back"), (False, None),
    ),
    ("Churned (non-contractual)", {NO_ORDERS}, KNOWN.format("is_churned", "nobody"), (False,)),
    ("Churned (non-contractual)", {LATE_EVENING}, KNOWN.format("is_churned, recency_days", "late"), (False, 40)),
    ("Churned (contractual)", {LEAP_DAY}, KNOWN.format("has_contract, mrr", "nobody"), (True, 100)),
    (
        "Churn rate", {NO_STOCK},
        "select opening, churn_rate from marts.churn_monthly where month = '2023-08-01'", (0, None),
    ),
    # The void sale of January brought nobody in.
    (
        "Churn rate", {ONE_ORDER, FULL_REFUND},
        "select opening, new, churned, closing, churn_rate from marts.churn_monthly where month = '2024-01-01'",
        (1, 1, 1, 1, 1),
    ),
    (
        "Churn rate", {LEAP_DAY},
        "select opening, new, closing, churn_rate from marts.churn_monthly where month = '2024-02-01'", (1, 1, 2, 0),
    ),
    (
        "Churn rate", {IMMATURE},
        "select opening, churn_rate, is_complete from marts.churn_monthly where month = '2024-04-01'", (4, None, False),
    ),
    (
        "Retention", {LATE_EVENING, LEAP_DAY},
        "select cohort_size, retention_rate from marts.cohort_retention "
        "where cohort_month = '2024-02-01' and period = 1",
        (1, 1),
    ),
    (
        "Retention", {ONE_ORDER, FULL_REFUND},
        "select cohort_size, retention_rate from marts.cohort_retention "
        "where cohort_month = '2024-01-01' and period = 1",
        (1, 0),
    ),
    (
        "Repurchase rate", {LATE_EVENING, LEAP_DAY},
        "select mature_customers, repurchase_rate from marts.repurchase "
        "where cohort_month = '2024-02-01' and window_days = 30", (1, 1),
    ),
    (
        "Repurchase rate", {ONE_ORDER, FULL_REFUND},
        "select mature_customers, repurchase_rate from marts.repurchase "
        "where cohort_month = '2024-01-01' and window_days = 30", (1, 0),
    ),
    ("NPS", {NO_ORDERS}, SERVICE.format("nps, nps_responses", "2024-01-01"), (None, 0)),
    ("NPS", {LATE_EVENING, LEAP_DAY}, SERVICE.format("nps, nps_responses", "2024-02-01"), (100, 1)),
    ("NPS", {LATE_EVENING}, SERVICE.format("nps, nps_responses", "2024-03-01"), (-100, 1)),
    ("CSAT", {LATE_EVENING, LEAP_DAY}, SERVICE.format("csat, csat_responses", "2024-02-01"), (1, 1)),
    ("CSAT", {NO_ORDERS}, SERVICE.format("csat, csat_responses", "2024-03-01"), (None, 0)),
    # Active in February are the one of January, and the one of the 29th at half past eleven; who gave all back is not.
    (
        "Complaint rate", {FULL_REFUND, LATE_EVENING, LEAP_DAY},
        SERVICE.format("complaining_customers, active_customers, complaint_rate", "2024-02-01"), (1, 2, 0.5),
    ),
    (
        "Complaint rate", {NO_STOCK},
        "select count(*) from marts.satisfaction_monthly where active_customers = 0 and complaint_rate is not null",
        (0,),
    ),
    (
        "Cadence ratio", {ONE_ORDER, LEAP_DAY},
        "select cadence_ratio from marts.churn_risk where customer_id = {once}", (91 / 180,),
    ),
    (
        "Cadence ratio", {LATE_EVENING},
        "select cadence_ratio from marts.churn_risk where customer_id = {late}", (40 / 135.25,),
    ),
    (
        "Cadence ratio", {NO_ORDERS},
        TONIGHT.format("cadence_ratio, days_overdue", "nobody"), (None, None),
    ),
    (
        "Cadence ratio", {FULL_REFUND},
        TONIGHT.format("cadence_ratio, days_overdue", "back"), (None, None),
    ),
    # 253 days of silence are 1.4 usual gaps: the months of silence weigh 0.6, and the model adds to it.
    (
        "Risk score", {ONE_ORDER},
        KNOWN.format("risk_score >= 60 and risk_score < 80, risk_level, reason_1", "gone"),
        (True, "high", "no_order_months"),
    ),
    ("Risk score", {FULL_REFUND}, KNOWN.format("risk_score, risk_level", "back"), (None, None)),
    ("Value at risk", {FULL_REFUND}, KNOWN.format("value_at_risk", "back"), (None,)),
    ("Value at risk", {ONE_ORDER}, KNOWN.format("value_at_risk >= 0", "once"), (True,)),
    (
        "NRR / GRR", {NO_STOCK, LEAP_DAY, NO_ORDERS},
        "select opening_mrr, new_mrr, nrr, grr from marts.revenue_retention "
        "where dimension = 'all' and month = '2024-02-01'", (0, 100, None, None),
    ),
    (
        "NRR / GRR", {NO_ORDERS},
        "select opening_mrr, nrr, grr from marts.revenue_retention where dimension = 'all' and month = '2024-03-01'",
        (100, 1, 1),
    ),
    (
        "NRR / GRR", {IMMATURE},
        "select nrr, grr, is_complete from marts.revenue_retention where dimension = 'all' and month = '2024-04-01'",
        (None, None, False),
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def tables(tmp_path_factory, night, deliver):
    """The tables of the hand-made shop, those between included, and its customers by name."""
    home = tmp_path_factory.mktemp("edges") / "home"
    deliver(home, "source.yml", b"system: generic\ntimezone: Asia/Shanghai\ncurrency: CNY\n", "shop")
    for feed, text in SHOP.items():
        deliver(home, f"{feed}_{AS_OF}.csv", text.encode(), "shop")
    outcome = night(home, AS_OF, config=RULES)
    assert outcome.kind == "published", outcome.reasons
    with duckdb.connect(str(home / "build" / "warehouse.duckdb"), read_only=True) as con:
        names = dict(con.execute("select source_customer_id, customer_id from marts.customer_identities").fetchall())
        yield con, {name: f"'{customer}'" for name, customer in names.items()}


@pytest.mark.slow  # It runs a night.
@pytest.mark.parametrize(("formula", "edges", "question", "answer"), WORKED)
def test_a_formula_holds_at_its_edge(tables, formula, edges, question, answer):
    con, names = tables
    (found,) = con.execute(question.format(**names)).fetchall()
    found = [float(value) if isinstance(value, Decimal) else value for value in found]
    assert found == [pytest.approx(value, rel=1e-6) if isinstance(value, float) else value for value in answer]


def test_the_edges_that_are_worked_out_here_are_those_of_the_table():
    here = {(formula, case) for formula, cases in EDGES.items() for case, place in cases.items() if place == HERE}
    assert {(formula, case) for formula, cases, *_ in WORKED for case in cases} - here == set()
    assert here - {(formula, case) for formula, cases, *_ in WORKED for case in cases} == set()


def test_every_edge_is_asserted_and_every_place_exists(empty_shop):
    assert {case for cases in EDGES.values() for case in cases} == CASES
    passed = {
        node["name"]
        for key, node in empty_shop.manifest["unit_tests"].items()
        if empty_shop.status.get(key) in ("pass", "success")
    }
    places = {place for cases in EDGES.values() for place in cases.values()} - {HERE}
    of_files = {place for place in places if "::" in place}
    assert places - of_files - passed == set()
    for place in of_files:
        file, test = place.split("::")
        assert f"def {test}(" in ROOT.joinpath(file).read_text(encoding="utf-8")


def test_what_is_not_published_yet_has_no_table(empty_shop):
    assert [
        mart["name"] for mart in empty_shop.marts() if any(word in mart["name"] for word in UNPUBLISHED.values())
    ] == []
