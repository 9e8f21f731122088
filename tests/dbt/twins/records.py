"""What was delivered, counted without the readers and without dbt: files, records, rows, people.

Here belong the figures about data itself. What the data say belongs to the other modules.
"""

import csv
import io
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pandas as pd

from tests.dbt.twins.night import Night, local_day

#: What tells the rows of a feed apart, within a source.
KEYS = {
    "campaign_touches": ["touch_id"],
    "campaigns": ["campaign_id"],
    "consents": ["source_customer_id", "channel", "purpose", "stated_at"],
    "contacts": ["contact_id"],
    "customers": ["source_customer_id"],
    "interactions": ["interaction_id"],
    "orders": ["source_order_id"],
    "payments": ["payment_id"],
    "points": ["entry_id"],
    "products": ["product_id"],
    "referrals": ["referral_id"],
    "reps": ["rep_id"],
    "subscriptions": ["contract_id"],
    "survey_responses": ["response_id"],
    "tickets": ["ticket_id"],
}
#: What the demo's list of spoilt records calls a record that is not rejected.
NOT_REJECTED = {"dup_exact", "dup_key", "ignored", "soft_deleted", "excluded_status", "code"}


def files(landing: Path) -> Iterator[tuple[str, str, bytes]]:
    """Every delivered file or member of an archive: source, name as the deliveries have it, content."""
    for file in sorted(landing.rglob("*")):
        if not file.is_file() or file.name == "source.yml":
            continue
        source, name = file.relative_to(landing).as_posix().split("/", 1)
        if file.suffix.lower() == ".zip":
            with zipfile.ZipFile(file) as archive:
                for member in archive.namelist():
                    yield source, f"{name}#{member}", archive.read(member)
        else:
            yield source, name, file.read_bytes()


def records(landing: Path) -> pd.Series:
    """Logical rows after the header, by source and file."""
    found = {}
    for source, name, content in files(landing):
        if name.endswith(".xlsx"):
            sheet = openpyxl.load_workbook(io.BytesIO(content), read_only=True).worksheets[0]
            rows = [list(row) for row in sheet.iter_rows(values_only=True)]
        else:
            try:
                text = content.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = content.decode("gb18030")
            first = text.split("\n", 1)[0]
            mark = max(",;\t|", key=first.count)
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))
        # Some print a title above the header, and some a second header below it that people can read.
        filled = [sum(cell not in (None, "") for cell in row) for row in rows]
        header = next(at for at, cells in enumerate(filled) if cells > max(filled) / 2)
        headers = header + (2 if str(rows[header + 1][0]).startswith("*") else 1)
        found[source, name] = len(rows) - headers
    return pd.Series(found).rename_axis(["source", "file"])


def standing_rows(night: Night) -> pd.Series:
    """Rows by feed that stand: one per key and source of what could be read, deleted ones left out."""
    found = {}
    for feed, key in KEYS.items():
        rows = night.table(f"staging.stg_{feed}")
        rows = rows[rows["cast_error"].isna()]
        keys = ["source", *key]
        deleted = rows["is_deleted"].fillna(False) if "is_deleted" in rows else pd.Series(False, index=rows.index)
        if "updated_at" in rows:
            rows = rows.assign(deleted=deleted).sort_values(
                ["updated_at", "deleted"], na_position="first", kind="stable"
            )
            rows = rows.groupby(keys, dropna=False)["deleted"].last()
            found[feed] = int((~rows).sum())
        else:
            found[feed] = len(rows.drop_duplicates(keys))
    return pd.Series(found).rename_axis("feed")


def rejected(truth: Path) -> pd.Series:
    """Rejected records by source, file, record number and code, as whoever spoilt them wrote it down."""
    with truth.joinpath("bad_rows.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["code"] not in NOT_REJECTED]
    counts = Counter((row["source"], row["file"], int(row["record_no"]), row["code"]) for row in rows)
    return pd.Series(counts).rename_axis(["source", "file", "record_no", "code"])


def conflicts(night: Night) -> pd.Series:
    """Sets of records that evidence joins and that are more than one customer may have: how many of each size."""
    edges = night.table("core.identity_edges")
    root: dict[str, str] = {}

    def find(record: str) -> str:
        root.setdefault(record, record)
        while root[record] != record:
            root[record] = root[root[record]]
            record = root[record]
        return record

    for left, right in edges[["source_record_id", "joined_record_id"]].itertuples(index=False):
        root[find(left)] = find(right)
    sizes = Counter(find(record) for record in list(root))
    most = night.rules["identity"]["max_records_per_customer"]
    return pd.Series(Counter(size for size in sizes.values() if size > most), dtype=float).rename_axis("records")


def people(night: Night, account_of: pd.Series) -> pd.Series:
    """People by account who have not left, contacts and customers: one address or number is one person."""
    found: dict[tuple[str, str], list[bool]] = defaultdict(list)
    contacts = night.current("contacts")
    contacts = contacts[~contacts["is_orphan"]].dropna(subset="customer_id")
    gone = local_day(contacts["left_at"]) <= night.as_of
    for row, has_left in zip(contacts.itertuples(), gone, strict=True):
        account = account_of.get(row.customer_id)
        if isinstance(account, str):
            found[account, _address(row.email, row.phone, f"{row.source} {row.contact_id}")].append(bool(has_left))
    customers = night.table("core.resolved_customers")
    for row in customers[customers["customer_type"] == "person"].itertuples():
        account = account_of.get(row.customer_id)
        if isinstance(account, str):
            found[account, _address(row.email, row.phone, row.customer_id)].append(False)
    here = Counter(account for (account, _), left in found.items() if not all(left))
    return pd.Series(here, dtype=float).rename_axis("account_id")


def _address(email: object, phone: object, otherwise: str) -> str:
    return next((str(value) for value in (email, phone) if isinstance(value, str)), otherwise)
