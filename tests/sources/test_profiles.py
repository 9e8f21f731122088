"""Profiles say only what can be read, and what they say wrong is told with its place."""

import copy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sources.profiles import known_profiles, read_profile

GOOD: dict[str, Any] = {
    "system": "shop",
    "customer_grain": "customer",
    "guests": False,
    "files": {
        "orders": {
            "match": {"names": ["orders*"]},
            "columns": {
                "No": {"required": True},
                "Buyer": {"customer": True},
                "Day": {"required": True},
                "Total": {"type": "amount"},
                "State": "text",
            },
            "feeds": {
                "orders": {
                    "columns": {
                        "order_id": "No",
                        "source_customer_id": "Buyer",
                        "ordered_at": "Day",
                        "net_amount": "Total",
                        "status": {"from": "State", "map": {"done": "completed"}, "default": "open"},
                    }
                }
            },
        }
    },
}


def written(tmp_path: Path, document: object) -> Path:
    file = tmp_path / "shop.yml"
    file.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return file


def test_every_profile_of_the_project_can_be_read() -> None:
    profiles = known_profiles()
    assert {"generic", "online_retail"} <= set(profiles)
    assert all(system == profile.system for system, profile in profiles.items())


def test_a_column_has_the_type_of_what_it_becomes(tmp_path: Path) -> None:
    columns = read_profile(written(tmp_path, GOOD)).files["orders"].columns
    assert {name: spec.type for name, spec in columns.items()} == {
        "No": "id",
        "Buyer": "id",
        "Day": "timestamp",
        "Total": "amount",
        "State": "text",
    }


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("zzz",), "red", "line 31, zzz is not a key of a profile; correct it."),
        (("gests",), False, "line 29, gests is not a key of a profile (the nearest seen is 'guests')"),
        (("guests",), "perhaps", "line 29, guests: should be true or false"),
        (("feeds",), ["orders"], "feeds is not a key of a profile"),
        (
            ("files", "orders", "columns", "Total"),
            {"type": "amount", "aliases": 5},
            "files.orders.columns.Total.aliases: should be a list",
        ),
        (
            ("files", "orders", "feeds", "orders", "columns", "net_amount"),
            {"concat": ["Total", {"fro": "No"}]},
            "files.orders.feeds.orders.columns.net_amount.concat: fro is not a key of a profile (the nearest seen is",
        ),
        (
            ("files", "orders", "feeds", "orders", "columns", "colour"),
            "No",
            "colour is not a column of the feed orders",
        ),
        (("files", "orders", "feeds", "ordres"), {"derived": True}, "ordres is not a canonical feed"),
        (("files", "orders", "feeds", "orders", "columns", "channel"), "Web", "Web, which the feed orders reads"),
        (("files", "orders", "feeds", "orders", "derived"), True, "exactly one feed of a file is not derived"),
        (
            ("files", "orders", "feeds", "orders", "columns", "kind"),
            {"value": "gift"},
            "'gift' is no value of orders.kind",
        ),
        (("files", "orders", "feeds", "orders", "columns", "status"), "State", "cannot become orders.status"),
        (("files", "orders", "columns", "Total"), "text", "cannot become orders.net_amount"),
        (("files", "orders", "columns", "Day", "formats"), ["%d/%m/%Y", "%m/%d/%Y"], "the order of day and month"),
        (("dates",), ["%d.%m.%Y", "%m.%d.%Y"], "the order of day and month"),
        (("files", "orders", "ignore_when"), [{"cell": "State"}], "a condition has exactly one of"),
        (("files", "orders", "read"), {"skip": 3}, "files.orders.read: skip is no reading step; correct it."),
        (("files", "orders", "read"), {"names": ["a"], "header": "plain"}, "names are the columns"),
        (("time_zone",), "Mars/Olympus", "is not a time zone"),
        (("files", "sellers"), {"left_aside": True}, "a kind of file that is left aside has names"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(
    tmp_path: Path, place: tuple[str, ...], value: object, words: str
) -> None:
    document = copy.deepcopy(GOOD)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(ValueError, match=r"^The profile shop\.yml cannot be used: ") as caught:
        read_profile(written(tmp_path, document))
    assert words in str(caught.value)


def test_a_mistake_in_a_profile_is_told_in_one_sentence_whoever_reads_it_first(tmp_path: Path) -> None:
    room = Path(__file__).resolve().parents[2] / "sources"
    shutil.copytree(room, tmp_path / "sources", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "sources" / "profiles" / "shop.yml").write_text("system: [shop\nguests: true", encoding="utf-8")
    ask = "from sources.worker import Reader; Reader(1, '200MB')._ask(None, {})"
    done = subprocess.run([sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 2, "the YAML error and the sentence made of it; none of the other process"
    assert "sources.errors.ProfileError: The profile shop.yml is not readable YAML in line 2" in done.stderr


def test_no_sentence_speaks_of_what_nobody_wrote(tmp_path: Path) -> None:
    document = copy.deepcopy(GOOD)
    feed = document["files"]["orders"]["feeds"]["orders"]["columns"]
    feed["status"] = {"from": "State", "map": {"done": "finished"}}
    with pytest.raises(ValueError, match="cannot be used") as caught:
        read_profile(written(tmp_path, document))
    assert str(caught.value) == (
        "The profile shop.yml cannot be used: line 21, files.orders.feeds.orders.columns.status: 'finished' is no "
        "value of orders.status (draft, open, paid, shipped, completed, cancelled, lost, returned); correct it."
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b\n", "cannot be used: should be keys with values; correct it."),
        (
            "system: shop\ncustomer_grain: c\nguests: true\ncolumns: {2024: amount}\n",
            "line 4, columns.2024: YAML takes this key for a number or a date; put it into quotes",
        ),
        ("", "cannot be used: should be keys with values; correct it."),
        ("system: shop\ncustomer_grain: c\nguests: true\nfeeds: [a]\n", "line 4, feeds: should be keys with values"),
        ("system: shop\ncustomer_grain: c\nguests: true\nfeeds: {orders: a}\n", "line 4, feeds.orders: should be keys"),
    ],
)
def test_what_is_no_profile_at_all_is_told_too(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "shop.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^The profile shop\.yml cannot be used: ") as caught:
        read_profile(tmp_path / "shop.yml")
    assert words in str(caught.value)


def test_a_profile_is_called_like_its_system(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"it says 'system: till'; call the file till\.yml, or write 'system: shop'"):
        read_profile(written(tmp_path, GOOD | {"system": "till"}))


def test_no_is_a_column_and_no_truth_value(tmp_path: Path) -> None:
    text = "system: shop\ncustomer_grain: c\nguests: true\ncolumns: {No: {required: true}, On: {}}\n"
    text += "feeds: {customers: {columns: {source_customer_id: No, created_at: On}}}\n"
    (tmp_path / "shop.yml").write_text(text, encoding="utf-8")
    assert set(read_profile(tmp_path / "shop.yml").files["customers"].columns) == {"No", "On"}
