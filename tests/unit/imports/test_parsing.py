"""Files that mean harm, or only look so, are read by a process that may fail of them."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import xlsxwriter

from crm_api.imports.limits import MEBIBYTE, OF_UPLOADS, Limits
from crm_api.imports.parsing import BrokenReader, parsed
from crm_api.imports.reading import BrokenRecord, Record, UnreadableFile

Write = Callable[[str, bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return written


def rows_of(path: Path, limits: Limits = OF_UPLOADS) -> list[Record | BrokenRecord]:
    with parsed(path, path.name, limits) as found:
        records = list(found.records())
        assert found.rows == len(records)
        return records


def refusal(path: Path, limits: Limits = OF_UPLOADS) -> tuple[str, str]:
    with pytest.raises(UnreadableFile) as caught:
        rows_of(path, limits)
    return caught.value.code, str(caught.value)


def workbook(*rows: Sequence[object], macros: bool = False) -> bytes:
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held)
    sheet = book.add_worksheet()
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    book.close()
    return with_entry(held.getvalue(), "xl/vbaProject.bin", b"x") if macros else held.getvalue()


def with_entry(content: bytes, name: str, data: bytes) -> bytes:
    """The archive with one entry more, or another one of this name."""
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(held, "w", 8) as new:
        for entry in old.infolist():
            if entry.filename != name:
                new.writestr(entry, old.read(entry))
        new.writestr(name, data)
    return held.getvalue()


def sheet_of(xml: str) -> bytes:
    head = '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/'
    head += 'spreadsheetml/2006/main">'
    text = f"{head}{xml}</worksheet>"
    return with_entry(workbook(["name"]), "xl/worksheets/sheet1.xml", text.encode())


# --------------------------------------------------------------------------------- what is read


def test_rows_come_whole_and_in_order(write: Write) -> None:
    lines = [f'"Client, {n}","first\nsecond {n}"' for n in range(1, 2500)]
    path = write("x.csv", ("name,remarks\n" + "\n".join(lines)).encode())
    found = rows_of(path)
    assert [record.number for record in found] == list(range(1, 2500))
    last = found[-1]
    assert isinstance(last, Record)
    assert (last.line, last.cells) == (4998, ["Client, 2499", "first\nsecond 2499"])


def test_cells_of_a_workbook_are_what_one_would_have_typed(write: Write) -> None:
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held, {"default_date_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["a", "b", "c", "d", "e", "f"])
    sheet.write_row(2, 1, [3.0, 0.1, True, 2**40])
    sheet.write_string(2, 0, "=x")
    sheet.write_formula(2, 5, "=1+1", None, 2)
    sheet.write_string(3, 0, "+256772123456")
    book.close()
    first, second = rows_of(write("x.xlsx", held.getvalue()))
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert first.cells == ["=x", "3", "0.1", "true", "1099511627776", "2"]
    assert (first.number, first.line, second.number, second.line) == (1, 3, 2, 4)
    assert second.cells[0] == "+256772123456"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_usual_encodings_are_found(write: Write, encoding: str) -> None:
    path = write("x.csv", "name,city\r\nCafé Zoë,Zürich\r\n".encode(encoding))
    (only,) = rows_of(path)
    assert isinstance(only, Record)
    assert only.cells == ["Café Zoë", "Zürich"]


def test_signs_before_formulas_are_taken_away_again(write: Write) -> None:
    (only,) = rows_of(write("x.csv", b"a,b,c\n'=1+1,'plain,''+2\n"))
    assert isinstance(only, Record)
    assert only.cells == ["=1+1", "'plain", "'+2"]


# ------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", b"", "empty"),
        ("x.csv", b"\n\n \n", "empty"),
        ("x.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 600, "password-protected"),
        ("x.pdf", b"%PDF-1.7", "PDF"),
        ("x.csv.gz", b"\x1f\x8b\x08\0", "compressed"),
        ("x.bin", bytes(range(256)) * 40, "no text"),
        ("x.csv", b"\xff\xfea\0,\0b\0\n\0c", "UTF-16"),
        ("x.csv", b"na\0me,b\n1,2\n", "no text"),
        ("x.csv", b",".join([b"c"] * 1001) + b"\n1\n", "columns"),
        ("x.zip", b"PK\x03\x04" + b"\0" * 60, "broken"),
        ("x.xlsx", workbook(["name"], ["x"])[:-40], "broken"),
        ("x.xlsx", with_entry(workbook(["a"]), "xl/workbook.xml", b"<no"), "broken"),
        ("x.xlsx", workbook(), "empty"),
        ("x.xlsm", workbook(["name"], ["x"], macros=True), "macros"),
        ("x.xlsx", workbook(["c"] * 1001), "columns"),
    ],
)
def test_what_is_no_list_is_refused_in_words(
    write: Write, name: str, content: bytes, words: str
) -> None:
    code, detail = refusal(write(name, content))
    assert code == "unreadable_file"
    assert words in detail
    assert name in detail


def test_an_archive_that_is_no_workbook_is_refused(write: Write) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("clients.csv", "name\nx\n")
    assert "no Excel workbook" in refusal(write("x.xlsx", held.getvalue()))[1]


def test_an_encrypted_archive_is_refused(write: Write) -> None:
    content = bytearray(workbook(["name"], ["x"]))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(mark, at + 4)
    assert "encrypted" in refusal(write("x.xlsx", bytes(content)))[1]


def test_a_bomb_is_refused_before_it_is_unpacked(write: Write) -> None:
    zeros = with_entry(workbook(["name"]), "xl/worksheets/sheet1.xml", b" " * (300 * MEBIBYTE))
    assert len(zeros) < MEBIBYTE
    assert "too large when unpacked" in refusal(write("x.xlsx", zeros))[1]


def test_many_entries_are_refused(write: Write) -> None:
    held = io.BytesIO(workbook(["name"]))
    with zipfile.ZipFile(held, "a") as archive:
        for n in range(2100):
            archive.writestr(f"x/{n}", b"")
    assert "too large when unpacked" in refusal(write("x.xlsx", held.getvalue()))[1]


# ----------------------------------------------------------------------- what claims to be large


def test_a_sheet_that_claims_three_million_rows_is_what_it_holds(write: Write) -> None:
    cells = '<row r="1"><c r="A1" t="str"><v>name</v></c></row>'
    cells += '<row r="2"><c r="A2" t="str"><v>Pearl</v></c></row>'
    claim = '<dimension ref="A1:XFD3000000"/><sheetData>'
    (only,) = rows_of(write("x.xlsx", sheet_of(f"{claim}{cells}</sheetData>")))
    assert isinstance(only, Record)
    assert only.cells == ["Pearl"]


def test_two_cells_far_apart_are_too_much_for_the_reader_alone(write: Write) -> None:
    """Their sheet would have seventeen thousand million cells."""
    cells = '<row r="1"><c r="A1" t="str"><v>name</v></c></row>'
    cells += '<row r="1048576"><c r="XFD1048576" t="str"><v>x</v></c></row>'
    path = write("x.xlsx", sheet_of(f"<sheetData>{cells}</sheetData>"))
    code, detail = refusal(path)
    assert code in ("unreadable_file", "file_too_complex")
    assert "CSV" in detail


def test_entities_are_not_expanded(write: Write) -> None:
    xml = sheet_of("<sheetData/>")
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    bomb += "".join(
        f'<!ENTITY b{n} "{"&a;" * 10 if n == 0 else f"&b{n - 1};" * 10}">' for n in range(9)
    )
    bomb += "]><worksheet><sheetData><row><c t='str'><v>&b8;</v></c></row></sheetData></worksheet>"
    path = write("x.xlsx", with_entry(xml, "xl/worksheets/sheet1.xml", bomb.encode()))
    with pytest.raises(UnreadableFile):
        rows_of(path)


def test_memory_is_limited(write: Write) -> None:
    path = write("x.xlsx", workbook(["name"], *([f"Client {n}"] * 40 for n in range(9000))))
    small = Limits(memory_bytes=48 * MEBIBYTE)
    code, detail = refusal(path, small)
    assert code == "file_too_complex"
    assert "Split it" in detail


def test_computing_time_is_limited(write: Write) -> None:
    path = write("x.csv", b"name\n" + b"x\n" * 8_000_000)
    code, detail = refusal(path, Limits(cpu_seconds=1, rows=None, answer_bytes=None))
    assert code == "file_too_complex"
    assert "too much memory or time" in detail


def test_a_reader_that_says_nothing_is_ended(write: Write) -> None:
    path = write("x.csv", b"name\n" + b"x\n" * 2_000_000)
    code, _ = refusal(path, Limits(pause_seconds=0.001))
    assert code == "file_too_complex"


def test_rows_and_their_length_are_limited(write: Write) -> None:
    path = write("x.csv", b"name\n" + b"x\n" * 11)
    assert len(rows_of(path, Limits(rows=11))) == 11
    assert refusal(path, Limits(rows=10)) == (
        "file_too_long", "At most 10 rows are imported at a time. Split the file.",
    )  # fmt: skip
    assert refusal(path, Limits(answer_bytes=100))[0] == "file_too_long"


def test_one_row_is_limited_and_the_next_is_read(write: Write) -> None:
    long = ",".join(["y" * 100_000] * 11)
    path = write("x.csv", f"{','.join('abcdefghijk')}\n{long}\nshort\n".encode())
    first, second = rows_of(path)
    assert isinstance(first, BrokenRecord)
    assert first.code in ("row_too_long", "line_too_long")
    assert isinstance(second, Record)


def test_a_quotation_that_is_never_closed_is_told(write: Write) -> None:
    found = rows_of(write("x.csv", b'name\nfirst\n"never closed\n' + b"x\n" * 100_000))
    assert isinstance(found[1], BrokenRecord)
    assert found[1].code in ("cell_too_long", "malformed_quotes")
    assert len(found) > 90_000


# ----------------------------------------------------------------------------- the process itself


def test_a_file_that_is_not_there_is_told() -> None:
    assert "No such file" in refusal(Path("/nowhere/list.csv"))[1]


def test_a_reader_that_never_began_is_no_fault_of_the_file(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("x.csv", b"name\nx\n")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(BrokenReader):
        rows_of(path)


def test_who_leaves_early_leaves_no_process(write: Write) -> None:
    path = write("x.csv", b"name\n" + b"x\n" * 1_000_000)
    with parsed(path, "x.csv", OF_UPLOADS) as found:
        next(found.records())
    listed = subprocess.run(["/bin/ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(path) not in listed.stdout


def test_the_reader_inherits_no_secret_and_makes_no_process(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs within is asked by a reader of our own in its place."""
    monkeypatch.setenv("CRM_SECRET_KEY", "zqsecret")
    path = write("x.csv", b"name\nx\n")
    spied = write("spy", b'#!/bin/sh\nenv > "$0.env"\n')
    spied.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(spied))
    with pytest.raises(BrokenReader):
        rows_of(path)
    names = {line.partition("=")[0] for line in Path(f"{spied}.env").read_text().splitlines()}
    assert names <= {"LC_ALL", "PWD", "SHLVL", "_", "OLDPWD"}
