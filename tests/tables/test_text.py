"""Text files: encodings, decimal marks, widths and sizes that are detected, bounded or refused."""

import gzip
import io

import numpy as np
import pytest

from affinet.tables import Encoding, read_table
from affinet.tables.cells import decimal_mark


@pytest.fixture
def write(tmp_path):
    """Writes bytes to a file and gives its path."""

    def to(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return to


# Encodings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "charset"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("latin-1", "latin-1"),
        ("utf-16", "utf-16"),
    ],
)
def test_the_encoding_is_detected(write, encoding, charset):
    table = read_table(write("näme,b\nMünchen,1\n".encode(encoding)))
    assert (table.names, table.texts("näme")) == (["näme", "b"], ["München"])
    assert table.charset == charset


def test_windows_characters_make_it_cp1252(write):
    table = read_table(write("price\n5 €\n".encode("cp1252")))
    assert (table.texts("price"), table.charset) == (["5 €"], "cp1252")


def test_the_encoding_may_be_given(write):
    path = write("a\nŁódź\n".encode("cp1250"))
    table = read_table(path, encoding="cp1250")
    assert (table.texts("a"), table.charset) == (["Łódź"], "cp1250")
    with pytest.raises(ValueError, match=r"'utf-9' is unknown \(--encoding\)"):
        read_table(path, encoding="utf-9")


@pytest.mark.parametrize("content", [b"a\n\xff\x00\x01\n", b"\x7fELF\x02\x01", b"a\x00b\n1\n"])
def test_what_is_not_text_is_refused(write, content):
    with pytest.raises(ValueError, match=r"data\.csv: .*control character"):
        read_table(write(content))


# Decimal marks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "mark"),
    [
        ([["1,5", "2"]], ","),
        ([["0,500", "2"]], ","),
        ([["1500,25"], ["a"]], ","),
        ([["?", "1,5"], ["7", "8"]], ","),
        ([["1,500", "2,250"]], "."),  # a thousand and a half, or one and a half
        ([["1,5", "2"], ["2.5", "1"]], "."),
        ([["1,5", "x"]], "."),
        ([["1", "2"]], "."),
        ([["1,2,3"]], "."),
        ([["01.02.2024"], ["1,5"]], ","),
        ([["1e3", "2,5e-1"]], ","),
    ],
)
def test_the_decimal_mark_is_detected(columns, mark):
    assert decimal_mark(columns) == mark


def test_numbers_in_another_notation_never_become_categories(write):
    for cells, shown in ((["1,500", "2,250"], "1,500"), (["1.234,5", "2.000,5"], "1.234,5")):
        text = "a;t\n" + "".join(f"{cell};{place}.5\n" for place, cell in enumerate(cells * 5))
        table = read_table(write(text.encode()))
        with pytest.raises(ValueError, match=rf"'{shown}'.*--decimal ,.*--categorical a") as error:
            Encoding.fit(table, "t")
        assert "\n" not in str(error.value)
        assert Encoding.fit(table, "t", categorical=["a"]).width == 2


def test_the_encoding_of_a_table_remembers_both(write):
    text = "ort;a;t\n" + "".join(f"Köln;{place},5;{place},25\n" for place in range(6))
    encoding = Encoding.fit(read_table(write(text.encode("latin-1"))), "t")
    assert (encoding.decimal, encoding.charset) == (",", "latin-1")
    again = Encoding.from_json(encoding.to_json())
    assert again == encoding
    record = encoding.to_json()
    for name, value in (("decimal", ";"), ("charset", 3)):
        with pytest.raises(ValueError, match=name):
            Encoding.from_json({**record, name: value})


def test_a_record_of_before_has_points():
    table = read_table(io.BytesIO(b"a,t\n1,0.5\n2,1\n"))
    record = Encoding.fit(table, "t").to_json()
    del record["decimal"], record["charset"]
    encoding = Encoding.from_json(record)
    assert (encoding.decimal, encoding.charset) == (".", None)


def test_a_file_of_targets_has_its_own_decimal_mark(write):
    inputs = write(b"a\n1.5\n2.5\n")
    targets = write(b"t\n0,5\n1,25\n", "t.csv")
    table = read_table(inputs, target_file=targets, delimiter=";")
    assert table.numbers("t").tolist() == [0.5, 1.25]
    assert table.numbers("a").tolist() == [1.5, 2.5]


