"""Corrections: rejected records of a worklist, completed and delivered once more."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from sources import RefusedFileError, Replayed, SourceDefaults, replay
from tests.sources.conftest import NIGHT
from tests.sources.conftest import Home as LandingHome
from tests.sources.crm import landing as exports

if TYPE_CHECKING:
    from tests.sources.conftest import Home

COLUMNS = (
    *("source", "file", "delivery_id", "feed", "record_no", "source_key", "code", "column_name", "raw_value"),
    *("advice_zh", "advice_en", "corrected_value"),
)
ORDERS = """\
Order_ID,source_customer_id,ordered_at,net_amount,note
O1,C1,2024-02-01,10.00,good
,C1,2024-02-02,20.00,"no number, and a
line end"
O3,C1,31st of May,30.00,=no date
O4,C1,2024-02-04,forty,no amount
"""
Answer = Callable[[Mapping[str, Any]], str | None]


@pytest.fixture
def shop(home: "Home") -> "Home":
    """One file, of whose four records three were rejected."""
    home.put("shop/source.yml", "system: generic\ndeliveries: full\n")
    home.put("shop/orders-2024-03-01.csv", ORDERS)
    home.load()
    return home


def rejected(home: "Home") -> list[dict[str, Any]]:
    """What the release's worklist would hold: the newest reading of every delivery."""
    result = home.load()
    files = {delivery.delivery_id: (delivery.source, delivery.file) for delivery in result.deliveries}
    names = ("delivery_id", "feed", "record_no", "source_key", "code", "column_name", "raw_value")
    found = []
    for row in home.rows(result.feeds["rejected"], *names):
        said = dict(zip(names, row, strict=True))
        source, file = files[said["delivery_id"]]
        found.append(said | {"source": source, "file": file, "advice_zh": "请更正", "advice_en": "correct it"})
    return found


def worklist(home: "Home", answers: Mapping[tuple[str, int], str], **changes: str) -> Path:
    """A worklist with answers by file and record number."""
    rows = [{"corrected_value": answers.get((row["file"], row["record_no"]))} | row | changes for row in rejected(home)]
    return written(home.root / "worklist.csv", rows)


def written(
    file: Path, rows: Sequence[Mapping[str, Any]], encoding: str = "utf-8-sig", mark: str = ",", end: str = "\n"
) -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter=mark, lineterminator=end, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    file.write_bytes(text.getvalue().encode(encoding))
    return file


def put_back(home: "Home", file: Path) -> Replayed:
    return replay(home.con, file, landing=home.root / "landing", raw=home.root / "raw", defaults=home.defaults)


def in_landing(home: "Home") -> dict[str, bytes]:
    folder = home.root / "landing"
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


ANSWERS = {
    ("orders-2024-03-01.csv", 2): "O2",
    ("orders-2024-03-01.csv", 3): "2024-05-31",
    ("orders-2024-03-01.csv", 4): "40.00",
}


def test_the_column_at_fault_is_called_as_the_file_calls_it(shop: "Home") -> None:
    assert [(row["record_no"], row["code"], row["column_name"]) for row in rejected(shop)] == [
        (2, "missing_id", "Order_ID"),
        (3, "bad_date", "ordered_at"),
        (4, "bad_amount", "net_amount"),
    ]


def test_corrected_records_are_loaded_as_a_delivery_of_their_own(shop: "Home") -> None:
    done = put_back(shop, worklist(shop, ANSWERS))
    [file] = done.written
    assert (file.records, done.refused, done.repeated) == (3, [], 0)
    assert file.file.startswith("shop/orders-2024-03-01.corrected-")

    result = shop.load(NIGHT + timedelta(days=1))
    assert result.refusals == []
    assert result.drift == [f"landing/{file.file}: nobody reads the column 'note'; kept in extra."]
    original, correction = sorted(result.deliveries, key=lambda delivery: delivery.corrects or "")
    assert shop.rows(
        result.feeds["orders"], "order_id", "ordered_at", "net_amount", "extra::JSON ->> 'note'"
    ) == sorted(
        [
            ("O1", "2024-02-01T12:00:00Z", "10.00", "good"),
            ("O2", "2024-02-02T12:00:00Z", "20.00", "no number, and a\nline end"),
            ("O3", "2024-05-31T12:00:00Z", "30.00", "=no date"),
            ("O4", "2024-02-04T12:00:00Z", "40.00", "no amount"),
        ],
        key=lambda row: (original.delivery_id if row[0] == "O1" else correction.delivery_id, row[0]),
    )
    # The original keeps its account; the correction is as old, is no full export, and names what it corrects.
    assert (original.records, original.rejected, original.deliveries_mode) == (4, 3, "full")
    assert (correction.records, correction.rejected, correction.deliveries_mode) == (3, 0, "delta")
    assert (correction.corrects, correction.corrected_records) == (original.delivery_id, "2,3,4")
    assert (correction.exported_at, correction.received_at) == (original.exported_at, original.received_at)
    assert correction.corrected_at == "2011-12-11T02:00:00.000000Z"


