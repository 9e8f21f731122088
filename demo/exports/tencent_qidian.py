"""The chat desk's lists, as the console of 腾讯企点 saves them: customers, talks and tickets.

Numbers have eighteen digits and are wrapped, so that a spreadsheet leaves them alone. A talk without a customer is that
of a visitor, who is nobody.
"""

from datetime import date, timedelta

import duckdb

from demo.dirt import (
    Dirt,
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
from demo.exports.jiandaoyun import KIND, KIND_WORDS, PRIORITY, PRIORITY_WORDS
from demo.files import Csv
from demo.sheets import Feed, Sheet
from demo.spelling import SHANGHAI, clock, instant, national, yes_no

__all__ = ["SETTINGS", "SOURCE", "identities", "sheets"]

SOURCE = "tencent_qidian"
SETTINGS = None

_CUSTOMER = "(144115188075855872 + customer_no)"
_TALK = "(288230376151711744 + interaction_no)"
_TICKET = "(432345564227567616 + ticket_no)"
_LAYOUT = Csv(encoding="utf-8-sig", newline="\r\n")


def identities(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the ids in this source and of the people whose they are."""
    return (
        "select cast(144115188075855872 + source_customer_no as varchar) as source_customer_id, person_no "
        "from company.records where system = 'tencent_qidian' and not is_deleted"
    )


def sheets(con: duckdb.DuckDBPyConnection, ends_on: date) -> list[Sheet]:
    """The lists of one morning."""
    on = f"{ends_on + timedelta(days=1):%Y%m%d}"
    return [_customers(on), _talks(on), _tickets(on)]


def _wrapped(number: str) -> str:
    return f"""'="' || {number} || '"'"""


def _tabbed(text: str) -> str:
    return f"{text} || chr(9)"


def _customers(on: str) -> Sheet:
    cells = {
        "客户ID": f"case when customer_no % 2 = 0 then {_wrapped(_CUSTOMER)} else {_tabbed(_CUSTOMER)} end",
        "姓名": "name",
        "手机": _wrapped(national("phone")),
        "QQ": _tabbed("qq"),
        "微信号": "wechat_id",
        "邮箱": "email",
        "公司": "company_name",
        "性别": "case gender when 'male' then '男' when 'female' then '女' end",
        "国家": "null",
        "省份": "province",
        "城市": "city",
        "客户来源": "acquisition_channel",
        "标签": "membership_level",
        "主跟进人": "rep_name",
        "创建时间": clock("created_at", SHANGHAI),
        "更新时间": clock("updated_at", SHANGHAI),
        "免打扰": yes_no("phone_opt_in", "否", "是"),
    }
    customer = {
        "source_customer_id": _CUSTOMER,
        "customer_type": "'person'",
        "name": "name",
        "company_name": "company_name",
        "email": "email",
        "phone": "phone",
        "wechat_id": "wechat_id",
        "qq": "qq",
        "gender": "case when gender in ('male', 'female') then gender end",
        "country": "'CN'",
        "province": "province",
        "city": "city",
        "acquisition_channel": "acquisition_channel",
        "owner_id": "rep_name",
        "tags": "membership_level",
        "created_at": instant("created_at"),
        "updated_at": instant("updated_at"),
    }
    consent = {
        "source_customer_id": _CUSTOMER,
        "channel": "'all'",
        "purpose": "'marketing'",
        "at": instant("updated_at"),
        "state": yes_no("phone_opt_in", "unknown", "out"),
    }
    return Sheet(
        source=SOURCE,
        file=f"客户库_{on}.csv",
        rows="""
            select records.*, records.source_customer_no as customer_no, reps.name as rep_name, people.phone_opt_in
            from company.records join company.people using (person_no)
            left join company.reps on records.rep_no = reps.rep_no
            where records.system = 'tencent_qidian' and not records.is_deleted
        """,
        order="customer_no",
        key="customer_no",
        cells=cells,
        feeds=[Feed("customers", customer), Feed("consents", consent)],
        layout=_LAYOUT,
        dirt=[
            wide_digits("手机", "phone is not null"),
            missing_id("客户ID"),
            id_mangled("客户ID", "1.44115E+17"),
            dup_exact(),
            older_version("更新时间", {"updated_at": "updated_at - interval 1 day", "city": "'不详'"}),
        ],
    )


def _talks(on: str) -> Sheet:
    ended = "occurred_at + to_seconds(duration_s)"
    channel = "case interaction_no % 3 when 0 then 'QQ' when 1 then '微信公众号' else '企业微信' end"
    cells = {
        "会话ID": _wrapped(_TALK),
        "客户ID": _wrapped(_CUSTOMER),
        "客户姓名": "name",
        "接待客服": "rep_name",
        "渠道": channel,
        "开始时间": clock("occurred_at", SHANGHAI),
        "结束时间": clock(f"({ended})", SHANGHAI),
        "会话时长(秒)": "duration_s",
        "会话备注": "null",
        "客户标签": "null",
        "满意度评价": "null",
    }
    talk = {
        "interaction_id": _TALK,
        "source_customer_id": _CUSTOMER,
        "occurred_at": instant("occurred_at"),
        "channel": "'chat'",
        "kind": channel,
        "duration_s": "duration_s",
        "owner_id": "rep_name",
    }
    return Sheet(
        source=SOURCE,
        file=f"会话记录_{on}.csv",
        rows="""
            select interactions.*, interactions.source_customer_no as customer_no, records.name, reps.name as rep_name
            from company.interactions left join company.records using (system, source_customer_no)
            left join company.reps on interactions.rep_no = reps.rep_no
            where system = 'tencent_qidian'
        """,
        order="interaction_no",
        key="interaction_no",
        cells=cells,
        feeds=[Feed("interactions", talk)],
        layout=_LAYOUT,
        dirt=[
            missing_id("会话ID"),
            id_mangled("客户ID", "1.44115E+17"),
            orphan("客户ID"),
            bad_date("开始时间", "2025-02-31 11:00:00"),
            bad_score("满意度评价", "还行吧"),
            dup_exact(),
            Dirt("visitor", "ignored", "A visitor is nobody yet.", "客户ID", {"客户ID": "null", "客户姓名": "'访客'"}),
        ],
    )


def _tickets(on: str) -> Sheet:
    cells = {
        "工单ID": _wrapped(_TICKET),
        "工单标题": "topic",
        "工单模板": KIND_WORDS,
        "工单状态": yes_no("closed_at is null", "处理中", "已完成"),
        "优先级": PRIORITY_WORDS,
        "负责人": "null",
        "客户ID": _wrapped(_CUSTOMER),
        "创建时间": clock("opened_at", SHANGHAI),
        "首次响应时间": clock("first_response_at", SHANGHAI),
        "完成时间": clock("closed_at", SHANGHAI),
    }
    ticket = {
        "ticket_id": _TICKET,
        "source_customer_id": _CUSTOMER,
        "kind": KIND,
        "topic": cells["工单模板"],
        "priority": PRIORITY,
        "status": yes_no("closed_at is null", "open", "closed"),
        "opened_at": instant("opened_at"),
        "first_response_at": instant("first_response_at"),
        "closed_at": instant("closed_at"),
    }
    return Sheet(
        source=SOURCE,
        file=f"工单_{on}.csv",
        rows="select *, source_customer_no as customer_no from company.tickets where system = 'tencent_qidian'",
        order="ticket_no",
        key="ticket_no",
        cells=cells,
        feeds=[Feed("tickets", ticket)],
        layout=_LAYOUT,
        dirt=[
            missing_id("工单ID"),
            id_mangled("客户ID", "1.44115E+17"),
            missing_customer("客户ID"),
            orphan("客户ID"),
            bad_date("创建时间", "昨天"),
        ],
    )
