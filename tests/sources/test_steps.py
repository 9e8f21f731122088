"""The reading steps that a profile or a source.yml can ask for, each with what it leaves out and what it completes."""

from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.sources.conftest import Home


def read(home: "Home", text: str, *columns: str, kind: str = "order_lines", **settings: Any) -> dict[str, Any]:
    """Load one csv of the canonical profile with reading steps; what became of its records."""
    declared = {"system": "generic", "files": {"*": {"as": kind, **settings}}}
    home.put("shop/source.yml", yaml.safe_dump(declared, allow_unicode=True))
    home.put("shop/list.csv", text)
    result = home.load()
    assert result.refusals == [], result.refusals
    [delivery] = result.deliveries
    rows = home.rows(result.feeds[kind], *columns)
    rejected = home.rows(result.feeds["rejected"], "record_no", "code")
    assert delivery.records == len(rows) + len(rejected) + delivery.ignored
    return {"rows": rows, "rejected": rejected, "ignored": delivery.ignored, "records": delivery.records}


def test_the_words_of_totals_can_be_said(home: "Home") -> None:
    text = "order_id,quantity,unit_price\nA,2,3\nSumme:,2,\nTotal,1,1\n"
    found = read(home, text, "order_id", read={"drop_totals": True, "totals": ["Summe", "Zwischensumme"]})
    assert (found["rows"], found["ignored"]) == ([("A",), ("Total",)], 1)


def test_the_header_may_stand_below_a_preamble(home: "Home") -> None:
    text = "销售明细表\n\n单位:某公司,,,\norder_id,line_no,quantity,unit_price\nA,1,2,3\n"
    found = read(home, text, "order_id", "record_no", read={"skip_preamble": 5})
    assert (found["rows"], found["records"]) == ([("A", 1)], 1)


def test_a_header_of_two_rows_is_group_and_field(home: "Home") -> None:
    text = "order_id,明细,,备注\n,quantity,unit_price,\nA,2,3,x\n"
    found = read(
        home,
        text,
        "quantity",
        "extra",
        read={"header": ["merged", "plain"]},
        columns={"quantity": "明细.quantity", "unit_price": "明细.unit_price"},
    )
    assert found["rows"] == [("2", '{"备注":"x"}')]


def test_a_header_of_keys_and_labels_is_found_by_either(home: "Home") -> None:
    text = "FNo,FQty,FPrice,*Split*1\n*单据编号,quantity,unit_price,间隔列\nA,2,3,\n"
    found = read(
        home,
        text,
        "order_id",
        "quantity",
        "extra",
        read={"header": ["keyed", "plain"], "drop_columns": ["*Split*", "间隔列*"]},
        columns={"order_id": "单据编号"},
    )
    assert found["rows"] == [("A", "2", None)]


def test_a_file_of_one_header_row_is_not_taken_for_keys_and_labels(home: "Home") -> None:
    text = "order_id,quantity,unit_price\nA,2,3\nB,1,1\n"
    found = read(home, text, "order_id", read={"header": ["keyed", "merged", "plain"]})
    assert found["rows"] == [("A",), ("B",)]


def test_a_file_without_header_has_the_names_that_are_given(home: "Home") -> None:
    found = read(
        home,
        "  00004   2   29.33\n  00004   1   29.73\n",
        "order_id",
        "quantity",
        "unit_price",
        read={"header": "none", "names": ["order_id", "quantity", "unit_price"], "delimiter": "whitespace"},
    )
    assert found["rows"] == [("00004", "2", "29.33"), ("00004", "1", "29.73")]


def test_totals_and_repeated_headers_are_ignored(home: "Home") -> None:
    header = "order_id,line_no,quantity,unit_price"
    text = f"{header}\nA,1,2,3\n小计,,2,\n{header}\nTotal Ltd,1,1,1\n合 计:,,3,\n合计：,,3,\n"
    found = read(home, text, "order_id", read={"drop_totals": True})
    assert found["rows"] == [("A",), ("Total Ltd",)]
    assert (found["ignored"], found["rejected"]) == (3, [(5, "bad_amount")])


def test_totals_can_be_looked_for_in_columns(home: "Home") -> None:
    text = "line_no,order_id,quantity,unit_price\n1,A,2,3\n2,合计,2,3\n"
    assert read(home, text, "order_id", read={"drop_totals": ["order_id"]})["rows"] == [("A",)]


def test_a_footer_ends_the_data_whatever_its_shape(home: "Home") -> None:
    text = (
        "order_id,line_no,quantity,unit_price\nA,1,2,3\n\nMy Report\n"
        '"Copyright (c) 2000-2024"\nConfidential Information - Do Not Distribute\nB,1,1,1\n'
    )
    found = read(home, text, "order_id", read={"drop_footer": ["Copyright (c)", "Confidential"]})
    assert (found["rows"], found["ignored"], found["rejected"]) == ([("A",)], 5, [])


