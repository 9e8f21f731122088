"""Files that cannot be trusted: refused whole, with one sentence, leaving nothing behind."""

import os
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sources import landing
from sources.limits import Limits

if TYPE_CHECKING:
    from tests.sources.conftest import Home

GOOD = "536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.550,17850,United Kingdom"


def test_every_cut_inside_the_last_record_is_refused(home: "Home") -> None:
    text = home.retail()
    last = len(text) - len(text.splitlines()[-1]) - 1
    for end in range(last + 1, len(text)):
        home.put("online_retail/cut.csv", text[:end])
        assert "cut short" in home.refusal(), text[last:end]


def test_a_cut_in_the_middle_of_a_generic_record_is_refused(home: "Home") -> None:
    # Without a promised line end, only a record that lacks fields shows the cut.
    text = "order_id,ordered_at,net_amount\n1,2024-01-01,5.00\n2,2024-01-02,6.00"
    for end in range(text.rindex("\n") + 2, text.rindex(",")):
        home.put("shop/source.yml", "system: generic")
        home.put("shop/orders.csv", text[:end])
        assert "cut short" in home.refusal(), text[:end]


def test_a_short_last_record_is_a_cut_file_even_with_a_line_end(home: "Home") -> None:
    home.put("online_retail/cut.csv", home.retail(GOOD, "536366,85123A,HEART,6"))
    assert "its last record has 4 of 8 fields" in home.refusal()


def test_a_gzip_cut_anywhere_is_refused(home: "Home") -> None:
    packed = home.gzipped(home.retail())
    for end in (*range(0, 20, 3), *range(20, len(packed) - 8, 11), *range(len(packed) - 8, len(packed))):
        home.put("online_retail/x.csv.gz", packed[:end])
        assert re.search("cut short|is empty|not a whole gzip file", home.refusal()), end


@pytest.mark.parametrize("seed", range(5))
def test_the_example_cut_at_a_random_byte_is_refused(home: "Home", example_path: Path, seed: int) -> None:
    packed = example_path.read_bytes()
    home.put("online_retail/x.csv.gz", packed[: random.Random(seed).randrange(1, len(packed))])
    assert "cut short" in home.refusal()


def test_a_damaged_gzip_is_refused(home: "Home") -> None:
    packed = bytearray(home.gzipped(home.retail()))
    packed[-6] ^= 0xFF  # the checksum
    home.put("online_retail/x.csv.gz", bytes(packed))
    assert "not a whole gzip file" in home.refusal()


def test_a_cut_archive_is_refused(home: "Home") -> None:
    packed = home.zipped({"a.csv": home.retail()})
    home.put("online_retail/x.zip", packed[: len(packed) // 2])
    assert "not a whole zip archive" in home.refusal()


def test_a_renamed_column_is_refused_naming_the_nearest(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail(GOOD).replace("UnitPrice", "UnitPrize"))
    message = home.refusal()
    assert message.startswith("landing/online_retail/x.csv: the column UnitPrice is missing")
    assert "'unitprize'" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (b"\n\n \n", "it is empty"),
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "it is a web page"),
        (b"\xef\xbb\xbf  <html>", "it is a web page"),
        (b'{"error": "expired"}', "it is JSON"),
        (b"[1, 2]", "it is JSON"),
        (b"PK\x03\x04rest", "a zip archive or an Excel workbook"),
        (b"\x1f\x8brest", "it is a gzip file"),
        (b"PAR1rest", "it is a Parquet file"),
        (b"%PDF-1.7", "it is a PDF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "it is an old Excel workbook"),
    ],
)
def test_what_is_no_csv_file_is_refused_by_its_first_bytes(home: "Home", content: bytes, reason: str) -> None:
    home.put("online_retail/x.csv", content)
    assert reason in home.refusal()


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize("description", ["CAFÉ £5", "Müller", "Citroën è nato"])
def test_another_encoding_is_refused_at_its_first_byte(home: "Home", encoding: str, description: str) -> None:
    text = home.retail(GOOD, f"1,A,{description},1,2011-01-01 10:00:00,1.0,7,UK")
    content = text.encode(encoding)
    first = next(offset for offset, byte in enumerate(content) if byte > 127)
    home.put("online_retail/x.csv", content)
    message = home.refusal()
    assert f"byte 0x{content[first]:02x} at offset {first} (line 3) is not UTF-8" in message


def test_the_offset_is_right_beyond_the_first_piece(home: "Home") -> None:
    content = home.retail(*[GOOD] * 20_000).encode() + b"1,A,CAF\xc9,1,2011-01-01 10:00:00,1.0,7,UK\n"
    assert len(content) > landing.CHUNK
    home.put("online_retail/x.csv", content)
    assert f"at offset {content.index(0xC9)} (line 20002)" in home.refusal()


