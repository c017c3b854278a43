"""Tables from files: delimiters, headers, quotes, damage and missing values."""

import gzip

import numpy as np
import pytest

from affinet.tables import Table, read_table


@pytest.fixture
def csv(tmp_path):
    """Writes text to a file and reads it as a table."""

    def read(text, name="data.csv", **options):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return read_table(path, **options)

    return read


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.txt", "a.csv.gz"])
def test_names_and_cells(csv, delimiter, end, name):
    lines = [["age", "city"], ["31", "Oslo"], ["4", " Rome "]]
    table = csv(end.join(delimiter.join(cells) for cells in lines) + end, name)
    assert (table.names, table.named, len(table)) == (["age", "city"], True, 2)
    assert table.numbers("age").tolist() == [31.0, 4.0]
    assert table.texts("city") == ["Oslo", "Rome"]
    assert table.place(1, "city").endswith("line 3, column 'city'")


def test_quoted_cells_hold_delimiters_quotes_and_line_breaks(csv):
    table = csv('a,b\n"x, y",1\n"say ""hi""",2\n"two\nlines",3\n')
    assert table.texts("a") == ["x, y", 'say "hi"', "two\nlines"]
    assert table.place(2, "b").endswith("line 5, column 'b'")


def test_a_quote_that_does_not_end_is_refused(csv):
    with pytest.raises(ValueError, match=r"data\.csv"):
        csv('a,b\n"x,1\ny,2\n')


def test_semicolons_win_over_decimal_commas(csv):
    table = csv("a;b\n1,5;2\n3,5;4\n", decimal=",")
    assert table.numbers("a").tolist() == [1.5, 3.5]
    assert csv("a;b\n1,5;2\n", decimal=".").kind("a") == "text"


def test_a_point_is_no_decimal_mark_beside_commas(csv):
    """1.500 may be a thousand and a half."""
    with pytest.raises(ValueError, match=r"'1\.500' is not a number"):
        csv("a;b\n1.500;2\n2,5;1\n", decimal=",").numbers("a")


def test_commas_win_over_semicolons_inside_some_cells(csv):
    assert csv("a,b\n1;2,x\n3,y\n").names == ["a", "b"]


def test_the_delimiter_may_be_given(csv):
    assert csv("a|b\n1|2\n", delimiter="|").names == ["a", "b"]
    assert csv("a  b\n1 2\n", delimiter=" ").numbers("b").tolist() == [2.0]


@pytest.mark.parametrize(
    ("first", "named"),
    [
        ("a,b", True),
        (",b", True),  # a column of row numbers often has no name
        ("1,b", False),
        ("a,a", False),
        ("?,NA", False),
        ("-1e3,.5", False),
        ("1_000,b", True),
    ],
)
def test_a_first_line_of_different_texts_is_a_header(csv, first, named):
    table = csv(f"{first}\n1,2\n")
    assert table.named is named
    assert len(table) == (1 if named else 2)
    if not named:
        assert table.names == ["column 1", "column 2"]


def test_whether_there_is_a_header_may_be_said(csv):
    assert len(csv("a,b\nc,d\n", header=False)) == 2
    assert csv("1,2\n3,4\n", header=True).names == ["1", "2"]
    with pytest.raises(ValueError, match="two columns have the name 'a'"):
        csv("a,a\n1,2\n", header=True)


def test_expected_names_make_a_header(csv):
    assert csv("2019,2020\n1,2\n", expected=["2020"]).named
    assert not csv("2019,2020\n1,2\n", expected=["2021"]).named


def test_a_column_without_a_name_is_named_by_its_place(csv):
    assert csv(",b\n1,2\n").names == ["column 1", "b"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no rows"),
        ("\n\n", "no rows"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n3\n", "line 3 has 1 columns, wanted 2"),
        ("a,b\n1,2\n\n1,2,3\n", "line 4 has 3 columns, wanted 2"),
    ],
)
def test_what_is_no_table_is_refused_by_name(csv, text, problem):
    with pytest.raises(ValueError, match=rf"data\.csv: {problem}"):
        csv(text)


def test_text_in_another_encoding_than_the_given_one_is_refused_by_name(tmp_path):
    (tmp_path / "latin.csv").write_bytes("a\nMünchen\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.csv: not text in the encoding 'utf-8'"):
        read_table(tmp_path / "latin.csv", encoding="utf-8")


