"""The dealers' documents, as 云星空 puts them out: a row of keys, a row of labels, and the head on the first line only.

Returns and receipts are lists with one row of titles and a total below. An order counts when it is approved (C) and not
made void; a return is a document of its own, in which amounts have no sign.
"""

from collections.abc import Mapping
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
from demo.spelling import SHANGHAI, amount, clock, comma_grouped, day, instant, national, noon, numbered, yes_no

__all__ = ["SETTINGS", "SOURCE", "identities", "sheets"]

SOURCE = "kingdee"
SETTINGS = None

_CODE = numbered("CUST", "customer_no")
_ORDER = numbered("XSDD", "order_no")
_MATERIAL = numbered("MAT", "product_no", 4)
_SELLER = numbered("S", "rep_no", 3)
_CURRENCY = "case currency when 'CNY' then '人民币' when 'USD' then '美元' else currency end"


def identities(con: duckdb.DuckDBPyConnection) -> str:
    """SQL of the ids in this source and of the people whose they are."""
    code = numbered("CUST", "source_customer_no")
    return (
        f"select {code} as source_customer_id, person_no from company.records "
        "where system = 'kingdee' and not is_deleted"
    )


def sheets(con: duckdb.DuckDBPyConnection, ends_on: date) -> list[Sheet]:
    """What was put out on one morning."""
    on = f"{ends_on + timedelta(days=1):%Y%m%d}"
    return [_customers(on), _orders(on), _returns(on), _receipts(on), _materials(on), _sellers(on)]


def _keyed(labels: Mapping[str, str], cells: Mapping[str, str]) -> Csv:
    """Text in GBK with labels below the keys."""
    assert list(labels) == list(cells)
    return Csv(encoding="gb18030", newline="\r\n", below=[list(labels.values())])


_LIST = Csv(encoding="gb18030", newline="\r\n")


def _customers(on: str) -> Sheet:
    labels = {
        "FBillHead(BD_Customer)": "*单据头(序号)",
        "FNumber": "(单据头)编码",
        "FName#2052": "*(单据头)名称#中文(简体)",
        "FShortName#2052": "(单据头)简称#中文(简体)",
        "FGroup": "(单据头)客户分组#编码",
        "FGroup#Name": "(单据头)客户分组#名称",
        "FTEL": "(单据头)联系电话",
        "FMOBILE": "(单据头)移动电话",
        "FEMail": "(单据头)电子邮箱",
        "FSELLER": "(单据头)销售员#编码",
        "FSELLER#Name": "(单据头)销售员#名称",
        "FCreateDate": "(单据头)创建日期",
        "FModifyDate": "(单据头)修改日期",
        "FForbidStatus": "(单据头)禁用状态",
        "*Split*1": "间隔列",
        "SubHeadEntity": "*基本信息(序号)",
        "FCountry#Name": "(基本信息)国家#名称",
        "FProvincial#Name": "(基本信息)省份#名称",
    }
    group = yes_no("is_account", "经销", "直销")
    cells = {
        "FBillHead(BD_Customer)": "100000 + customer_no",
        "FNumber": _CODE,
        "FName#2052": "name",
        "FShortName#2052": "name",
        "FGroup": yes_no("is_account", "02", "01"),
        "FGroup#Name": group,
        "FTEL": "null",
        "FMOBILE": national("phone"),
        "FEMail": "email",
        "FSELLER": _SELLER,
        "FSELLER#Name": "rep_name",
        "FCreateDate": clock("created_at", SHANGHAI),
        "FModifyDate": clock("updated_at", SHANGHAI),
        "FForbidStatus": yes_no("is_active", "A", "B"),
        "*Split*1": "null",
        "SubHeadEntity": "110000 + customer_no",
        "FCountry#Name": "'中国'",
        "FProvincial#Name": "province",
    }
    customer = {
        "source_customer_id": _CODE,
        "customer_type": "'account'",
        "name": "name",
        "email": "email",
        "phone": "phone",
        "country": "'CN'",
        "province": "province",
        "owner_id": _SELLER,
        "tags": group,
        "created_at": instant("created_at"),
        "updated_at": instant("updated_at"),
        "is_active": yes_no("is_active", "true", "false"),
    }
    return Sheet(
        source=SOURCE,
        file=f"客户_{on}.csv",
        rows="""
            select records.*, records.source_customer_no as customer_no, reps.name as rep_name, people.is_account
            from company.records join company.people using (person_no)
            left join company.reps on records.rep_no = reps.rep_no
            where records.system = 'kingdee' and not records.is_deleted
        """,
        order="customer_no",
        key="customer_no",
        cells=cells,
        feeds=[Feed("customers", customer)],
        layout=_keyed(labels, cells),
        dirt=[
            wide_digits("FMOBILE", "phone is not null"),
            missing_id("FNumber"),
            id_mangled("FNumber", "1.00001E+11"),
            dup_exact(),
            older_version("FModifyDate", {"updated_at": "updated_at - interval 1 day", "name": "name || '旧'"}),
        ],
    )