def test_utf_16_without_a_mark_is_refused(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail(GOOD).encode("utf-16-le"))
    assert "UTF-16" in home.refusal()


def test_an_unclosed_quote_is_refused(home: "Home") -> None:
    lines = [GOOD] * 50
    lines[3] = lines[3].replace("WHITE HANGING HEART", '"WHITE HANGING HEART')
    home.put("online_retail/x.csv", home.retail(*lines))
    assert "a quote is opened and not closed" in home.refusal()


def test_an_unclosed_quote_in_a_long_file_is_refused(home: "Home") -> None:
    lines = [GOOD] * 5_000
    lines[3] = lines[3].replace("WHITE HANGING HEART", '"WHITE HANGING HEART')
    home.put("online_retail/x.csv", home.retail(*lines))
    assert "a quote is opened and not closed" in home.refusal()


def test_text_after_a_closing_quote_is_refused_with_its_line(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail(GOOD, GOOD.replace("WHITE HANGING HEART", '"WHITE" HEART')))
    assert "line 3 cannot be read as csv" in home.refusal()


def test_an_endless_line_is_refused_before_it_fills_the_memory(home: "Home") -> None:
    home.limits = Limits(line_bytes=1 << 20)
    home.put("online_retail/x.csv", home.retail(GOOD.replace("WHITE", "W" * (3 << 20))))
    assert "is longer than 1 MB" in home.refusal()


def test_a_file_beyond_the_size_limit_is_refused(home: "Home") -> None:
    home.limits = Limits(file_bytes=100)
    home.put("online_retail/x.csv", home.retail())
    assert "it is larger than" in home.refusal()


def test_an_archive_bomb_is_refused(home: "Home") -> None:
    home.limits = Limits(ratio_floor=1 << 20)
    home.put("online_retail/x.zip", home.zipped({"x.csv": home.retail(GOOD) + "\n" * (5 << 20)}))
    assert "archive bombs" in home.refusal()


@pytest.mark.parametrize("header", ["UnitPrice", "unitprice", " UnitPrice ", "ＵnitPrice"])
def test_a_header_that_occurs_twice_is_refused(home: "Home", header: str) -> None:
    text = home.retail(GOOD).replace("Country\n", f"Country,{header}\n").replace("Kingdom\n", "Kingdom,9\n")
    home.put("online_retail/x.csv", text)
    assert "occurs twice (columns 6 and 9)" in home.refusal()


@pytest.mark.parametrize(("separator", "shown"), [(";", "';'"), ("\t", "a tab")])
def test_another_separator_is_refused_with_the_setting_that_helps(home: "Home", separator: str, shown: str) -> None:
    text = home.retail(GOOD).replace(",", separator)
    home.put("online_retail/x.csv", text)
    message = home.refusal()
    assert f"separated by {shown}" in message
    assert "'delimiter' in source.yml" in message
    home.put("online_retail/source.yml", f'delimiter: "{separator}"'.replace("\t", "\\t"))
    assert home.load().deliveries[0].records == 1


def test_mostly_rejected_files_are_refused_with_the_commonest_reason(home: "Home") -> None:
    bad = GOOD.replace("2010-12-01 08:26:00", "01.12.10")
    home.put("online_retail/x.csv", home.retail(*[GOOD] * 79, *[bad] * 20, GOOD.replace("2.550", "?"), GOOD))
    message = home.refusal()
    assert "21 of 101 records" in message
    assert "20 of them as bad_date (first at record 80, column InvoiceDate)" in message


def test_twenty_rejected_records_never_refuse_a_file(home: "Home") -> None:
    bad = GOOD.replace("2.550", "?")
    home.put("online_retail/x.csv", home.retail(*[bad] * 20, GOOD))
    [delivery] = home.load().deliveries
    assert (delivery.records, delivery.rejected) == (21, 20)


def test_a_fifth_of_rejected_records_does_not_refuse_a_file(home: "Home") -> None:
    bad = GOOD.replace("2.550", "?")
    home.put("online_retail/x.csv", home.retail(*[bad] * 30, *[GOOD] * 120))
    assert home.load().deliveries[0].rejected == 30


def test_an_encrypted_member_is_refused(home: "Home") -> None:
    packed = bytearray(home.zipped({"a.csv": home.retail()}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(signature) + flags] |= 1
    home.put("online_retail/x.zip", bytes(packed))
    assert "encrypted" in home.refusal()


def test_an_archive_without_data_is_refused(home: "Home") -> None:
    home.put("online_retail/x.zip", home.zipped({"a.txt": "x"}))
    assert "holds no csv, xlsx, json or parquet file" in home.refusal()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail()).chmod(0)
    assert "check its permissions" in home.refusal()