def test_what_was_corrected_so_before_is_not_written_again(shop: "Home") -> None:
    file = worklist(shop, ANSWERS)
    put_back(shop, file)
    before = in_landing(shop)
    done = put_back(shop, file)
    assert (done.written, done.repeated, done.refused) == ([], 3, [])
    assert in_landing(shop) == before


def test_more_of_a_worklist_is_written_beside_what_was_there(shop: "Home") -> None:
    put_back(shop, worklist(shop, {("orders-2024-03-01.csv", 2): "O2"}))
    done = put_back(shop, worklist(shop, ANSWERS))
    assert [file.records for file in done.written] == [2]
    assert done.repeated == 1


def test_a_correction_can_be_corrected_once_it_was_loaded(shop: "Home") -> None:
    first, other = (
        worklist(shop, {("orders-2024-03-01.csv", 4): value}).rename(shop.root / f"{value}.csv")
        for value in ("40.00", "44.00")
    )
    put_back(shop, first)
    waiting = in_landing(shop)
    [refused] = put_back(shop, other).refused
    assert refused.reason.endswith(", which the next run will load, says otherwise; remove it first")
    assert in_landing(shop) == waiting

    shop.load(NIGHT + timedelta(days=1))
    assert [file.records for file in put_back(shop, other).written] == [1]
    result = shop.load(NIGHT + timedelta(days=2))
    newest = max(result.deliveries, key=lambda delivery: delivery.corrected_at or "")
    amounts = shop.rows(result.feeds["orders"], "delivery_id", "net_amount")
    assert [amount for delivery, amount in amounts if delivery == newest.delivery_id] == ["44.00"]


def test_corrections_become_as_new_as_what_they_correct(shop: "Home") -> None:
    """The export comes again under a later date; the correction of its correction goes with both."""
    put_back(shop, worklist(shop, ANSWERS))
    [correction] = [delivery for delivery in shop.load().deliveries if delivery.corrects]
    columns = {"source": "shop", "file": correction.file, "delivery_id": correction.delivery_id, "feed": "orders"}
    put_back(
        shop,
        written(
            shop.root / "again.csv",
            [columns | {"record_no": 1, "column_name": "source_customer_id", "corrected_value": "C2"}],
        ),
    )
    assert len(shop.load().deliveries) == 3
    shop.put("shop/orders-2024-03-09.csv", ORDERS)
    later = shop.load(NIGHT + timedelta(days=1))
    assert {(one.exported_at, one.export_time_source) for one in later.deliveries} == {
        ("2024-03-09T12:00:00Z", "file_name")
    }
    assert {one.corrects is None: one.file for one in later.deliveries}[True] == "orders-2024-03-09.csv"
    assert len({one.received_at for one in later.deliveries}) == 1
    assert shop.load(NIGHT + timedelta(days=2)).deliveries == later.deliveries


def test_a_value_that_would_be_rejected_again_is_refused_and_the_others_are_written(shop: "Home") -> None:
    done = put_back(shop, worklist(shop, ANSWERS | {("orders-2024-03-01.csv", 3): "2024-13-01"}))
    assert [file.records for file in done.written] == [2]
    assert [(one.line, one.reason) for one in done.refused] == [
        (3, "record 3 would be rejected again: bad_date in 'ordered_at', where '2024-13-01' stands")
    ]