def _documents(kind: str) -> str:
    return f"""
        select
            o.order_no, o.original_order_no, l.line_no, counted.line_count,
            o.source_customer_no as customer_no, o.ordered_at, o.status, o.currency, o.rep_no, r.name,
            reps.name as rep_name, l.product_no, p.name_zh as product_name, abs(l.quantity) as quantity, l.unit_price,
            abs(l.net_amount) as line_amount,
            round(abs(l.net_amount * o.tax_amount / nullif(o.net_amount, 0)), 2) as line_tax
        from company.orders as o
        join company.order_lines as l on o.order_no = l.order_no
        join {LINE_COUNTS} as counted on o.order_no = counted.order_no
        join company.products as p on l.product_no = p.product_no
        left join company.records as r on r.system = o.system and r.source_customer_no = o.source_customer_no
        left join company.reps as reps on o.rep_no = reps.rep_no
        where o.system = 'kingdee' and o.kind = '{kind}'
    """


def _orders(on: str) -> Sheet:
    labels = {
        "FBillHead(SAL_SaleOrder)": "*单据头(序号)",
        "FBillTypeID": "*(单据头)单据类型#编码",
        "FBillTypeID#Name": "(单据头)单据类型#名称",
        "FBillNo": "(单据头)单据编号",
        "FDate": "*(单据头)日期",
        "FCustId": "*(单据头)客户#编码",
        "FCustId#Name": "(单据头)客户#名称",
        "FSalerId": "*(单据头)销售员#编码",
        "FSalerId#Name": "(单据头)销售员#名称",
        "FDocumentStatus": "(单据头)单据状态",
        "FCancelStatus": "(单据头)作废状态",
        "*Split*1": "间隔列",
        "FSaleOrderFinance": "*财务信息(序号)",
        "FSettleCurrId": "*(财务信息)结算币别#编码",
        "FSettleCurrId#Name": "(财务信息)结算币别#名称",
        "FExchangeRate": "(财务信息)汇率",
        "*Split*2": "间隔列",
        "FSaleOrderEntry": "*订单明细(序号)",
        "FMaterialId": "*(订单明细)物料编码#编码",
        "FMaterialId#Name": "(订单明细)物料编码#名称",
        "FQty": "(订单明细)销售数量",
        "FTaxPrice": "(订单明细)含税单价",
        "FEntryTaxRate": "(订单明细)税率%",
        "FAmount": "(订单明细)金额",
        "FEntryTaxAmount": "(订单明细)税额",
        "FAllAmount": "(订单明细)价税合计",
        "FIsFree": "(订单明细)是否赠品",
    }

    def head(sql: str) -> str:
        return f"case when line_no = 1 then {sql} end"

    cells = {
        "FBillHead(SAL_SaleOrder)": head("100000 + order_no"),
        "FBillTypeID": head("'XSDD01_SYS'"),
        "FBillTypeID#Name": head("'标准销售订单'"),
        "FBillNo": head(_ORDER),
        "FDate": head(day("ordered_at", SHANGHAI)),
        "FCustId": head(_CODE),
        "FCustId#Name": head("name"),
        "FSalerId": head(_SELLER),
        "FSalerId#Name": head("rep_name"),
        "FDocumentStatus": head(yes_no(f"{COUNTED} or status = 'cancelled'", "C", "A")),
        "FCancelStatus": head(yes_no("status = 'cancelled'", "B", "A")),
        "*Split*1": "null",
        "FSaleOrderFinance": head("200000 + order_no"),
        "FSettleCurrId": head("'PRE001'"),
        "FSettleCurrId#Name": head("'人民币'"),
        "FExchangeRate": head("'1'"),
        "*Split*2": "null",
        "FSaleOrderEntry": "order_no * 100 + line_no",
        "FMaterialId": _MATERIAL,
        "FMaterialId#Name": "product_name",
        "FQty": "quantity",
        "FTaxPrice": amount("unit_price"),
        "FEntryTaxRate": "'13'",
        "FAmount": amount("line_amount"),
        "FEntryTaxAmount": amount("line_tax"),
        "FAllAmount": amount("line_amount + line_tax"),
        "FIsFree": "'False'",
    }
    line = {
        "order_id": _ORDER,
        "line_no": "order_no * 100 + line_no",
        "product_id": _MATERIAL,
        "description": "product_name",
        "quantity": "quantity",
        "unit_price": amount("unit_price"),
        "net_amount": amount("line_amount"),
    }
    order = {
        "order_id": _ORDER,
        "source_customer_id": _CODE,
        "ordered_at": noon("ordered_at", SHANGHAI),
        "status": f"case when status = 'cancelled' then 'cancelled' when {COUNTED} then 'completed' else 'draft' end",
        "kind": "'sale'",
        "currency": "currency",
        "fx_rate": "'1'",
        "owner_id": _SELLER,
    }
    return Sheet(
        source=SOURCE,
        file=f"销售订单_{on}.csv",
        rows=_documents("sale"),
        order="order_no, line_no",
        key="order_no",
        cells=cells,
        feeds=[Feed("order_lines", line), Feed("orders", order)],
        layout=_keyed(labels, cells),
        dirt=[
            wide_digits("FQty"),
            missing_id("FBillNo"),
            id_mangled("FBillNo", "2.02503E+11"),
            missing_customer("FCustId"),
            orphan("FCustId"),
            bad_date("FDate", "2025-02-30", one_line=False),
            bad_amount("FTaxPrice", "面议"),
            dup_exact(one_line=False),
        ],
        verdict=VOIDED,
        documents=True,
        fills_down=True,
    )


