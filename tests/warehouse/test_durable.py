"""Small files that survive a crash whole or not at all."""

import stat
from pathlib import Path

from warehouse.durable import append_line, place_copy, read_lines, temporary, write_whole


def test_a_line_that_a_crash_cut_off_is_skipped_and_swallows_nothing(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    append_line(file, {"seq": 1})
    with file.open("a") as torn:
        torn.write('{"seq": 2, "run')
    assert read_lines(file) == [{"seq": 1}]
    append_line(file, {"seq": 3, "name": "客户"})
    assert read_lines(file) == [{"seq": 1}, {"seq": 3, "name": "客户"}]


def test_a_ledger_that_does_not_exist_is_empty_and_a_new_one_is_private(tmp_path: Path) -> None:
    file = tmp_path / "ledger.jsonl"
    assert read_lines(file) == []
    append_line(file, {})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_is_replaced_and_no_temporary_file_stays(tmp_path: Path) -> None:
    file, copy = tmp_path / "pin", tmp_path / "copy"
    write_whole(file, "one")
    write_whole(file, "two")
    place_copy(file, copy)
    assert (file.read_text(), copy.read_text()) == ("two", "two")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o444
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "pin"]


def test_what_an_earlier_attempt_left_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "pin"
    temporary(file).write_text("half of something longer")
    write_whole(file, "whole")
    assert file.read_text() == "whole"
