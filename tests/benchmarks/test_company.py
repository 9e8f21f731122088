"""What the day after brings to the simulated company."""

from pathlib import Path

from benchmarks.company import follow
from warehouse.connection import connect

ORDERS = """Name,Email,Paid at,Fulfilled at,Created at,Cancelled at,Id,Lineitem name
#2,a@mail.test,2023-01-01 06:55:28 +0800,,2023-01-01 06:55:28 +0800,,52,Cup
#2,a@mail.test,,,,,,Tea
#3,b@mail.test,2023-02-01 07:00:00 +0800,,2023-02-01 07:00:00 +0800,2023-02-02 07:00:00 +0800,53,Cup
,c@mail.test,2023-02-01 07:00:00 +0800,,2023-02-01 07:00:00 +0800,,54,Cup
"""
LOYALTY = {
    "points": "entry_id,at,delta,expires_at\nP1,2022-12-31T22:55:28Z,5,2023-12-31T22:55:28Z\nP2,31/12/2022,5,\n",
    "campaign_touches": "touch_id,touched_at\nT1,2023-01-04T19:33:54Z\n",
    "survey_responses": "response_id,responded_at\nA1,2022-12-21T17:03:32Z\n",
}


def test_the_day_after_brings_whole_orders_and_single_rows_under_new_ids(tmp_path: Path) -> None:
    (tmp_path / "shopify").mkdir()
    (tmp_path / "membership").mkdir()
    (tmp_path / "shopify" / "orders_export_2026-01-01.csv").write_text(ORDERS, encoding="utf-8")
    for name, text in LOYALTY.items():
        (tmp_path / "membership" / f"{name}_2026-01-01.csv").write_text(text, encoding="utf-8")
    # Room for all of them: of a share of one, everything that can be delivered again is.
    follow(tmp_path, 1.0, 4)
    new = {file.parent.name + "/" + file.stem[:-11]: file for file in tmp_path.glob("*/*_2026-01-02.csv")}
    assert sorted(new) == [
        "membership/campaign_touches",
        "membership/points",
        "membership/survey_responses",
        "shopify/orders_export",
    ]
    with connect() as con:
        rows = {
            name: con.execute(f"from read_csv('{file}', all_varchar = true, comment = '')").fetchall()
            for name, file in new.items()
        }
    # Neither the order that was cancelled nor the row without an order.
    at = "2026-01-01 06:55:28 +0800"
    assert sorted(rows["shopify/orders_export"], key=str) == [
        ("#N2", "a@mail.test", at, None, at, None, "952", "Cup"),
        ("#N2", "a@mail.test", None, None, None, None, None, "Tea"),
    ]
    assert rows["membership/points"] == [("NP1", "2026-01-01T22:55:28Z", "5", None)]
    assert rows["membership/campaign_touches"] == [("NT1", "2026-01-01T19:33:54Z")]
    assert rows["membership/survey_responses"] == [("NA1", "2026-01-01T17:03:32Z")]