@pytest.mark.parametrize("cell", ["", "?", "NA", "n/a", "NaN", "null", "  "])
def test_missing_cells(csv, cell):
    table = csv(f"a,b,c\n1,x,1\n{cell},{cell},2\n")
    assert np.isnan(table.numbers("a")).tolist() == [False, True]
    assert table.texts("b") == ["x", ""]
    assert (table.kind("a"), table.kind("b")) == ("number", "text")


@pytest.mark.parametrize("cell", ["one", "1_0", "1,0", "0x1"])
def test_what_is_no_number_is_named(cell):
    table = Table("t.csv", {"a": ["1", cell]}, lines=[7, 8])
    assert table.kind("a") == "mixed"
    with pytest.raises(ValueError, match=rf"t\.csv: line 8, column 'a': '{cell}' is not a number"):
        table.numbers("a")


@pytest.mark.parametrize("cells", [["1", "inf"], np.array([1.0, -np.inf])])
def test_infinite_numbers_are_refused(cells):
    with pytest.raises(ValueError, match="wanted a finite number"):
        Table("t", {"a": cells}).numbers("a")


@pytest.mark.parametrize(
    ("column", "name"), [("b", "b"), ("2", "b"), ("-1", "3"), ("3", "3"), ("1", "a")]
)
def test_columns_are_found_by_name_and_else_by_place(column, name):
    table = Table("t", {"a": ["1"], "b": ["1"], "3": ["1"]})
    assert table.resolve(column) == name


@pytest.mark.parametrize("column", ["c", "0", "4", "-4", "1.0", ""])
def test_unknown_columns_are_refused(column):
    table = Table("t", {"a": ["1"], "b": ["1"], "3": ["1"]})
    with pytest.raises(ValueError, match="its columns are a, b, 3"):
        table.resolve(column)


# Arrays ------------------------------------------------------------------------------------------


def test_an_npy_is_a_table_of_its_columns(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(6).reshape(3, 2))
    table = read_table(tmp_path / "a.npy", target="-1")
    assert (table.names, table.named, table.target) == (["column 1", "column 2"], False, "column 2")
    assert table.numbers("column 2").tolist() == [1.0, 3.0, 5.0]


def test_an_npz_has_inputs_and_targets(tmp_path):
    x = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    np.savez(tmp_path / "a.npz", x=x, t=np.array(["a", "b", "a"]), w=np.zeros(7))
    table = read_table(tmp_path / "a.npz", target="t")
    assert (len(table.names), table.target, table.row_shape) == (5, "t", (2, 2))
    assert table.texts("t") == ["a", "b", "a"]
    assert table.numbers("column 4").tolist() == [3.0, 7.0, 11.0]
    assert len(read_table(tmp_path / "a.npz").names) == 4
    assert len(read_table(tmp_path / "a.npz", inputs="w").names) == 1
    with pytest.raises(ValueError, match=r"a\.npz: no array 'y'"):
        read_table(tmp_path / "a.npz", target="y")
    with pytest.raises(ValueError, match=r"a\.npz: arrays x, t, w, wanted z"):
        read_table(tmp_path / "a.npz", inputs="z")
    with pytest.raises(ValueError, match=r"7 targets for the 3 rows"):
        read_table(tmp_path / "a.npz", target="w")


@pytest.mark.parametrize("shape", [(3, 2), ()])
def test_targets_of_another_shape_are_refused(tmp_path, shape):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 1)), t=np.zeros(shape))
    with pytest.raises(ValueError, match="'t' has shape"):
        read_table(tmp_path / "a.npz", target="t")


def test_a_file_of_targets(csv, tmp_path):
    np.save(tmp_path / "t.npy", np.array([[1.5], [2.5]]))
    table = csv("target,b\n1,2\n3,4\n", target_file=tmp_path / "t.npy")
    assert table.numbers(table.target).tolist() == [1.5, 2.5]
    assert table.numbers("target").tolist() == [1.0, 3.0]
    (tmp_path / "t.csv").write_text("price\n5\n6\n")
    assert csv("a,b\n1,2\n3,4\n", target_file=tmp_path / "t.csv").target == "price"
    with pytest.raises(ValueError, match="2 targets for the 1 rows"):
        csv("a,b\n1,2\n", target_file=tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    with pytest.raises(ValueError, match="2 columns, wanted one"):
        csv("a,b\n1,2\n3,4\n", target_file=tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.npz", b"no"), ("a.npy", b""), ("a.csv.gz", b"a,b\n1,2\n"), ("a.json", b"{}")],
)
def test_damaged_and_unknown_files_are_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        read_table(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "gone.csv")
