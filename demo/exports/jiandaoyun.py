"""The service desk's forms, as 简道云 saves them: its customers as text, its tickets as a workbook.

Whoever has a ticket was entered as a customer here once more. Numbers and times of a workbook are cells of their type.
"""

from datetime import date, timedelta

import duckdb

from demo.dirt import (
    bad_date,
    bad_score,
    dup_exact,
    id_mangled,
    missing_customer,
    missing_id,
    older_version,
    orphan,
    wide_digits,
)
from demo.files import EXCEL_ROWS, Csv, Workbook
from demo.sheets import Feed, Sheet
from demo.spelling import SHANGHAI, clock, instant, literal, national, numbered, yes_no

__all__ = ["KIND", "KIND_WORDS", "PRIORITY", "PRIORITY_WORDS", "SETTINGS", "SOURCE", "identities", "sheets"]

SOURCE = "jiandaoyun"
SETTINGS = None

_CODE = numbered("KH", "customer_no")
_LARGEST_FORM = EXCEL_ROWS - 100_000
"""A form of more entries is saved as text; there must be room for what is planted."""

_TEXT = Csv(encoding="utf-8-sig", newline="\r\n")
_KINDS = {"complaint": "投诉", "question": "咨询", "repair": "维修", "return": "退货"}
_PRIORITIES = {"urgent": "紧急", "high": "高", "medium": "中", "low": "低"}


def _words(column: str, meanings: dict[str, str], otherwise: str) -> str:
    cases = " ".join(f"when {literal(word)} then {literal(written)}" for word, written in meanings.items())
    return f"case {column} {cases} else {literal(otherwise)} end"


KIND_WORDS = _words("kind", _KINDS, "其他")
PRIORITY_WORDS = _words("priority", _PRIORITIES, "低")
"""What a ticket is about and how urgent it is, as Chinese desks write it."""

KIND = f"case when kind in ({', '.join(map(literal, _KINDS))}) then kind else 'other' end"
PRIORITY = "case priority when 'medium' then 'normal' else priority end"
"""The same in canonical words."""


