"""Words that a profile's map does not know: told with their counts, or refused where the contract says so."""

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from sources import inspect
from sources.profiles import read_profile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sources.conftest import Home

OLIST = "order_id,customer_id,order_status,order_purchase_timestamp"
OLIST_LINES = (
    "A,1,delivered,2018-01-01 10:00:00",
    "B,1,handed over,2018-01-02 10:00:00",
    "C,2,Parked,2018-01-03 10:00:00",
    "D,2,handed over,2018-01-04 10:00:00",
    "E,3,,2018-01-05 10:00:00",
)


def text(header: str, *lines: str) -> str:
    return "".join(f"{line}\n" for line in (header, *lines))


def drift(home: "Home") -> list[str]:
    result = home.load()
    assert result.refusals == []
    return result.drift


def test_unknown_words_of_a_status_are_told_with_their_counts(home: "Home") -> None:
    home.put("olist/olist_orders.csv", text(OLIST, *OLIST_LINES))
    [sentence] = drift(home)
    assert sentence == (
        "landing/olist/olist_orders.csv: the column 'order_status' has words that the profile does not know: "
        "'handed over' 2×, 'Parked' 1×; such orders count for nothing until source.yml says what they mean, under "
        "files: {\"<name>*\": {words: {order_status: {\"handed over\": …}}}} (known are 'delivered', 'shipped', "
        "'approved', 'processing', 'invoiced', 'created', 'canceled', 'unavailable')."
    )


def test_what_the_sentence_asks_for_ends_it(home: "Home") -> None:
    words = {"handed over": "delivered", "parked": "created"}
    declared = {"files": {"olist_orders*": {"words": {"order_status": words}}}}
    home.put("olist/source.yml", yaml.safe_dump(declared))
    home.put("olist/olist_orders.csv", text(OLIST, *OLIST_LINES))
    assert drift(home) == []
    statuses = [status for (status,) in home.rows(home.load().feeds["orders"], "status")]
    assert statuses == ["completed", "completed", "open", "completed", None]


def test_the_words_of_a_canonical_file_are_told_in_the_same_way(home: "Home") -> None:
    header = "order_id,ordered_at,net_amount,Status,kind"
    home.put(
        "generic/orders.csv", text(header, "A,2024-01-01,5,Sold,sale", "B,2024-01-02,5,paid,gift", "C,2024-01-02,5,,")
    )
    status, kind = drift(home)
    assert "the column 'Status' has words that the profile does not know: 'Sold' 1×; such orders count for" in status
    assert "{words: {status: {\"Sold\": …}}}} (known are 'draft', 'open', " in status
    assert "the column 'kind' has words that the profile does not know: 'gift' 1×; such orders count for" in kind
    assert home.rows(home.load().feeds["orders"], "extra") == [('{"Status":"Sold"}',), ('{"kind":"gift"}',), (None,)]


def test_a_column_that_decides_no_revenue_stays_empty(home: "Home") -> None:
    header = "source_customer_id,customer_type"
    home.put("generic/customers.csv", text(header, "A,person", "B,club", "C,"))
    [sentence] = drift(home)
    assert "'club' 1×; customers.customer_type stays empty until source.yml says what they mean" in sentence


def test_a_row_that_is_left_out_for_an_unknown_word_is_told(home: "Home") -> None:
    header = "客户编码,客户名称,免打扰,是否接受营销"
    home.put("jiandaoyun/客户.csv", text(header, "K1,甲,是,", "K2,乙,,也许", "K3,丙,否,"))
    [sentence] = drift(home)
    assert (
        "the column '是否接受营销' has words that the profile does not know: '也许' 1×; consents.state stays"
        in sentence
    )


def test_of_several_columns_the_one_that_most_rules_look_at_is_at_fault(home: "Home") -> None:
    header = "退货单号,客户编码,退货日期,流程状态,类型,退货明细.产品编码,退货明细.数量,退货明细.退款金额"
    line = "T1,K1,2024-01-01,挂起,退货,P1,1,5"
    home.put("jiandaoyun/退货.csv", text(header, line))
    sentences = [sentence for sentence in drift(home) if "does not know" in sentence]
    assert len(sentences) == 1
    assert "the column '流程状态' has words that the profile does not know: '挂起' 1×; such orders" in sentences[0]


def test_many_words_are_not_all_named(home: "Home") -> None:
    lines = [f"{n},1,word {n:02d},2018-01-01 10:00:00" for n in range(12)]
    long = "x" * 200
    home.put("olist/olist_orders.csv", text(OLIST, *lines, f"L,1,{long},2018-01-01", f"M,1,{long},2018-01-01"))
    [sentence] = drift(home)
    assert (
        f"know: '{'x' * 39}…' 2×, 'word 00' 1×, 'word 01' 1×, 'word 02' 1×, 'word 03' 1× and 8 more; such" in sentence
    )


def test_a_frozen_column_refuses_a_file_with_an_unknown_word(home: "Home") -> None:
    home.put("olist/source.yml", "contract: {columns: {order_status: freeze}}")
    home.put("olist/olist_orders.csv", text(OLIST, *OLIST_LINES))
    refusal = home.refusal()
    assert "the column 'order_status' has words that the profile does not know: 'handed over' 2×" in refusal
    assert "its contract is to freeze" in refusal


