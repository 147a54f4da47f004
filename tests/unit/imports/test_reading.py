"""CSV files as people have them: what is read, and what is reported instead of read."""

from pathlib import Path

import pytest

from crm_api.imports.reading import (
    MAX_LINE,
    BrokenRecord,
    CsvFile,
    Record,
    UnreadableFile,
    open_csv,
)


@pytest.fixture
def write(tmp_path: Path) -> "Write":
    return Write(tmp_path / "list.csv")


class Write:
    """Puts bytes into a file and opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, content: str | bytes, encoding: str = "utf-8") -> CsvFile:
        raw = content if isinstance(content, bytes) else content.encode(encoding)
        self.path.write_bytes(raw)
        return open_csv(self.path)


def cells(file: CsvFile) -> list[list[str]]:
    return [record.cells for record in file.records() if isinstance(record, Record)]


def broken(file: CsvFile) -> list[tuple[int, int, str]]:
    return [
        (record.number, record.line, record.code)
        for record in file.records()
        if isinstance(record, BrokenRecord)
    ]


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("cp1252", "cp1252"), ("utf-16", "utf-16")],
)
def test_encoding_is_found_and_told(write: Write, encoding: str, found: str) -> None:
    file = write("name,city\nCafé Zoë,Kampala\n", encoding)
    assert (file.encoding, file.header) == (found, ["name", "city"])
    assert cells(file) == [["Café Zoë", "Kampala"]]


def test_bytes_that_no_encoding_knows_are_kept_apart_from_text(write: Write) -> None:
    file = write(b"name\nM\xfcller \x81\n")
    assert file.encoding == "cp1252"
    assert cells(file) == [["Müller \udc81"]]


def test_broken_byte_of_a_marked_file_breaks_its_row_alone(write: Write) -> None:
    """Read as another encoding, the mark would stick to the first column and garble every name."""
    file = write(b"\xef\xbb\xbfref,name\n1,Caf\xc3\xa9\n2,M\xe9chant\n")
    assert (file.encoding, file.header) == ("utf-8-sig", ["ref", "name"])
    assert cells(file) == [["1", "Café"], ["2", "M\udce9chant"]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_separator_is_found_by_the_rows_that_it_makes_even(write: Write, delimiter: str) -> None:
    rows = [["name", "note"], ["A, B; C", "x|y"], ["D", "one, two; three"]]
    quoted = [delimiter.join(f'"{cell}"' for cell in row) for row in rows]
    file = write("\n".join(quoted) + "\n")
    assert file.delimiter == delimiter
    assert cells(file) == rows[1:]


def test_one_column_is_a_list_too(write: Write) -> None:
    file = write("name\nKampala Coffee, Ltd\n")
    assert file.header == ["name"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system_are_read(write: Write, end: str) -> None:
    file = write(end.join(["name,city", '"two', 'lines",Jinja', "A,B"]))
    assert cells(file) == [[f"two{end}lines", "Jinja"], ["A", "B"]]
    assert [r.line for r in file.records()] == [2, 4]


def test_rows_without_content_are_counted_and_take_no_number(write: Write) -> None:
    file = write("name,city\nA,x\n\n , \n,,\nB,y\n")
    assert [r.number for r in file.records()] == [1, 2]
    assert file.empty == 3


def test_nul_and_other_control_characters_are_left_to_the_fields(write: Write) -> None:
    assert cells(write("name,city\nA\0B,\x07\n")) == [["A\0B", "\x07"]]


def test_quotation_marks_inside_plain_cells_are_text(write: Write) -> None:
    file = write('name,city\nJoe "Bob" Smith,5" pipe\n"said ""hi""",x\n')
    assert cells(file) == [['Joe "Bob" Smith', '5" pipe'], ['said "hi"', "x"]]


def test_a_broken_row_is_reported_and_its_followers_are_read(write: Write) -> None:
    file = write('name,city\nA,x\n"bro"ken,y\nB,z\n"never closed,y\nC,z\nD,z\n')
    assert broken(file) == [(2, 3, "malformed_quotes"), (4, 5, "malformed_quotes")]
    assert cells(file) == [["A", "x"], ["B", "z"], ["C", "z"], ["D", "z"]]


def test_a_cell_without_end_does_not_swallow_the_rest(write: Write) -> None:
    rows = "\n".join(f"row {n},{'x' * 100}" for n in range(3000))
    file = write(f'name,city\n"never closed,y\n{rows}\n')
    assert broken(file) == [(1, 2, "cell_too_long")]
    assert len(cells(file)) == 3000


def test_a_line_beyond_all_bounds_is_reported_once(write: Write) -> None:
    file = write("name,city\nA,x\n" + "L" * (3 * MAX_LINE) + "\nB,y\n")
    assert broken(file) == [(2, 3, "line_too_long")]
    assert cells(file) == [["A", "x"], ["B", "y"]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"PK\x03\x04rest of a workbook", "workbook"),
        (b"%PDF-1.7", "PDF"),
        (b'"name,city\n', "column names is broken"),
        (b"\xff\xfea", "UTF-16"),
        ((",".join(f"c{n}" for n in range(1001)) + "\n").encode(), "more than 1000 columns"),
    ],
)
def test_what_is_no_list_is_refused_in_words(write: Write, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        write(content)


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        open_csv(tmp_path / "nowhere.csv")
    with pytest.raises(UnreadableFile, match="cannot be read"):
        open_csv(tmp_path)
