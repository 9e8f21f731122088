"""The stores' lists, as U8 puts them out: text in GB18030 with a title above the header and totals below.

A store's customer has a code with leading zeros; the head of an order stands on each of its lines; a return is an order
of negative quantities. Only the day of a document is written. An order counts once somebody has approved it.
"""

from datetime import date, timedelta

import duckdb

from demo.dirt import (
    bad_amount,
    bad_date,
    dup_exact,
    id_mangled,
    missing_customer,
    missing_id,
    older_version,
    orphan,
    wide_digits,
)
from demo.files import Csv
from demo.sheets import COUNTED, LINE_COUNTS, VOIDED, Feed, Sheet
from demo.spelling import (
    SHANGHAI,
    amount,
    clock,
    comma_grouped,
    day,
    instant,
    literal,
    national,
    noon,
    numbered,
    yes_no,
)

__all__ = ["SETTINGS", "SOURCE", "identities", "sheets"]

SOURCE = "yonyou"
SETTINGS = None

_COMPANY = "拾光家居有限公司"
_CODE = numbered("", "customer_no")
_ORDER = numbered("", "order_no", 10)
_SKU = numbered("01", "product_no", 6)


def identities(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the ids in this source and of the people whose they are."""
    code = numbered("", "source_customer_no")
    return (
        f"select {code} as source_customer_id, person_no from company.records "
        "where system = 'yonyou' and not is_deleted"
    )


def sheets(con: duckdb.DuckDBPyConnection, ends_on: date) -> list[Sheet]:
    """The lists of one morning."""
    on = f"{ends_on + timedelta(days=1):%Y%m%d}"
    return [_customers(on), _orders(on, ends_on), _receipts(on), _products(on), _staff(on)]


def _layout(*above: tuple[str, ...]) -> Csv:
    return Csv(encoding="gb18030", newline="\r\n", above=above)


def _customers(on: str) -> Sheet:
    cells = {
        "客户编码": _CODE,
        "客户名称": "name",
        "客户简称": "name",
        "所属分类码": "'01'",
        "所属地区码": "null",
        "所属行业": "industry",
        "客户等级": "membership_level",
        "联系人": "null",
        "电话": "null",
        "手机": national("phone"),
        "Email地址": "email",
        "省份": "province",
        "城市": "city",
        "地址": "null",
        "税号": "null",
        "币种": "'人民币'",
        "发展日期": day("created_at", SHANGHAI),
        "停用日期": f"case when not is_active then {day('updated_at', SHANGHAI)} end",
        "变更日期": clock("updated_at", SHANGHAI),
        "专管业务员名称": "rep_name",
        "分管部门": "'门店部'",
        "备注": "null",
    }
    customer = {
        "source_customer_id": _CODE,
        "customer_type": "'account'",
        "name": "name",
        "email": "email",
        "phone": "phone",
        "country": "'CN'",
        "province": "province",
        "city": "city",
        "industry": "industry",
        "owner_id": "rep_name",
        "membership_level": "membership_level",
        "created_at": noon("created_at", SHANGHAI),
        "updated_at": instant("updated_at"),
        "is_active": yes_no("is_active", "true", "false"),
    }
    return Sheet(
        source=SOURCE,
        file=f"客户档案_{on}.csv",
        rows="""
            select records.*, records.source_customer_no as customer_no, reps.name as rep_name
            from company.records left join company.reps using (rep_no)
            where system = 'yonyou' and not is_deleted
        """,
        order="customer_no",
        key="customer_no",
        cells=cells,
        feeds=[Feed("customers", customer)],
        layout=_layout(("客户档案",)),
        dirt=[
            wide_digits("手机", "phone is not null"),
            missing_id("客户编码"),
            id_mangled("客户编码", "1.00001E+11"),
            dup_exact(),
            older_version("变更日期", {"updated_at": "updated_at - interval 1 day", "name": "name || '旧'"}),
        ],
        closing=[{"客户编码": "'合计'"}, {"客户编码": "'制表人：李主管'"}],
    )


def _orders(on: str, ends_on: date) -> Sheet:
    tax = "round(line_amount * tax_amount / nullif(net_amount, 0), 2)"
    state = "case when status = 'cancelled' then '作废' when status in ('draft', 'open') then '开立' else '已审核' end"
    cells = {
        "业务类型": "'普通销售'",
        "销售类型": "case kind when 'refund' then '退货' else '零售' end",
        "订单号": _ORDER,
        "日期": day("ordered_at", SHANGHAI),
        "客户编码": _CODE,
        "客户简称": "name",
        "销售部门": "'门店部'",
        "业务员": "rep_name",
        "币种": "case currency when 'CNY' then '人民币' else currency end",
        "汇率": "'1'",
        "单据状态": state,
        "行号": "line_no",
        "存货编码": _SKU,
        "存货名称": "product_name",
        "规格型号": "null",
        "数量": f"{amount('quantity')}",
        "含税单价": amount("unit_price"),
        "无税金额": comma_grouped("line_amount"),
        "税额": f"coalesce({comma_grouped(tax)}, '0.00')",
        "价税合计": comma_grouped(f"line_amount + coalesce({tax}, 0)"),
        "预发货日期": "null",
        "制单人": "rep_name",
        "审核人": f"case when {COUNTED} then '李主管' end",
        "关闭人": "null",
    }
    line = {
        "order_id": _ORDER,
        "line_no": "line_no",
        "product_id": _SKU,
        "description": "product_name",
        "quantity": amount("quantity"),
        "unit_price": amount("unit_price"),
        "net_amount": amount("line_amount"),
    }
    order = {
        "order_id": _ORDER,
        "source_customer_id": _CODE,
        "ordered_at": noon("ordered_at", SHANGHAI),
        "status": "case when status = 'cancelled' then 'cancelled' when status in ('draft', 'open') then 'draft' "
        "else 'completed' end",
        "kind": "kind",
        "currency": "currency",
        "fx_rate": "'1'",
        "owner_id": "rep_name",
    }
    return Sheet(
        source=SOURCE,
        file=f"销售订单列表_{on}.csv",
        rows=f"""
            select
                o.order_no, l.line_no, counted.line_count,
                o.source_customer_no as customer_no, o.ordered_at, o.kind, o.status, o.currency, o.net_amount,
                o.tax_amount, r.name, reps.name as rep_name, l.product_no, p.name_zh as product_name,
                case when o.kind = 'refund' then -abs(l.quantity) else l.quantity end as quantity, l.unit_price,
                case when o.kind = 'refund' then -abs(l.net_amount) else l.net_amount end as line_amount
            from company.orders as o
            join company.order_lines as l on o.order_no = l.order_no
            join {LINE_COUNTS} as counted on o.order_no = counted.order_no
            join company.products as p on l.product_no = p.product_no
            left join company.records as r on r.system = o.system and r.source_customer_no = o.source_customer_no
            left join company.reps as reps on o.rep_no = reps.rep_no
            where o.system = 'yonyou'
        """,
        order="order_no, line_no",
        key="order_no",
        cells=cells,
        feeds=[Feed("order_lines", line), Feed("orders", order)],
        layout=_layout(("销售订单列表",), (f"单位名称：{_COMPANY}", "", "", "", "", f"日期：2023-01-01 至 {ends_on}")),
        dirt=[
            wide_digits("数量"),
            missing_id("订单号"),
            id_mangled("订单号", "2.02503E+11"),
            missing_customer("客户编码"),
            orphan("客户编码"),
            bad_date("日期", "2025-13-01", one_line=False),
            bad_amount("无税金额", "#VALUE!"),
            dup_exact(one_line=False),
        ],
        verdict=VOIDED,
        documents=True,
        closing=[
            {
                "业务类型": "'合计'",
                "数量": f"cast(sum({amount('quantity')}::decimal(18, 2)) as varchar)",
                "无税金额": comma_grouped("sum(line_amount)"),
            },
            {"业务类型": "'制表人：李主管'"},
        ],
    )


def _receipts(on: str) -> Sheet:
    cells = {
        "单据编号": numbered("SK", "payment_no"),
        "单据日期": day("paid_at", SHANGHAI),
        "客户编码": _CODE,
        "客户": "name",
        "结算方式": "method",
        "币种": "case currency when 'CNY' then '人民币' else currency end",
        "金额": comma_grouped("amount"),
        "本币金额": comma_grouped("amount"),
        "订单号": _ORDER,
        "审核人": "'李主管'",
    }
    payment = {
        "payment_id": cells["单据编号"],
        "order_id": _ORDER,
        "source_customer_id": _CODE,
        "paid_at": noon("paid_at", SHANGHAI),
        "kind": "case when amount < 0 then 'refund' else 'payment' end",
        "method": "method",
        "amount": amount("amount"),
        "currency": "currency",
    }
    return Sheet(
        source=SOURCE,
        file=f"收款单列表_{on}.csv",
        rows="""
            select p.*, p.source_customer_no as customer_no, r.name
            from company.payments as p
            left join company.records as r on r.system = p.system and r.source_customer_no = p.source_customer_no
            where p.system = 'yonyou'
        """,
        order="payment_no",
        key="payment_no",
        cells=cells,
        feeds=[Feed("payments", payment)],
        layout=_layout(("收款单列表",)),
        dirt=[
            missing_id("单据编号"),
            bad_date("单据日期", "待定"),
            bad_amount("金额", "未知"),
            orphan("客户编码"),
            dup_exact(),
        ],
        closing=[{"单据编号": "'合计'", "金额": comma_grouped("sum(amount)")}],
    )


def _products(on: str) -> Sheet:
    cells = {
        "存货编码": _SKU,
        "存货名称": "name_zh",
        "规格型号": "null",
        "存货分类名称": "category_zh",
        "主计量单位": "'件'",
        "参考售价": comma_grouped("list_price"),
        "参考成本": comma_grouped("unit_cost"),
        "停用日期": "null",
    }
    product = {
        "product_id": _SKU,
        "name": "name_zh",
        "category": "category_zh",
        "list_price": amount("list_price"),
        "unit_cost": amount("unit_cost"),
    }
    return Sheet(
        source=SOURCE,
        file=f"存货档案_{on}.csv",
        rows="select * from company.products",
        order="product_no",
        key="product_no",
        cells=cells,
        feeds=[Feed("products", product)],
        layout=_layout(),
    )


def _staff(on: str) -> Sheet:
    left = literal("2025-06-30")
    cells = {
        "人员编码": numbered("", "rep_no", 4),
        "人员姓名": "name",
        "部门": "case role when 'service' then '客服部' else '销售部' end",
        "邮箱": "email",
        "是否业务员": yes_no("role = 'sales'", "是", "否"),
        "停用日期": f"case when not is_active then {left} end",
    }
    rep = {
        "rep_id": cells["人员编码"],
        "name": "name",
        "email": "email",
        "role": "role",
        "is_active": yes_no("is_active", "true", "false"),
    }
    return Sheet(
        source=SOURCE,
        file=f"职员档案_{on}.csv",
        rows="select * from company.reps",
        order="rep_no",
        key="rep_no",
        cells=cells,
        feeds=[Feed("reps", rep)],
        layout=_layout(),
    )
