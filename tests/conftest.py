"""What tests of several rooms share: exports to run on, and nights that ran once for all of them."""

import csv
import gzip
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
EXAMPLE = PROJECT / "examples" / "online_retail"
EXPORT = EXAMPLE / "online_retail.csv.gz"
RULES = EXAMPLE / "business.yml"
LAST_DAY = date(2011, 12, 9)

#: Folders and files whose tests take longest, for they run nights: begun first, they keep nobody waiting at the end.
LONGEST_FIRST = (
    "tests/orchestration/test_nightly.py",
    "tests/assets/",
    "tests/dbt/",
    "tests/orchestration/",
    "tests/demo/",
    "tests/warehouse/",
)
#: The files of each share a night, or a build, of the session: on two workers it would run twice.
TOGETHER = ("tests/assets/", "tests/dbt/")


# Before the distributing plugin, which reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that take longest first, and keep on one worker what shares a file or a night."""

    def place(item: pytest.Item) -> int:
        return next((n for n, path in enumerate(LONGEST_FIRST) if item.nodeid.startswith(path)), len(LONGEST_FIRST))

    items.sort(key=place)
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(next((one for one in TOGETHER if file.startswith(one)), file)))


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told of a failure that a test wants, whoever runs the tests."""
    monkeypatch.delenv("KEEPRATE_NOTIFY_URLS", raising=False)


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """A night points its process at its home; the next test starts without."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@dataclass(frozen=True)
class SmallShop:
    """A tenth of the customers of the bundled export, line by line as they stand there."""

    header: bytes
    lines: list[bytes]

    @property
    def content(self) -> bytes:
        return self.header + b"".join(self.lines)

    def invoices(self) -> list[bytes]:
        """The invoice number of each line."""
        return [line.split(b",", 1)[0] for line in self.lines]

    def cut_at_an_invoice(self) -> tuple[bytes, bytes]:
        """Two halves as two exports, neither of which splits an invoice."""
        numbers = self.invoices()
        middle = next(at for at in range(len(numbers) // 2, len(numbers)) if numbers[at] != numbers[at - 1])
        return self.header + b"".join(self.lines[:middle]), self.header + b"".join(self.lines[middle:])


@pytest.fixture(scope="session")
def small_shop() -> SmallShop:
    """Every line of the customers whose number ends in 7, some guests, and every adjustment."""
    with gzip.open(EXPORT, "rb") as file:
        header, *lines = file.read().splitlines(keepends=True)
    cells = csv.reader(line.decode() for line in lines)
    chosen = [
        line
        for line, row in zip(lines, cells, strict=True)
        if row[6].endswith("7") or row[0].startswith("A") or (not row[6] and row[0].endswith("77"))
    ]
    return SmallShop(header, chosen)


@pytest.fixture(scope="session")
def night() -> Callable[..., object]:
    """Run a night in this process: ``night(home, as_of)`` returns its outcome."""
    from orchestration.nightly import NightlyOptions, run

    def run_night(
        home: Path, as_of: str = "2011-12-09", *, config: Path = RULES, landing: Path | None = None
    ) -> object:
        return run(NightlyOptions(home, landing, config, as_of))

    return run_night


@pytest.fixture(scope="session")
def deliver() -> Callable[..., Path]:
    """Drop a file into the landing folder of a home: ``deliver(home, name, content)``."""

    def drop(home: Path, name: str, content: bytes, source: str = "online_retail") -> Path:
        folder = home / "landing" / source
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        file.write_bytes(content)
        return file

    return drop