def test_a_refused_file_does_not_keep_others_out(home: "Home") -> None:
    home.put("online_retail/bad.csv", "")
    home.put("online_retail/good.csv", home.retail())
    result = home.load()
    assert [refusal.file for refusal in result.refusals] == ["online_retail/bad.csv"]
    assert [delivery.file for delivery in result.deliveries] == ["good.csv"]
    assert list((home.root / "work").iterdir()) == []


def test_a_source_may_go_on_without_a_refused_file(home: "Home") -> None:
    home.put("online_retail/source.yml", "on_refused: skip")
    home.put("online_retail/bad.csv", "")
    [refusal] = home.load().refusals
    assert refusal.on_refused == "skip"


def test_a_newer_export_of_the_feed_supersedes_a_refused_one(home: "Home") -> None:
    home.put("online_retail/r-2011-12-08.csv", home.retail(GOOD)[:-1])
    assert [refusal.on_refused for refusal in home.load().refusals] == ["stop"]
    home.put("online_retail/r-2011-12-07.csv", home.retail())
    assert [refusal.on_refused for refusal in home.load().refusals] == ["stop"]
    home.put("online_retail/r-2011-12-09.csv", home.retail(GOOD))
    assert [refusal.on_refused for refusal in home.load().refusals] == ["skip"]


@pytest.mark.parametrize(
    ("above", "mark", "step"),
    [
        ("Lines of May\n", ",", "row 2, below 1 other; write 'files: {\"<name>*\": {read: {skip_preamble: 1}}}'"),
        ("Lines\n\nof May,,\n", ",", "row 4, below 2 others; write 'files: {\"<name>*\": {read: {skip_preamble: 2}}}'"),
        ("Lines\nMay\n", ";", 'row 3, below 2 others; write \'files: {"<name>*": {read: {skip_preamble: 2, delimi'),
    ],
)
def test_a_header_further_down_is_pointed_at(home: "Home", above: str, mark: str, step: str) -> None:
    file = home.put("online_retail/x.csv", above + home.retail().replace(",", mark))
    sentence = home.refusal()
    assert f"its header, that of online_retail's order_lines, seems to stand in {step}" in sentence
    # What it says is enough.
    advice = sentence.partition("write '")[2].partition("' into")[0].replace("<name>", "")
    home.put("online_retail/source.yml", advice)
    assert home.load().refusals == []
    # Without the folder's name too.
    home.put("shop/x.csv", file.read_bytes())
    [refusal] = home.load().refusals
    assert step in refusal.message


def test_a_preamble_that_is_longer_than_declared_is_counted(home: "Home") -> None:
    home.put("online_retail/source.yml", 'files: {"*": {read: {skip_preamble: 2}}}')
    home.put("online_retail/x.csv", "a\nb\nc\n" + home.retail())
    assert "seems to stand in row 4, below 3 others" in home.refusal()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("sytem: generic", "sytem is not a setting (the nearest seen is 'system')"),
        ("timezone: Mars/Olympus", "'Mars/Olympus' is not a time zone"),
        ("guests: perhaps", "guests:"),
        ("system: [", "not readable YAML in line 1"),
        ("- a list", "not a list of settings"),
    ],
)
def test_a_wrong_source_yml_is_refused_and_its_folder_not_read(home: "Home", settings: str, reason: str) -> None:
    home.put("online_retail/source.yml", settings)
    home.put("online_retail/x.csv", home.retail())
    message = home.refusal()
    assert message.startswith("landing/online_retail/source.yml: ")
    assert reason in message


def test_an_unknown_system_is_refused_with_the_known_ones(home: "Home") -> None:
    home.put("shop/source.yml", "system: online_retial")
    home.put("shop/x.csv", home.retail())
    message = home.refusal()
    assert "(the nearest seen is 'online_retail')" in message
    assert "generic" in message


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ("{Unitprice: Preis}", "'Unitprice', which the profile online_retail does not read"),
        ("{Description: UnitPrice}", "'UnitPrice' would be read as Description and as UnitPrice"),
    ],
)
def test_columns_in_source_yml_must_mean_something(home: "Home", columns: str, reason: str) -> None:
    home.put("online_retail/source.yml", f"columns: {columns}")
    home.put("online_retail/x.csv", home.retail())
    assert reason in home.refusal()


def test_a_source_yml_that_is_a_link_is_refused(home: "Home") -> None:
    real = home.root / "elsewhere.yml"
    real.write_text("guests: true")
    home.put("online_retail/x.csv", home.retail())
    (home.root / "landing" / "online_retail" / "source.yml").symlink_to(real)
    assert "it is a link" in home.refusal()
