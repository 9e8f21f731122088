"""Decisions of people about records: what a line may say, and how clearly anything else is refused."""

from datetime import date
from pathlib import Path

import pytest

from rules import RulesError, load
from rules.decisions import Decision, Record, read_decisions

RULES = Path(__file__).parents[2] / "config" / "business.yml"
HEADER = "action,source_a,id_a,source_b,id_b,reason,decided_by,decided_on\n"
MERGE = "merge,crm,C1,shop,S1,same person on the phone,Wei,2026-03-31\n"
SPLIT = "split,crm,C2,shop,S2,father and son,Wei,2026-04-01\n"


def merge(one: str, other: str) -> str:
    return f"merge,crm,{one},crm,{other},told,Wei,2026-03-31\n"


def split(one: str, other: str) -> str:
    return f"split,crm,{one},crm,{other},told,Wei,2026-03-31\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "identities.csv"


def refusal(file: Path, content: str) -> list[str]:
    """What is said of a file, without its name."""
    file.write_text(content, encoding="utf-8")
    with pytest.raises(RulesError) as caught:
        read_decisions(file)
    return [line.removeprefix(f"{file}") for line in str(caught.value).splitlines()]


def test_every_line_is_a_decision_wherever_its_columns_stand(file: Path) -> None:
    text = "note,decided_on,decided_by,reason,id_b,source_b,id_a,source_a,action\n"
    text += 'call,2026-03-31, Wei ,"same person,\non the phone",S1,shop,C1,crm,MERGE\n\n,,,,,,,,\n'
    text += ",2026-04-01,Wei,father and son,S2,shop,C2,crm,split\n"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_decisions(file) == (
        Decision(
            2,
            "merge",
            Record("crm", "C1"),
            Record("shop", "S1"),
            "same person,\non the phone",
            "Wei",
            date(2026, 3, 31),
        ),
        Decision(6, "split", Record("crm", "C2"), Record("shop", "S2"), "father and son", "Wei", date(2026, 4, 1)),
    )


def test_a_file_with_its_first_line_alone_decides_nothing(file: Path) -> None:
    file.write_text(HEADER, encoding="utf-8")
    assert read_decisions(file) == ()


# What the file says, and what is said of it.
# fmt: off
MISTAKES = [
    ("", ", line 1: has no column action, source_a, id_a, source_b, id_b, reason, decided_by, decided_on; its first "
         "line must be action,source_a,id_a,source_b,id_b,reason,decided_by,decided_on, with commas between"),
    (HEADER.replace("reason,", "") + MERGE, ", line 1: has no column reason; its first line must be "
     "action,source_a,id_a,source_b,id_b,reason,decided_by,decided_on, with commas between"),
    (HEADER + MERGE.replace("merge", "marge"), ", line 2: has the action marge; did you mean merge?"),
    (HEADER + MERGE.replace("merge", "x"), ", line 2: has the action x; write merge or split"),
    (HEADER + MERGE.replace("Wei", " ").replace("S1", ""), ", line 2: leaves id_b, decided_by blank; fill it in"),
    (HEADER + MERGE.replace("2026-03-31", "31.3.2026"),
     ", line 2: has 31.3.2026 in decided_on; write a day such as 2026-03-31"),
    (HEADER + merge("C1", "C1"), ", line 2: names the same record twice; name two"),
    (HEADER + MERGE + "merge,crm\n", ", line 3: has 2 cells, but the first line names 8; check commas and quotes"),
    (HEADER + MERGE + 'merge,"crm,C1\n', ", line 3: is not valid CSV; check the quotes here"),
    (HEADER + merge("C1", "C2") + merge("C2", "C1"), ", line 3: says again what line 2 says; keep one"),
    (HEADER + split("C2", "C1") + merge("C1", "C2"),
     ", line 2: splits two records that line 3 merges; keep one or the other"),
    (HEADER + merge("C1", "C2") + merge("C8", "C9") + merge("C3", "C2") + split("C1", "C3"),
     ", line 5: splits two records that lines 2, 4 merge; keep one or the other"),
]
# fmt: on


@pytest.mark.parametrize(("content", "expected"), MISTAKES)
def test_anything_else_is_refused_with_its_line_and_what_to_do(file: Path, content: str, expected: str) -> None:
    assert refusal(file, content) == [expected]


def test_every_mistake_is_told_at_once(file: Path) -> None:
    told = refusal(file, HEADER + SPLIT.replace("split", "x") + MERGE + MERGE.replace("Wei", ""))
    assert [line.split(":")[0] for line in told] == [", line 2", ", line 4"]


def test_two_records_of_one_id_in_two_sources_are_two(file: Path) -> None:
    file.write_text(HEADER + "merge,crm,1,shop,1,told,Wei,2026-03-31\n", encoding="utf-8")
    assert len(read_decisions(file)) == 1


def test_a_file_that_is_not_there_or_not_text_is_told(file: Path) -> None:
    with pytest.raises(RulesError, match=r"identities\.csv: does not exist; check the path"):
        read_decisions(file)
    file.write_bytes((HEADER + MERGE).encode() + "马".encode("gb18030"))
    with pytest.raises(RulesError, match=r"identities\.csv, line 3: is not UTF-8 text; save the file with UTF-8"):
        read_decisions(file)


# ---- the rules that name it


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    text = RULES.read_text(encoding="utf-8")
    assert text.count("decisions: null") == 1
    path = tmp_path / "business.yml"
    path.write_text(text.replace("decisions: null", "decisions: identities.csv"), encoding="utf-8")
    return path


def test_the_rules_carry_the_decisions_of_the_file_beside_them(rules_file: Path, file: Path) -> None:
    assert load(RULES).decisions == ()
    file.write_text(HEADER + MERGE + SPLIT, encoding="utf-8")
    assert [decision.action for decision in load(rules_file).decisions] == ["merge", "split"]


def test_rules_whose_decisions_are_wrong_are_not_loaded(rules_file: Path, file: Path) -> None:
    file.write_text(HEADER + MERGE + MERGE, encoding="utf-8")
    with pytest.raises(RulesError, match=r"identities\.csv, line 3: says again"):
        load(rules_file)


def test_the_hash_follows_what_the_file_says_and_not_how(rules_file: Path, file: Path) -> None:
    file.write_text(HEADER + MERGE, encoding="utf-8")
    before = load(rules_file).hash
    file.write_text(HEADER.replace(",id_b", ", id_b") + MERGE.replace("C1", "C1 "), encoding="utf-8")
    assert load(rules_file).hash == before
    file.write_text(HEADER + MERGE.replace("S1", "S2"), encoding="utf-8")
    assert load(rules_file).hash != before
    file.write_text(HEADER, encoding="utf-8")
    assert load(rules_file).hash != before
