"""Damaged files of every format: refused with a sentence or accounted for record by record, never anything else.

Here the reader runs in this process, so that an exception that nobody foresaw is seen as what it is.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources.errors import RefusedFileError
from sources.limits import LIMITS
from sources.reading import Job, draft, look, read
from sources.settings import SourceDefaults, SourceSettings

HEADER = ["source_customer_id", "name", "email", "phone", "created_at", "is_active"]
ROWS = [
    HEADER,
    ["7", "王小明", "li@example.com", "13800138000", "2024-01-31 08:00", "是"],
    ["8", '"q"', "", "", "", ""],
]


def workbook() -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        page = book.add_worksheet("customers")
        for number, row in enumerate(ROWS):
            page.write_row(number, 0, row)
    return content.getvalue()


def archive(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as writer:
        writer.writestr("customers.csv", content)
    return packed.getvalue()


TEXT = "".join(",".join(f'"{cell}"' for cell in row) + "\r\n" for row in [*ROWS[:2], ROWS[1]])
RECORDS = {"data": [dict(zip(HEADER, row, strict=True)) for row in ROWS[1:]]}
SEEDS = {
    "customers.csv": TEXT.encode(),
    "customers-2.csv": TEXT.encode("gb18030"),
    "customers.json": json.dumps(RECORDS, ensure_ascii=False).encode(),
    "customers.xlsx": workbook(),
    "customers.zip": archive(TEXT.encode()),
}


@dataclass(frozen=True)
class Desk:
    """Somewhere to read one file after the other."""

    folder: Path
    con: duckdb.DuckDBPyConnection

    def account(self, name: str, content: bytes) -> None:
        """Read a file; every record of it must be loaded, rejected or ignored."""
        path = self.folder / name
        path.write_bytes(content)
        job = Job(path, name, "shop", SourceSettings(system="generic"), SourceDefaults("UTC", "EUR"), LIMITS)
        try:
            found = [one for one in look(self.con, job, self.folder).found if one.refused is None]
            for one in found:
                reading = read(self.con, job, one, "2024-01-01T00:00:00.000000Z", self.folder)
                rows = self.con.execute(f"SELECT count(*) FROM '{draft(self.folder, one.feed or '')}'").fetchall()[0][0]
                assert reading.records == rows + reading.rejected + reading.ignored
        except RefusedFileError:
            return


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with duckdb.connect() as con:
        yield Desk(tmp_path_factory.mktemp("fuzz"), con)


@pytest.mark.parametrize("name", SEEDS)
def test_the_seeds_themselves_are_read(desk: Desk, name: str) -> None:
    path = desk.folder / name
    path.write_bytes(SEEDS[name])
    job = Job(path, name, "shop", SourceSettings(system="generic"), SourceDefaults("UTC", "EUR"), LIMITS)
    assert [one.refused for one in look(desk.con, job, desk.folder).found] == [None]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(SEEDS)),
    place=st.floats(0, 1),
    cut=st.integers(0, 40),
    added=st.one_of(
        st.binary(max_size=12),
        st.sampled_from(
            [b'"', b'""', b"\r", b"\n\n", b",", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"]}", b"</c>", b"<f>"]
        ),
    ),
)
def test_damage_is_refused_or_accounted_for(desk: Desk, name: str, place: float, cut: int, added: bytes) -> None:
    content = SEEDS[name]
    at = int(place * len(content))
    desk.account(name, content[:at] + added + content[at + cut :])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(sorted(SEEDS)), content=st.binary(max_size=200))
def test_any_bytes_at_all_are_refused_or_accounted_for(desk: Desk, name: str, content: bytes) -> None:
    desk.account(name, content)
