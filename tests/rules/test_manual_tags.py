"""Tags that people give: a file they fill in by hand, so every slip in it is told with its line."""

from datetime import date
from pathlib import Path

import pytest

from rules import RulesError, load
from rules.manual_tags import ManualTag, read_manual_tags

RULES = Path(__file__).parents[2] / "config" / "business.yml"
HEADER = "source,id,tag,valid_from,valid_to,given_by"


def written(folder: Path, *lines: str) -> Path:
    """A file of tags with these lines."""
    file = folder / "tags.csv"
    file.write_text("\n".join((HEADER, *lines)) + "\n", encoding="utf-8")
    return file


def test_a_line_gives_a_tag_for_a_time_or_until_further_notice(tmp_path: Path) -> None:
    file = written(tmp_path, "crm,C-1,vip,2026-01-01,,王芳", "", 'crm,"C-2",挚友,2026-02-28,2026-03-01,Li')
    assert read_manual_tags(file) == (
        ManualTag(2, "crm", "C-1", "vip", date(2026, 1, 1), None, "王芳"),
        ManualTag(4, "crm", "C-2", "挚友", date(2026, 2, 28), date(2026, 3, 1), "Li"),
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("crm,,vip,2026-01-01,,Li", "leaves id blank"),
        ("crm,C-1,vip,2026-01-01,,", "leaves given_by blank"),
        ("crm,C-1,vip,1.1.2026,,Li", "has 1.1.2026 in valid_from; write a day such as 2026-03-31"),
        ("crm,C-1,vip,2026-01-01,soon,Li", "has soon in valid_to"),
        ("crm,C-1,vip,2026-01-02,2026-01-02,Li", "ends on its first day or before"),
        ("crm,C-1,vip,2026-01-01", "has 4 cells, but the first line names 6"),
    ],
)
def test_a_line_that_is_no_tag_is_told(tmp_path: Path, line: str, message: str) -> None:
    file = written(tmp_path, line)
    with pytest.raises(RulesError) as error:
        read_manual_tags(file)
    [told] = str(error.value).splitlines()
    assert told.startswith(f"{file}, line 2: {message}"), told


def test_a_tag_given_twice_for_one_time_is_told_and_one_that_follows_is_not(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "crm,C-1,vip,2026-01-01,2026-02-01,Li",
        "crm,C-1,vip,2026-02-01,,Li",
        "crm,C-2,vip,2026-01-01,,Li",
        "shop,C-1,vip,2026-01-01,,Li",
        "crm,C-1,vip,2026-03-01,2026-04-01,Wang",
    )
    with pytest.raises(RulesError) as error:
        read_manual_tags(file)
    assert str(error.value) == f"{file}, line 6: gives the tag that line 3 gives for the same time; keep one"


def test_the_rules_name_the_file_and_their_hash_knows_what_stands_in_it(tmp_path: Path) -> None:
    text = RULES.read_text(encoding="utf-8")
    assert text.count("manual_tags: null") == 1
    file = tmp_path / "business.yml"
    file.write_text(text, encoding="utf-8")
    without = load(file)
    assert without.given_tags == ()

    file.write_text(text.replace("manual_tags: null", "manual_tags: tags.csv"), encoding="utf-8")
    with pytest.raises(RulesError, match=r"tags\.csv"):
        load(file)
    written(tmp_path, "crm,C-1,vip,2026-01-01,,Li")
    one = load(file)
    assert [tag.id for tag in one.given_tags] == ["C-1"]
    written(tmp_path, "crm,C-9,vip,2026-01-01,,Li")
    assert len({without.hash, one.hash, load(file).hash}) == 3
