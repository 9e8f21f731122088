"""Homes that have little: one feed of one system, one customer, or nothing but headers. Their nights are green.

Homes with one system alone stand in ``test_crm_homes.py``, one with tickets alone in ``test_several_sources.py``.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.sources.crm.landing import FOLDER

from .crm_homes import ask, run_night

Serve = Callable[..., Path]

ONE_CUSTOMER = b"source_customer_id,name,email,created_at\nK,Kim,kim@example.com,2024-01-05\n"
ONE_ORDER = b"order_id,source_customer_id,ordered_at,net_amount\nO1,K,2024-01-20,50.00\n"
HUBSPOT = FOLDER / "hubspot"


@pytest.fixture
def serve(tmp_path: Path, deliver: Callable[..., Path]) -> Serve:
    """Deliver files, run the night of a business that counts in euros, and return the home."""

    def run(source: str, files: Mapping[str, bytes]) -> Path:
        home = tmp_path / "home"
        deliver(home, "source.yml", b"{timezone: Europe/Berlin, currency: EUR, default_country: DE}\n", source)
        for name, content in files.items():
            deliver(home, name, content, source)
        outcome = run_night(home, "EUR")
        assert outcome.kind == "published", outcome.reasons
        return home

    return run


def counts_of(home: Path) -> tuple[int, int, int]:
    """Customers, valid documents and rejected records."""
    [found] = ask(
        home,
        "select (select count(*) from marts.customers), (select count(*) from marts.orders where is_valid), "
        "(select count(*) from marts.rejected_records)",
    )
    return found


@pytest.mark.slow
def test_headers_without_a_record_are_an_export(serve: Serve) -> None:
    headers = {file.name: file.read_bytes().splitlines(keepends=True)[0] for file in HUBSPOT.glob("*.csv")}
    home = serve("hubspot", headers)
    assert counts_of(home) == (0, 0, 0)
    assert ask(home, "select count(distinct file), max(records) from marts.deliveries") == [(len(headers), 0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"customers.csv": ONE_CUSTOMER, "orders.csv": ONE_ORDER}, (1, 1, 0)),
        ({"customers.csv": ONE_CUSTOMER}, (1, 0, 0)),
        ({"orders.csv": ONE_ORDER}, (1, 1, 0)),
    ],
    ids=["one-customer-who-bought", "one-customer", "one-order"],
)
def test_a_single_customer_is_a_company(
    serve: Serve, files: Mapping[str, bytes], expected: tuple[int, int, int]
) -> None:
    assert counts_of(serve("generic", files)) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        # 10001, 10002 and 10006 as one, 10003 and 10005; 10091 and 10092 were merged into 10001.
        ("hubspot-crm-exports-all-contacts-2024-06-30.csv", (4, 0, 2)),
        # Without a list of customers whoever is named is one: 10001 to 10003, 10007, 10091 and 10999.
        ("hubspot-crm-exports-all-deals-2024-06-30.csv", (6, 5, 6)),
        ("hubspot-crm-exports-all-tickets-2024-06-30.csv", (2, 0, 2)),
    ],
    ids=["customers", "orders", "tickets"],
)
def test_one_file_of_a_system_is_enough(serve: Serve, file: str, expected: tuple[int, int, int]) -> None:
    # The deal in dollars is worth something only with a rate.
    content = (HUBSPOT / file).read_bytes().replace(b"USD", b"EUR")
    assert counts_of(serve("hubspot", {file: content})) == expected
