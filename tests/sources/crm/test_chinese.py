"""简道云, 用友, 金蝶 and 腾讯企点: whole exports against rows and rejects that were worked out by hand."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from sources import canonical_feeds

if TYPE_CHECKING:
    from tests.sources.conftest import Home
    from tests.sources.crm.conftest import Export

Read = Callable[..., "Export"]

SYSTEMS = ("jiandaoyun", "yonyou", "kingdee", "tencent_qidian")


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_record_of_every_file_is_accounted_for(read_export: Read, system: str) -> None:
    export = read_export(system)
    assert export.result.refusals == []
    assert export.accounts == export.expected_accounts


@pytest.mark.parametrize("feed", canonical_feeds())
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_feed_has_exactly_the_expected_rows(read_export: Read, system: str, feed: str) -> None:
    export = read_export(system)
    expected = export.expected(feed)
    assert export.filled(feed) <= set(expected.columns)
    assert export.loaded(feed, expected.columns).rows == expected.rows


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_utf_8_and_gb18030_copies_are_the_same(read_export: Read, system: str) -> None:
    other = {"utf-8": "gb18030", "utf-8-sig": "gb18030", "gb18030": "utf-8-sig", "gbk": "utf-8"}

    def recoded(_: str, how: Mapping[str, Any]) -> Mapping[str, Any]:
        is_text = how["made_of"].endswith(".csv")
        return {**how, "encoding": other[how.get("encoding", "utf-8")]} if is_text else how

    _assert_same(read_export(system), read_export(system, recoded))


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_csv_and_workbook_copies_are_the_same(read_export: Read, system: str) -> None:
    def resaved(name: str, how: Mapping[str, Any]) -> Mapping[str, Any]:
        stem, _, extension = name.rpartition(".")
        if how["made_of"].endswith(".csv"):
            return {**how, "as": "xlsx", "name": f"{stem}.xlsx"}
        return {**how, "as": "csv", "name": f"{stem}.csv"} if extension == "xlsx" and how.get("flat") else how

    _assert_same(read_export(system), read_export(system, resaved))


def _assert_same(one: "Export", other: "Export") -> None:
    """Equal rows and rejects, whatever the files are called."""
    assert other.result.refusals == []
    for feed, spec in canonical_feeds().items():
        columns = ("record_no", *spec.columns, "extra")
        assert other.loaded(feed, columns).rows == one.loaded(feed, columns).rows
    assert sorted(map(repr, other.accounts.values())) == sorted(map(repr, one.accounts.values()))


def test_outbound_notes_are_read_only_where_the_owner_asks_for_them(read_export: Read) -> None:
    export = read_export("kingdee")
    assert [name for name in export.result.ignored if name.startswith("kingdee/销售出库单.csv")] != []
    assert "出库单列表.csv" in export.accounts


def test_what_nobody_maps_is_kept(read_export: Read) -> None:
    extras = dict(read_export("jiandaoyun").loaded("customers", ("source_customer_id", "extra")).rows)
    assert extras["KH0007"] == (
        '{"提交人":"王芳","数据ID":"67cf8c900c8f4b0001a10012","联系电话":"见名片","邮箱":"暂无"}'
    )


def test_a_list_that_names_customers_but_not_their_codes_is_refused(home: "Home") -> None:
    home.put(
        "kingdee/销售订单列表.csv",
        "单据编号,日期,客户,单据状态,物料编码,销售数量,价税合计\nXSDD000101,2025-01-07,无锡精工轴承有限公司,已审核,MAT001,1,11.30\n",
    )
    message = home.refusal()
    assert "the column FCustId is missing" in message


def test_a_file_that_two_systems_could_have_written_is_refused_with_advice(home: "Home") -> None:
    home.put("erp/客户档案.csv", "客户编码,客户名称,手机,邮箱\n00001,杭州云禾纺织有限公司,13800020001,\n")
    message = home.refusal()
    assert "jiandaoyun" in message
    assert "yonyou" in message
    assert "write 'system: <profile>' into source.yml beside the file" in message


def test_approval_that_a_list_does_not_show_is_never_assumed(home: "Home") -> None:
    home.put(
        "yonyou/销售订单列表.csv",
        "订单号,订单日期,客户编码,存货编码,数量,无税金额\n0000000101,2025-01-06,00001,01010001,1,100.00\n",
    )
    assert "审核人" in home.refusal()


def test_a_first_record_without_name_is_not_taken_for_a_second_row_of_headings(home: "Home") -> None:
    home.put("jiandaoyun/客户.csv", "客户编码,客户名称,联系电话\n,,13800010001\nKH0001,云禾,13800010002\n")
    result = home.load()
    [delivery] = result.deliveries
    assert (delivery.records, delivery.rejected) == (2, 1)
    assert home.rows(result.feeds["customers"], "source_customer_id", "phone") == [("KH0001", "+8613800010002")]
