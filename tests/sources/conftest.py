"""A landing folder to put files into, and one call that reads it."""

import gzip
import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sources import FeedFiles, LoadResult, SourceDefaults
from sources.limits import LIMITS, Limits
from tests.landing import put, read_landing

EXAMPLE = Path(__file__).parents[2] / "examples" / "online_retail" / "online_retail.csv.gz"
RETAIL_HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
RETAIL_LINES = (
    "536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.550,17850,United Kingdom",
    "536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.390,17850,United Kingdom",
    "C536379,D,Discount,-1,2010-12-01 09:41:00,27.500,14527,United Kingdom",
    "A563185,B,Adjust bad debt,1,2011-08-12 14:50:00,11062.060,,United Kingdom",
)
NIGHT = datetime(2011, 12, 10, 2, tzinfo=UTC)


@dataclass
class Home:
    """The folders of one installation."""

    root: Path
    con: duckdb.DuckDBPyConnection
    defaults: SourceDefaults = field(default_factory=lambda: SourceDefaults("UTC", "EUR"))
    limits: Limits = LIMITS

    @staticmethod
    def retail(*lines: str, header: str = RETAIL_HEADER, end: str = "\n") -> str:
        """Text of an Online Retail file of these lines, by default four of the real ones."""
        return "".join(line + end for line in (header, *(lines or RETAIL_LINES)))

    @staticmethod
    def gzipped(content: str | bytes) -> bytes:
        """Gzip without a time stamp."""
        return gzip.compress(content.encode() if isinstance(content, str) else content, mtime=0)

    @staticmethod
    def zipped(members: Mapping[str, str | bytes], day: tuple[int, int, int] = (1980, 1, 1)) -> bytes:
        """A zip archive whose members are dated at noon of a day."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as writer:
            for member, content in members.items():
                info = zipfile.ZipInfo(member, (*day, 12, 0, 0))
                writer.writestr(info, content, compress_type=zipfile.ZIP_DEFLATED)
        return archive.getvalue()

    def put(self, name: str, content: bytes | str) -> Path:
        """Write ``landing/<name>``."""
        return put(self.root, name, content)

    def load(self, now: datetime = NIGHT, **others: Path) -> LoadResult:
        """Read landing once."""
        return read_landing(self.con, self.root, self.defaults, now, limits=self.limits, **others)

    def rows(self, files: FeedFiles, *columns: str) -> list[tuple[Any, ...]]:
        """Columns of a raw relation, in the order of its records."""
        if not files.files:
            return []
        order = " ORDER BY delivery_id, record_no" if "record_no" in files.columns else ""
        query = f"SELECT {', '.join(columns)} FROM read_parquet(?){order}"
        found: list[tuple[Any, ...]] = self.con.execute(query, [[str(file) for file in files.files]]).fetchall()
        return found

    def refusal(self) -> str:
        """Read landing, of which exactly one file must be refused and nothing else loaded; the sentence."""
        result = self.load()
        assert len(result.refusals) == 1, result
        assert result.deliveries == []
        assert self.left_behind() == []
        return result.refusals[0].message

    def left_behind(self) -> list[Path]:
        """Every file below raw, rejected and work."""
        return [
            file for folder in ("raw", "rejected", "work") for file in (self.root / folder).rglob("*") if file.is_file()
        ]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'Asia/Shanghai'").fetchall()
        yield Home(tmp_path, con)


@pytest.fixture(scope="session")
def example_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, LoadResult]]:
    """The bundled export, read once."""
    with duckdb.connect() as con:
        home = Home(tmp_path_factory.mktemp("example"), con)
        home.put("online_retail/online_retail.csv.gz", EXAMPLE.read_bytes())
        yield home, home.load()


@pytest.fixture(scope="session")
def example_path() -> Path:
    """The bundled export itself."""
    return EXAMPLE
