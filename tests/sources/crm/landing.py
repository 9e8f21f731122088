"""Whole exports as their systems write them: what lies in the folders beside this file, packed and landed.

A folder is one system's export, kept as text so that it can be read and reviewed. Where it has an ``export.yml``,
that file names per landing folder the files to land, what each is made of and how it is packed; workbooks are made
of ``*.sheet.yml``. Where it has an ``expected.yml``, its files are landed as they are; a folder that is named like an
archive becomes that archive. Both say under ``outcome`` what the whole night must make of the export.

Belongs here: packing and landing. Does not belong here: reading an export, and what must come of it.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import yaml

__all__ = ["FOLDER", "Packing", "accounts_of", "land", "land_western", "said_of", "said_of_western"]

FOLDER = Path(__file__).parent

Packing = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Given a landed name and how it is packed: how it is to be packed instead."""

_EXPECTED = "expected.yml"
_ARCHIVED = (2024, 6, 30, 12, 0, 0)


@cache
def said_of(system: str) -> Mapping[str, Mapping[str, Any]]:
    """What the ``export.yml`` of a system says of each of its landing folders."""
    document: Mapping[str, Mapping[str, Any]] = yaml.safe_load((FOLDER / system / "export.yml").read_text("utf-8"))
    return document


@cache
def said_of_western(system: str) -> Mapping[str, Any]:
    """What the ``expected.yml`` of a system says of its one landing folder."""
    document: Mapping[str, Any] = yaml.safe_load((FOLDER / system / _EXPECTED).read_text("utf-8"))
    return document


def accounts_of(source: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The deliveries of one landing folder of an ``export.yml``: its files, or the sheets of a workbook of several."""
    for name, spec in source["files"].items():
        if "sheets" in spec:
            yield from ((f"{name}#{sheet}", account) for sheet, account in spec["sheets"].items())
        elif "feed" in spec:
            yield name, spec


def land(system: str, source: str, folder: Path, repack: Packing | None = None) -> None:
    """Put the files of one landing folder of an ``export.yml`` into a landing folder."""
    spec = said_of(system)[source]
    folder.mkdir(parents=True)
    if "settings" in spec:
        (folder / "source.yml").write_text(yaml.safe_dump(spec["settings"], allow_unicode=True), "utf-8")
    for name, how in spec["files"].items():
        packing = repack(name, how) if repack else how
        landed, content = packing.get("name", name), _packed(FOLDER / system, packing)
        if "archive" in packing:
            with zipfile.ZipFile(folder / packing["archive"], "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(zipfile.ZipInfo(landed), content)
        else:
            (folder / landed).write_bytes(content)


def land_western(system: str, folder: Path) -> None:
    """Put the files beside an ``expected.yml`` into a landing folder."""
    said = said_of_western(system)
    encodings = said.get("encoding", {})

    def content(file: Path, name: str) -> bytes:
        return file.read_text(encoding="utf-8").encode(encodings[name]) if name in encodings else file.read_bytes()

    folder.mkdir(parents=True)
    (folder / "source.yml").write_text(yaml.safe_dump(said["source"], allow_unicode=True), encoding="utf-8")
    for entry in sorted((FOLDER / system).iterdir()):
        if entry.is_dir():
            with zipfile.ZipFile(folder / entry.name, "w", zipfile.ZIP_DEFLATED) as archive:
                for member in sorted(entry.iterdir()):
                    info = zipfile.ZipInfo(member.name, _ARCHIVED)
                    archive.writestr(info, content(member, f"{entry.name}#{member.name}"))
        elif entry.name != _EXPECTED:
            (folder / entry.name).write_bytes(content(entry, entry.name))


def _packed(folder: Path, how: Mapping[str, Any]) -> bytes:
    """The bytes that a system would have written."""
    text = (folder / how["made_of"]).read_bytes().decode("utf-8")
    if how["made_of"].endswith(".sheet.yml"):
        sheets = yaml.safe_load(text)
        return _text(_saved_as_csv(sheets), how) if how.get("as") == "csv" else _workbook(sheets)
    if how.get("as") == "xlsx":
        return _workbook([{"sheet": "Sheet1", "rows": csv.reader(io.StringIO(text))}])
    return _text(text, how)


def _text(text: str, how: Mapping[str, Any]) -> bytes:
    """Text with Windows line ends and another encoding, where the system writes these."""
    return text.replace("\n", how.get("newline", "\n")).encode(how.get("encoding", "utf-8"))


def _workbook(sheets: Sequence[Mapping[str, Any]]) -> bytes:
    """A workbook whose cells keep the types they have in YAML."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for spec in sheets:
        sheet = book.create_sheet(spec["sheet"])
        for row in spec["rows"]:
            sheet.append(row)
        for cell in (cell for row in sheet for cell in row if isinstance(cell.value, str)):
            cell.data_type = "s"  # a text that begins like a formula is a text
        for cells in spec.get("merged", []):
            sheet.merge_cells(cells)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _saved_as_csv(sheets: Sequence[Mapping[str, Any]]) -> str:
    """What a spreadsheet writes when a workbook of one sheet is saved as text."""
    [spec] = sheets
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(spec["rows"])
    return target.getvalue()