@pytest.mark.parametrize(("share", "refused"), [(0.7, True), (0.8, False)])
def test_the_share_that_is_tolerated_holds_for_words_too(home: "Home", share: float, refused: bool) -> None:
    # Three of the four words that are written.
    home.put("olist/source.yml", f"contract: {{type_drift: {{share: {share}, then: refuse}}}}")
    home.put("olist/olist_orders.csv", text(OLIST, *OLIST_LINES))
    assert bool(home.load().refusals) is refused


def test_a_default_of_nothing_says_that_other_words_mean_nothing(tmp_path: "Path") -> None:
    file = tmp_path / "shop.yml"
    value = {"from": "Sort", "map": {"firm": "account"}, "default": ""}
    columns = {"source_customer_id": "No", "customer_type": value}
    profile = {
        "system": "shop",
        "customer_grain": "customer",
        "guests": True,
        "columns": {"No": {"required": True}, "Sort": {}},
        "feeds": {"customers": {"columns": columns}},
    }
    file.write_text(json.dumps(profile), encoding="utf-8")
    [feed] = read_profile(file).files["customers"].feeds.values()
    assert feed.columns["customer_type"][0].default == ""


def test_the_others_of_a_map_may_mean_nothing(home: "Home") -> None:
    home.put("yonyou/source.yml", "also: [reps]")
    home.put("yonyou/职员.csv", text("人员编码,人员姓名,部门", "1,甲,财务部", "2,乙,销售部"))
    result = home.load()
    assert home.rows(result.feeds["reps"], "role") == [(None,), ("sales",)]
    assert result.drift == []


def test_inspect_says_what_every_word_means(home: "Home") -> None:
    file = home.put("olist/olist_orders.csv", text(OLIST, *OLIST_LINES))
    [examined] = inspect(home.con, [file], defaults=home.defaults).files
    assert examined.words == [
        {
            "column": "order_status",
            "becomes": "orders.status",
            "words": [["handed over", None, 2], ["Parked", None, 1], ["delivered", "completed", 1]],
            "others": 0,
        }
    ]
    assert any("does not know" in sentence for sentence in examined.drift)


def test_inspect_shows_the_words_that_a_default_took(home: "Home") -> None:
    header = "跟进编号,客户编码,跟进时间,跟进方式"
    lines = ["G1,K1,2024-01-01 10:00:00,电话", "G2,K1,2024-01-02 10:00:00,茶话会"]
    file = home.put("jiandaoyun/跟进记录.csv", text(header, *lines))
    [examined] = inspect(home.con, [file], defaults=home.defaults).files
    assert examined.refused is None
    [told] = [each for each in examined.words if each["becomes"] == "interactions.channel"]
    assert told["words"] == [["电话", "call", 1], ["茶话会", "other", 1]]
    assert not any("does not know" in sentence for sentence in examined.drift)


ZOHO = "Record Id,Account Name.id,Status,Grand Total,Created Time"
WOO = "order_id,order_date,status,customer_id,billing_email,order_total"
SHOPIFY = "Name,Id,Email,Financial Status,Created at,Total,Lineitem quantity,Lineitem name,Lineitem price"


@pytest.mark.parametrize(
    ("name", "header", "line"),
    [
        ("zoho/Sales_Orders.csv", ZOHO, "zcrm_1,zcrm_9,{},5,2024-01-01 10:00:00"),
        ("zoho/Deals.csv", "Record Id,Account Name.id,Stage,Amount,Closing Date", "zcrm_1,zcrm_9,{},5,2024-01-01"),
        (
            "salesforce/Order.csv",
            "Id,AccountId,Status,EffectiveDate,TotalAmount",
            "8015g000004xYzA,0015g000004xYzA,{},2024-01-01,5",
        ),
        (
            "salesforce/Opportunity.csv",
            "Id,AccountId,StageName,CloseDate,Amount",
            "0065g000004xYzA,0015g000004xYzA,{},2024-01-01,5",
        ),
        ("woocommerce/orders.csv", WOO, "1,2024-01-01 10:00:00,{},7,a@web.de,5"),
        ("shopify/orders_export_1.csv", SHOPIFY, "#1,1,a@web.de,{},2024-01-01 10:00:00 +0100,5,1,Fern,5"),
        (
            "hubspot/hubspot-crm-exports-all-deals-2024-01-01.csv",
            "Record ID,Deal Stage,Amount,Close Date,Create Date,Associated Contact IDs",
            "1,{},5,2024-01-01 10:00,2024-01-01 10:00,7",
        ),
    ],
)
def test_no_system_takes_an_unknown_status_for_an_open_order_in_silence(
    home: "Home", name: str, header: str, line: str
) -> None:
    home.put(
        f"{name.partition('/')[0]}/source.yml",
        "also: [deals]" if "Deals" in name else "also: [opportunities]" if "Opp" in name else "",
    )
    home.put(name, text(header, line.format("Closed (Partner)")))
    told = [
        sentence for sentence in drift(home) if "does not know: 'Closed (Partner)' 1×; such orders count" in sentence
    ]
    assert len(told) == 1