def identities(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the ids in this source and of the people whose they are."""
    code = numbered("KH", "source_customer_no")
    return (
        f"select {code} as source_customer_id, person_no from company.records "
        "where system = 'jiandaoyun' and not is_deleted"
    )


def sheets(con: duckdb.DuckDBPyConnection, ends_on: date) -> list[Sheet]:
    """The forms of one morning."""
    on = f"{ends_on + timedelta(days=1):%Y%m%d}"
    [tickets] = con.execute("select count(*) from company.tickets where system = 'jiandaoyun'").fetchone() or (0,)
    return [_customers(on), _tickets(on, is_workbook=tickets <= _LARGEST_FORM)]


def _customers(on: str) -> Sheet:
    cells = {
        "客户编码": _CODE,
        "客户名称": "name",
        "客户分类": yes_no("is_account", "企业客户", "个人客户"),
        "客户等级": "membership_level",
        "客户来源": "acquisition_channel",
        "标签": "null",
        "负责人": "rep_name",
        "联系人": "name",
        "联系电话": national("phone"),
        "邮箱": "email",
        "微信号": "wechat_id",
        "性别": "case gender when 'male' then '男' when 'female' then '女' end",
        "生日": "birth_date",
        "省份": "province",
        "城市": "city",
        "地址": "null",
        "是否接受营销": yes_no("phone_opt_in", "是", "否"),
        "提交人": "rep_name",
        "提交时间": clock("created_at", SHANGHAI),
        "更新时间": clock("updated_at", SHANGHAI),
        "数据ID": "substr(md5('customer' || customer_no), 1, 24)",
    }
    customer = {
        "source_customer_id": _CODE,
        "customer_type": yes_no("is_account", "account", "person"),
        "name": "name",
        "email": "email",
        "phone": "phone",
        "wechat_id": "wechat_id",
        "birth_date": "birth_date",
        "gender": "case when gender in ('male', 'female') then gender end",
        "country": "'CN'",
        "province": "province",
        "city": "city",
        "acquisition_channel": "acquisition_channel",
        "owner_id": "rep_name",
        "membership_level": "membership_level",
        "created_at": instant("created_at"),
        "updated_at": instant("updated_at"),
    }
    consent = {
        "source_customer_id": _CODE,
        "channel": "'all'",
        "purpose": "'marketing'",
        "at": instant("updated_at"),
        "state": yes_no("phone_opt_in", "in", "out"),
    }
    return Sheet(
        source=SOURCE,
        file=f"客户_{on}.csv",
        rows="""
            select
                records.*, records.source_customer_no as customer_no, reps.name as rep_name, people.is_account,
                people.phone_opt_in
            from company.records join company.people using (person_no)
            left join company.reps on records.rep_no = reps.rep_no
            where records.system = 'jiandaoyun' and not records.is_deleted
        """,
        order="customer_no",
        key="customer_no",
        cells=cells,
        feeds=[Feed("customers", customer), Feed("consents", consent)],
        layout=_TEXT,
        dirt=[
            wide_digits("联系电话", "phone is not null"),
            missing_id("客户编码"),
            id_mangled("客户编码", "1.00001E+11"),
            dup_exact(),
            older_version("更新时间", {"updated_at": "updated_at - interval 1 day", "city": "'不详'"}),
        ],
    )


def _tickets(on: str, *, is_workbook: bool) -> Sheet:
    number = numbered("GD", "ticket_no")
    cells = {
        "工单编号": number,
        "客户编码": _CODE,
        "客户名称": "name",
        "问题类型": KIND_WORDS,
        "问题描述": "topic",
        "优先级": PRIORITY_WORDS,
        "工单状态": yes_no("closed_at is null", "处理中", "已完成"),
        "满意度": "csat",
        "处理人": "'客服'",
        "提交时间": clock("opened_at", SHANGHAI),
        "首次响应时间": clock("first_response_at", SHANGHAI),
        "完成时间": clock("closed_at", SHANGHAI),
        "数据ID": "substr(md5('ticket' || ticket_no), 1, 24)",
    }
    ticket = {
        "ticket_id": number,
        "source_customer_id": _CODE,
        "kind": KIND,
        "topic": cells["问题类型"],
        "priority": PRIORITY,
        "status": yes_no("closed_at is null", "open", "closed"),
        "opened_at": instant("opened_at"),
        "first_response_at": instant("first_response_at"),
        "closed_at": instant("closed_at"),
        "csat": "csat",
    }
    response = {
        "response_id": number,
        "source_customer_id": _CODE,
        "survey": "'csat'",
        "score": "csat",
        "scale_max": "'5'",
        "responded_at": instant("coalesce(closed_at, opened_at)"),
    }
    times = frozenset({"提交时间", "首次响应时间", "完成时间"})
    return Sheet(
        source=SOURCE,
        file=f"售后工单_{on}.{'xlsx' if is_workbook else 'csv'}",
        rows="""
            select tickets.*, tickets.source_customer_no as customer_no, records.name
            from company.tickets left join company.records using (system, source_customer_no)
            where system = 'jiandaoyun'
        """,
        order="ticket_no",
        key="ticket_no",
        cells=cells,
        feeds=[Feed("tickets", ticket), Feed("survey_responses", response, "csat is not null")],
        layout=Workbook("售后工单", frozenset({"满意度"}), times) if is_workbook else _TEXT,
        dirt=[
            missing_id("工单编号"),
            missing_customer("客户编码"),
            id_mangled("客户编码", "1.00001E+11"),
            orphan("客户编码"),
            bad_date("提交时间", "上周五"),
            bad_score("满意度", "很好"),
            dup_exact(),
        ],
    )