def test_without_its_footer_a_short_last_record_is_still_a_cut(home: "Home") -> None:
    home.put("shop/source.yml", 'system: generic\nfiles: {"*": {as: order_lines, read: {drop_footer: [Copyright]}}}')
    home.put("shop/list.csv", "order_id,line_no,quantity,unit_price\nA,1,2,3\nB,1\n")
    assert "its last record has 2 of 4 fields" in home.refusal()


HEAD = "order_id,description,line_no,quantity,unit_price"


def test_cells_of_a_document_s_head_are_repeated_on_its_lines(home: "Home") -> None:
    text = f"{HEAD}\nA,x,1,2,3\n,,2,4,5\nB,,1,1,1\n,,2,1,1\n"
    found = read(home, text, "order_id", "description", "line_no", read={"fill_down": ["order_id", "description"]})
    assert found["rows"] == [("A", "x", "1"), ("A", "x", "2"), ("B", None, "1"), ("B", None, "2")]


def test_a_row_with_part_of_a_head_begins_a_document_of_its_own(home: "Home") -> None:
    text = f"{HEAD}\nA,x,1,2,3\n,y,1,4,5\n,,2,1,1\n"
    found = read(home, text, "order_id", "description", read={"fill_down": ["order_id", "description"]})
    assert (found["rows"], found["rejected"]) == ([("A", "x")], [(2, "missing_id")])
    assert found["ignored"] == 1


def test_lines_of_a_document_whose_head_is_bad_are_ignored(home: "Home") -> None:
    text = f"{HEAD}\n1.2E+11,x,1,2,3\n,,2,4,5\n,,3,?,5\nB,,1,1,1\n"
    found = read(home, text, "order_id", read={"fill_down": ["order_id", "description"]})
    assert (found["rows"], found["rejected"], found["ignored"]) == ([("B",)], [(1, "id_mangled")], 2)


def test_a_bad_line_costs_only_itself(home: "Home") -> None:
    text = f"{HEAD}\nA,x,1,?,3\n,,2,4,5\n"
    found = read(home, text, "order_id", "line_no", read={"fill_down": ["order_id", "description"]})
    assert (found["rows"], found["rejected"]) == ([("A", "2")], [(1, "bad_amount")])


def test_a_continuation_without_anything_is_ignored(home: "Home") -> None:
    text = f"{HEAD},note\nA,x,1,2,3,\n,,,,, \nB,x,1,2,3,\n"
    found = read(home, text, "order_id", read={"fill_down": ["order_id", "description"]})
    assert (found["rows"], found["ignored"]) == ([("A",), ("B",)], 1)


def test_a_document_may_be_bound_by_a_column_that_stands_on_every_row(home: "Home") -> None:
    text = f"{HEAD}\nA,x,1,2,3\nA,,2,4,5\nB,,1,1,1\n"
    steps = {"fill_down": {"columns": ["description"], "within": "order_id"}}
    found = read(home, text, "order_id", "description", read=steps)
    assert found["rows"] == [("A", "x"), ("A", "x"), ("B", None)]


def test_a_misshapen_head_does_not_give_its_lines_to_the_document_above(home: "Home") -> None:
    text = f"{HEAD}\nA,x,1,2,3\nB,x,1\n,,2,4,5\nC,x,1,1,1\n"
    found = read(home, text, "order_id", "line_no", read={"fill_down": ["order_id", "description"]})
    assert found["rows"] == [("A", "1"), ("C", "1")]
    assert found["rejected"] == [(2, "bad_structure"), (3, "missing_id")]


def test_words_of_the_system_are_translated_before_they_are_read(home: "Home") -> None:
    found = read(
        home,
        "source_customer_id,is_active,city\nA,在用,0\nB,停用,北京\n",
        "is_active",
        "city",
        kind="customers",
        words={"is_active": {"在用": True, "停用": False}, "city": {"0": ""}},
    )
    assert found["rows"] == [("true", None), ("false", "北京")]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("files: {'*': {as: ordres}}", "names the kind of file 'ordres'"),
        ("files: {'*': {columns: {colour: x}}}", "speaks of the column 'colour'"),
        ("files: {'*': {read: {skip_preambel: 3}}}", "skip_preambel"),
        ("files: {'*': {read: {header: none}}}", "names are the columns"),
        ("dates: [banana]", "'banana' is no date format"),
        ("encoding: klingon", "'klingon' is not an encoding"),
        ("skip: [ordres]", "names the kind of file 'ordres'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(home: "Home", settings: str, words: str) -> None:
    home.put("shop/source.yml", f"system: generic\n{settings}")
    home.put("shop/orders.csv", "order_id,ordered_at,net_amount\n1,2024-01-01,5\n")
    assert words in home.refusal()


def test_kinds_that_the_owner_skips_are_left_aside(home: "Home") -> None:
    home.put("shop/source.yml", "{system: generic, skip: [orders]}")
    home.put("shop/orders.csv", "order_id,ordered_at,net_amount\n1,2024-01-01,5\n")
    result = home.load()
    assert (result.deliveries, result.refusals) == ([], [])
    assert result.ignored == ["shop/orders.csv (orders: not asked for)"]
