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
        (("colour",), "red", "colour: Extra inputs are not permitted"),
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
        (("files", "orders", "read"), {"skip": 3}, "skip"),
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