def _returns(on: str) -> Sheet:
    number = numbered("XSTHD", "order_no")
    cells = {
        "单据编号": number,
        "日期": day("ordered_at", SHANGHAI),
        "单据类型": "'标准销售退货单'",
        "退货客户编码": _CODE,
        "退货客户": "name",
        "单据状态": yes_no(COUNTED, "已审核", "创建"),
        "作废状态": "'否'",
        "销售员": "rep_name",
        "物料编码": _MATERIAL,
        "物料名称": "product_name",
        "实退数量": "quantity",
        "含税单价": amount("unit_price"),
        "金额": comma_grouped("line_amount"),
        "税额": comma_grouped("line_tax"),
        "价税合计": comma_grouped("line_amount + line_tax"),
        "结算币别": _CURRENCY,
        "订单单号": numbered("XSDD", "original_order_no"),
        "退货原因": "'质量问题'",
    }
    line = {
        "order_id": number,
        "product_id": _MATERIAL,
        "description": "product_name",
        "quantity": "'-' || quantity",
        "unit_price": amount("unit_price"),
        "net_amount": f"'-' || {amount('line_amount')}",
    }
    order = {
        "order_id": number,
        "source_customer_id": _CODE,
        "ordered_at": noon("ordered_at", SHANGHAI),
        "status": yes_no(COUNTED, "completed", "draft"),
        "kind": "'refund'",
        "original_order_id": cells["订单单号"],
        "currency": "currency",
        "owner_id": "rep_name",
    }
    return Sheet(
        source=SOURCE,
        file=f"销售退货单列表_{on}.csv",
        rows=_documents("refund"),
        order="order_no, line_no",
        key="order_no",
        cells=cells,
        feeds=[Feed("order_lines", line), Feed("orders", order)],
        layout=_LIST,
        dirt=[
            missing_id("单据编号"),
            missing_customer("退货客户编码"),
            orphan("退货客户编码"),
            bad_date("日期", "三月二日"),
            bad_amount("实退数量", "若干"),
        ],
        verdict=VOIDED,
        documents=True,
        closing=[{"单据编号": "'合计'", "实退数量": "sum(quantity)", "金额": comma_grouped("sum(line_amount)")}],
    )


def _receipts(on: str) -> Sheet:
    cells = {
        "单据编号": numbered("SKD", "payment_no"),
        "业务日期": day("paid_at", SHANGHAI),
        "往来单位编码": _CODE,
        "往来单位": "name",
        "单据状态": "'已审核'",
        "结算方式": "method",
        "实收金额": comma_grouped("amount"),
        "币别": _CURRENCY,
    }
    payment = {
        "payment_id": cells["单据编号"],
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
            where p.system = 'kingdee'
        """,
        order="payment_no",
        key="payment_no",
        cells=cells,
        feeds=[Feed("payments", payment)],
        layout=_LIST,
        dirt=[
            missing_id("单据编号"),
            orphan("往来单位编码"),
            bad_date("业务日期", "月底"),
            bad_amount("实收金额", "待定"),
            dup_exact(),
        ],
        closing=[{"单据编号": "'合计'", "实收金额": comma_grouped("sum(amount)")}],
    )


def _materials(on: str) -> Sheet:
    cells = {
        "编码": _MATERIAL,
        "名称": "name_zh",
        "规格型号": "null",
        "物料分组": "category_zh",
        "基本单位": "'Pcs'",
        "参考售价": amount("list_price"),
        "参考成本": amount("unit_cost"),
        "数据状态": "'已审核'",
    }
    product = {
        "product_id": _MATERIAL,
        "name": "name_zh",
        "category": "category_zh",
        "list_price": amount("list_price"),
        "unit_cost": amount("unit_cost"),
    }
    return Sheet(
        source=SOURCE,
        file=f"物料_{on}.csv",
        rows="select * from company.products",
        order="product_no",
        key="product_no",
        cells=cells,
        feeds=[Feed("products", product)],
        layout=_LIST,
        closing=[{"编码": "'合计'"}],
    )


def _sellers(on: str) -> Sheet:
    cells = {
        "业务员编码": _SELLER,
        "业务员名称": "name",
        "业务员类型": "case role when 'service' then '客服' else '销售员' end",
        "部门": "case role when 'service' then '客服部' else '销售部' end",
        "禁用状态": yes_no("is_active", "否", "是"),
    }
    rep = {"rep_id": _SELLER, "name": "name", "role": "role", "is_active": yes_no("is_active", "true", "false")}
    return Sheet(
        source=SOURCE,
        file=f"业务员_{on}.csv",
        rows="select * from company.reps",
        order="rep_no",
        key="rep_no",
        cells=cells,
        feeds=[Feed("reps", rep)],
        layout=_LIST,
    )