@pytest.mark.parametrize(
    ("encoding", "mark", "end"),
    [("utf-8", ",", "\n"), ("utf-8-sig", ";", "\r\n"), ("gb18030", ",", "\r\n"), ("utf-16", "\t", "\r\n")],
)
def test_a_worklist_may_come_back_as_any_spreadsheet_saves_it(shop: "Home", encoding: str, mark: str, end: str) -> None:
    rows = [row | {"corrected_value": ANSWERS.get((row["file"], row["record_no"]))} for row in rejected(shop)]
    done = put_back(shop, written(shop.root / "worklist.csv", rows, encoding, mark, end))
    assert ([file.records for file in done.written], done.refused) == ([3], [])


def test_the_guard_before_what_looks_like_a_formula_is_taken_off(home: "Home") -> None:
    home.put("shop/source.yml", "system: generic\n")
    home.put("shop/=orders.csv", "order_id,ordered_at,net_amount\nO1,2024-02-01,x\n")
    home.put("shop/source.yml", "system: generic\nfiles: {'=orders': {as: orders}}\n")
    [row] = rejected(home)
    done = put_back(home, written(home.root / "w.csv", [row | {"file": "'=orders.csv", "corrected_value": "-5.00"}]))
    assert ([file.records for file in done.written], done.refused) == ([1], [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": "../shop"}, "put it back, or name with --landing where the exports arrive"),
        ({"file": "../shop/orders-2024-03-01.csv"}, "landing/shop any more; put it back"),
        ({"delivery_id": "0" * 64}, "it has changed since its records were rejected"),
        ({"record_no": "77"}, "the file has no record 77 that could be corrected"),
        ({"record_no": "two"}, "record_no 'two' is no number of a record"),
        ({"column_name": "colour"}, "the file has no column 'colour' to correct"),
        ({"column_name": ""}, "the whole record is at fault"),
    ],
)
def test_a_row_that_comes_to_nothing_says_why(shop: "Home", changes: dict[str, str], reason: str) -> None:
    before = in_landing(shop)
    row = rejected(shop)[0] | {"corrected_value": "O2"} | changes
    done = put_back(shop, written(shop.root / "w.csv", [row]))
    [refused] = done.refused
    assert refused.line == 2
    assert reason in refused.reason
    assert in_landing(shop) == before


def test_a_file_that_changed_in_landing_is_not_corrected(shop: "Home") -> None:
    file = worklist(shop, ANSWERS)
    shop.put("shop/orders-2024-03-01.csv", ORDERS + "O5,C1,2024-02-05,50.00,\n")
    before = in_landing(shop)
    done = put_back(shop, file)
    assert {one.reason for one in done.refused} == {
        "shop/orders-2024-03-01.csv: it has changed since its records were rejected; correct what the next run rejects"
    }
    assert [one.line for one in done.refused] == [2, 3, 4]
    assert in_landing(shop) == before


def test_two_answers_for_one_cell_are_told(shop: "Home") -> None:
    row = rejected(shop)[0]
    rows = [row | {"corrected_value": "O2"}, row | {"corrected_value": "O9"}]
    [refused] = put_back(shop, written(shop.root / "w.csv", rows)).refused
    assert (refused.line, refused.reason) == (3, "another row says that 'Order_ID' of this record is 'O2'")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"source,file\nshop,x.csv\n", "its header lacks one of"),
        (b"PK\x03\x04 rest of a workbook", "it is a zip archive or an Excel workbook"),
        (b"", "it is empty"),
    ],
)
def test_a_file_that_is_no_worklist_is_told(shop: "Home", content: bytes, reason: str) -> None:
    file = shop.root / "w.csv"
    file.write_bytes(content)
    with pytest.raises(RefusedFileError, match=reason):
        put_back(shop, file)


def test_a_crash_before_the_rename_leaves_no_delivery(shop: "Home") -> None:
    file = worklist(shop, ANSWERS)
    [written_once] = put_back(shop, file).written
    whole = shop.root / "landing" / written_once.file
    content = whole.read_bytes()
    whole.with_name(f".{whole.name}.part").write_bytes(content[:100])
    whole.unlink()

    assert [delivery.corrects for delivery in shop.load().deliveries] == [None]
    assert put_back(shop, file).written == [written_once]
    assert {name for name in in_landing(shop) if "corrected" in name} == {written_once.file}
    assert whole.read_bytes() == content