def test_the_hint_names_the_mark(write):
    table = read_table(write(b"a;b\n1.5;1\n2,5;1\n"))
    with pytest.raises(ValueError, match=r"'2,5' is not a number, .*--decimal ,.*--categorical a"):
        Encoding.fit(table, "b")


# Sizes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_twenty_thousand_columns(write, delimiter):
    names = [f"gene{place:05d}" for place in range(20_000)]
    lines = [names, ["1.5"] * 20_000, ["2.5"] * 20_000]
    path = write("".join(delimiter.join(line) + "\n" for line in lines).encode())
    table = read_table(path)
    assert table.names == names
    assert table.numbers("gene19999").tolist() == [1.5, 2.5]


def test_the_first_line_may_be_longer_than_the_sample(write, monkeypatch):
    monkeypatch.setattr("affinet.tables.text.SAMPLE_BYTES", 8)
    assert read_table(write(b"first;second\n1;2\n")).names == ["first", "second"]
    assert read_table(write(b"a;b\n1;2\n3;4\n5;6\n")).names == ["a", "b"]


def test_cells_of_many_chunks_stay_in_order(write, monkeypatch):
    monkeypatch.setattr("affinet.tables.text.CHUNK", 7)
    text = "a,b\n" + "".join(f"{place},x{place}\n" for place in range(100))
    table = read_table(write(text.encode()))
    assert table.numbers("a").tolist() == list(range(100))
    assert table.texts("b")[-1] == "x99"
    assert table.place(99, "a").endswith("line 101, column 'a'")


def test_a_packed_file_is_unpacked_up_to_a_limit(write):
    path = write(gzip.compress(b"a,b\n" + b"1,2\n" * 50_000), "data.csv.gz")
    assert len(read_table(path)) == 50_000
    assert len(read_table(path, max_bytes=200_004)) == 50_000
    with pytest.raises(ValueError, match=r"data\.csv\.gz: unpacked, it is larger .*--max-size"):
        read_table(path, max_bytes=200_003)


def test_the_limit_follows_from_the_size(monkeypatch, write):
    monkeypatch.setattr("affinet.tables.text.ALWAYS_ALLOWED", 1000)
    content = b"a\n" + b"1\n" * 100_000
    path = write(gzip.compress(content), "data.csv.gz")
    assert len(content) > 100 * path.stat().st_size
    with pytest.raises(ValueError, match="max_bytes"):
        read_table(path)
    with pytest.raises(ValueError, match="max_bytes"):
        read_table(io.BytesIO(path.read_bytes()))
    np.savez_compressed(path.with_name("a.npz"), x=np.zeros((10_000, 8)))
    with pytest.raises(ValueError, match=r"array x\.npy is larger"):
        read_table(path.with_name("a.npz"))
    assert len(read_table(path.with_name("a.npz"), max_bytes=10**6)) == 10_000


def test_unpacking_stops_at_the_limit(write):
    """The memory that a bomb takes is that of the limit, not that of its content."""
    import tracemalloc

    path = write(gzip.compress(bytes(200_000_000), 1), "data.csv.gz")
    tracemalloc.start()
    with pytest.raises(ValueError, match="max_bytes"):
        read_table(path, max_bytes=10**6)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


# Open files --------------------------------------------------------------------------------------


def test_open_files_are_known_by_their_first_bytes():
    text = b"a,b\n1,2\n"
    for content in (text, gzip.compress(text)):
        assert read_table(io.BytesIO(content)).names == ["a", "b"]
    for save, options in ((np.save, {}), (np.savez, {})):
        file = io.BytesIO()
        save(file, np.arange(6).reshape(3, 2))
        file.seek(0)
        assert len(read_table(file, **options)) == 3
    with pytest.raises(ValueError, match="standard input: no rows"):
        read_table(io.BytesIO(b""))


def test_a_first_line_with_a_date_is_not_a_header(write):
    table = read_table(write("2024-01-31,Köln\n2024-02-01,Bonn\n".encode()))
    assert (table.named, len(table)) == (False, 2)
    assert read_table(write(b"day,town\n2024-02-01,Bonn\n")).named
