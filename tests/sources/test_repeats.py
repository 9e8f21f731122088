"""What stands several times in one file and contradicts itself is told, whichever way round it stands."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sources.conftest import Home

ORDERS = "order_id,ordered_at,net_amount,updated_at\n"
LIST = "订单号,订单日期,客户编码,销售类型,审核人,币种,行号,存货编码,数量,无税金额\n"


def told(home: "Home", source: str, name: str, text: str) -> list[str]:
    """What reading one file tells, without the file's name."""
    home.put(f"{source}/{name}", text)
    result = home.load()
    assert result.refusals == []
    return [sentence.split(": ", 1)[1] for sentence in result.drift]


@pytest.mark.parametrize("turned", [False, True])
def test_a_record_that_stands_with_two_contents_and_no_date_to_choose_by_is_told(home: "Home", turned: bool) -> None:
    rows = ["A,2024-01-01,10,", "A,2024-01-01,11,", "B,2024-01-01,5,", "B,2024-01-01,5,"]
    text = ORDERS + "\n".join(reversed(rows) if turned else rows) + "\n"
    assert told(home, "generic", "orders.csv", text) == [
        "1 record of orders stands in it several times, each time saying something else (first at record "
        f"{3 if turned else 1}), and no later updated_at tells which holds; export each once, or with the time of its "
        "last change."
    ]


def test_a_record_whose_versions_say_when_they_were_changed_is_no_contradiction(home: "Home") -> None:
    rows = "A,2024-01-01,10,2024-01-02 10:00:00\nA,2024-01-01,11,2024-01-02 11:00:00\nA,2024-01-01,12,\n"
    assert told(home, "generic", "orders.csv", ORDERS + rows) == []


def test_two_contents_of_one_time_are_told(home: "Home") -> None:
    rows = "A,2024-01-01,10,2024-01-02\nA,2024-01-01,11,2024-01-02\nB,2024-01-01,1,\nB,2024-01-01,2,\n"
    assert told(home, "generic", "orders.csv", ORDERS + rows)[0].startswith("2 records of orders stand in it several")


def test_lines_without_numbers_are_lines_of_their_own(home: "Home") -> None:
    rows = "A,,1,2.00\nA,,3,4.00\nA,7,1,2.00\nA,7,1,2.50\n"
    sentences = told(home, "generic", "order_lines.csv", "order_id,line_no,quantity,unit_price\n" + rows)
    assert [sentence.split(" (")[0] for sentence in sentences] == [
        "1 record of order_lines stands in it several times, each time saying something else"
    ]


def test_lines_of_a_document_that_disagree_about_it_are_told(home: "Home") -> None:
    """S1 has two customers and S2 two currencies; the lines of S3 differ in what they sell only, S4 has one."""
    rows = (
        "S1,2025-01-06,001,批发,李,人民币,1,P1,1,10\nS1,2025-01-06,002,批发,李,人民币,2,P2,1,20\n"
        "S2,2025-01-06,001,批发,李,人民币,1,P1,1,10\nS2,2025-01-06,001,批发,李,美元,2,P2,1,20\n"
        "S3,2025-01-06,001,批发,李,人民币,1,P1,1,10\nS3,2025-01-07,001,批发,李,人民币,2,P2,-1,-20\n"
        "S4,2025-01-06,001,批发,李,人民币,1,P1,1,10\n"
    )
    assert told(home, "yonyou", "销售订单列表.csv", LIST + rows) == [
        "2 documents in it have lines that disagree on customer, currency (first at record 1), of which one is "
        "believed; correct them in the system."
    ]


def test_a_correction_holds_single_records_and_contradicts_what_it_corrects(home: "Home") -> None:
    digest = "0" * 64
    text = "order_id,ordered_at,net_amount,keeprate_delivery_id,keeprate_record_no\n"
    rows = f"A,2024-01-01,1,{digest},1\nA,2024-01-01,2,{digest},2\n"
    assert told(home, "generic", "orders.corrected-00000000.csv", text + rows) == []