def test_a_correction_without_its_origin_is_refused(home: "Home") -> None:
    home.put("shop/source.yml", "system: generic\n")
    home.put("shop/orders.corrected-0123abcd.csv", "order_id,ordered_at,net_amount\nO1,2024-02-01,1\n")
    assert "is called like a correction but does not say" in home.refusal()


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Home"]:
    """Whole exports of three systems, after all that they reject was corrected."""
    with duckdb.connect() as con:
        home = LandingHome(tmp_path_factory.mktemp("replay"), con, SourceDefaults("Asia/Shanghai", "CNY"))
        exports.land("yonyou", "yonyou", home.root / "landing" / "yonyou")
        exports.land("kingdee", "kingdee", home.root / "landing" / "kingdee")
        exports.land_western("salesforce", home.root / "landing" / "salesforce")
        yield home


def test_records_of_crm_exports_are_corrected_under_their_own_headers(crm: "Home") -> None:
    """A list with preamble and totals in GB18030, a workbook with keys and labels, members of an archive."""
    archive = "WE_00D5g000004xYzAEAU_1.ZIP#Order.csv"
    answers = {
        ("销售订单列表.csv", 8): "2025-02-10",
        ("销售订单列表.csv", 14): "00001",
        ("销售订单列表.csv", 16): "0000000111",
        ("销售订单.xlsx", 8): "2025-02-28",
        ("销售订单.xlsx", 10): "11.30",
        (archive, 10): "0015g00000NorThAAJ",
        (archive, 16): "8015g00000OrdZ9AAH",
    }
    done = put_back(crm, worklist(crm, answers))
    assert done.refused == []
    assert sorted((file.file.split(".corrected-")[0], file.records) for file in done.written) == [
        ("kingdee/销售订单", 3),
        ("salesforce/Order", 2),
        ("yonyou/销售订单列表", 3),
    ]

    result = crm.load(NIGHT + timedelta(days=1))
    assert result.refusals == []
    corrections = {delivery.delivery_id: delivery for delivery in result.deliveries if delivery.corrects}
    assert {
        (one.source, one.feed, one.records, one.rejected, one.corrected_records) for one in corrections.values()
    } == {
        ("yonyou", "order_lines", 3, 0, "8,14,16"),
        # The second line (9) of the document whose date was bad comes with it.
        ("kingdee", "order_lines", 3, 0, "8,9,10"),
        ("salesforce", "orders", 2, 0, "10,16"),
    }
    originals = {delivery.delivery_id: delivery for delivery in result.deliveries}
    for one in corrections.values():
        assert one.exported_at == originals[one.corrects or ""].exported_at

    def loaded(feed: str, source: str, *columns: str) -> list[tuple[Any, ...]]:
        rows = crm.rows(result.feeds[feed], "delivery_id", "source", *columns)
        return sorted(tuple(row[2:]) for row in rows if row[0] in corrections and row[1] == source)

    orders = ("order_id", "source_customer_id", "ordered_at")
    assert loaded("orders", "yonyou", *orders) == [
        ("0000000105", "00002", "2025-02-10T04:00:00Z"),
        ("0000000110", "00001", "2025-03-10T04:00:00Z"),
        ("0000000111", "00002", "2025-03-11T04:00:00Z"),
    ]
    assert loaded("orders", "kingdee", *orders) == [
        ("XSDD000106", "CUST0002", "2025-02-28T04:00:00Z"),
        ("XSDD000107", "CUST0002", "2025-02-10T04:00:00Z"),
    ]
    assert loaded("order_lines", "kingdee", "order_id", "product_id", "quantity", "unit_price") == [
        ("XSDD000106", "MAT001", "1", "11.3"),
        ("XSDD000106", "MAT002", "1", "22.6"),
        ("XSDD000107", "MAT001", "1", "11.30"),
    ]
    assert loaded("orders", "salesforce", *orders[:2], "net_amount") == [
        ("8015g00000OrdN1AAJ", "0015g00000NorThAAJ", "120.00"),
        ("8015g00000OrdZ9AAH", "0015g00000NorThAAJ", "10.00"),
    ]
