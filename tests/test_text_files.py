"""Tables of numbers as programs write them: read where there is one meaning, refused in a sentence else."""

import codecs

import numpy as np
import pytest

from feature_eos.commands.text_files import table_of, text_of

NUMBERS = np.array([[1.5, -2.0], [0.25, 3e-5]])
READ = {
    "commas": "1.5,-2\n0.25,3e-5\n",
    "without the last end of line": "1.5,-2\n0.25,3e-5",
    "Windows": "1.5,-2\r\n0.25,3e-5\r\n",
    "old Macintosh": "1.5,-2\r0.25,3e-5\r",
    "semicolons": "1.5;-2\n0.25;3e-5\n",
    "tabs": "1.5\t-2\n0.25\t3e-5\n",
    "spaces": "  1.5   -2\n0.25 3e-5 \n",
    "spaces beside commas": " 1.5 , -2\n0.25,  3e-5  \n",
    "heading": "height,weight\n1.5,-2\n0.25,3e-5\n",
    "heading with another separator": "a; b\n1.5;-2\n0.25;3e-5\n",
    "heading in quotes": '"a, b";"c"\n1.5;-2\n0.25;3e-5\n',
    "heading in another language": "größe,μ\n1.5,-2\n0.25,3e-5\n",
    "quotes": '"1.5","-2"\n"0.25","3e-5"\n',
    "decimal commas": "1,5;-2\n0,25;3e-5\n",
    "decimal commas and tabs": "1,5\t-2,0\n0,25\t3e-5\n",
    "decimal commas in quotes": '"1,5","-2"\n"0,25","3e-5"\n',
    "decimal commas below a heading": "x;y\n1,5;-2\n0,25;3e-5\n",
    "separator at the end": "1.5,-2,\n0.25,3e-5,\n",
    "separator at the end, not of the heading": "a;b\n1.5;-2;\n0.25;3e-5;\n",
    "separator at the end of the heading too": "a;b;\n1.5;-2;\n0.25;3e-5;\n",
    "blank lines": "\n1.5,-2\n\n   \n0.25,3e-5\n\n\n",
    "comments": "# made today, by hand\n1.5,-2 # the first\n0.25,3e-5\n#,end\n",
    "a # in quotes": '"#1","#2"\n1.5,-2\n0.25,3e-5\n',
    "sep=": "sep=;\n1.5;-2\n0.25;3e-5\n",
}


@pytest.fixture
def file(tmp_path):
    def written(content):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_one_meaning(file, text):
    np.testing.assert_array_equal(table_of(file(text)), NUMBERS)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(file, encoding):
    np.testing.assert_array_equal(table_of(file("größe;b\r\n1,5;-2\r\n0,25;3e-5".encode(encoding))), NUMBERS)
    assert text_of(file("α".encode(encoding))) == "α"
    assert text_of(file(codecs.BOM_UTF16_BE + "α".encode("utf-16-be"))) == "α"


def test_one_column_and_one_row(file):
    np.testing.assert_array_equal(table_of(file("1\n2\n3\n")), [[1], [2], [3]])
    np.testing.assert_array_equal(
        table_of(file("1,5\n")), [[1, 5]]
    )  # a comma separates where nothing else does
    np.testing.assert_array_equal(table_of(file("y, in metres\n1\n2.5\n")), [[1], [2.5]])
    np.testing.assert_array_equal(table_of(file("1,5\n2,7\n")), [[1, 5], [2, 7]])


def test_infinity_and_nan_are_numbers_that_others_refuse(file):
    np.testing.assert_array_equal(table_of(file("inf,-Infinity\nNaN,1\n")), [[np.inf, -np.inf], [np.nan, 1]])


REFUSED = {
    "nothing": ("", "is empty"),
    "blank lines alone": ("\n  \n# a comment\n", "is empty"),
    "a byte order mark alone": (codecs.BOM_UTF8, "is empty"),
    "a heading alone": ("a,b\n", "only the heading in line 1"),
    "words": ("a,b\n1,2\n3,x\n", "line 3: 'x' in column 2 is no number"),
    "two lines of heading": ("a,b\ncm,kg\n1,2\n", "line 2: 'cm' in column 1"),
    "a name beside numbers": ("a,1\n2,3\n", "line 1: 'a' in column 1"),
    "a missing cell": ("a,b\n1,\n2,3\n", "line 2: column 2 is empty"),
    "a missing value": ("1,NA\n2,3\n", "line 1: 'NA' in column 2"),
    "rows of two lengths": ("1,2\n3\n", "line 2 has 1 cells, but line 1 has 2"),
    "rows of three lengths": ("1\n3,4\n2,7\n", "line 2 has 2 cells, but line 1 has 1"),
    "amounts": ("1,234,567;2\n3;4\n", "'1,234,567' may stand between thousands"),
    "dates": ("2024-01-01;2\n2024-01-02;4\n", "'2024-01-01' in column 1"),
    "numbers of Python": ("1_000,2\n3,4\n", "'1_000' in column 1"),
    "numbers of a language": ("١,2\n3,4\n", "'١' in column 1"),
    "numbered rows": (",a,b\n0,1.5,2\n1,2.5,3\n", r"first column has no name.*index=False"),
    "numbered rows and columns": (",0,1\n0,1.5,2\n1,2.5,3\n", r"first column has no name"),
    "numbered rows read back": ("Unnamed: 0,a\n0,1.5\n1,2.5\n", r"first column has no name"),
    "numbered rows without a heading of theirs": ("a b\n1 1.5 2\n2 2.5 3\n", "2 headings for 3 columns"),
    "numbered columns": ("0,1,2\n.5,1.5,2\n3,4,5\n", r"line 1 may be the columns' numbers.*header=False"),
    "comma and point": ("1,5;2.5\n", "'1,5' has a comma where '2.5' has a point"),
    "thousands and decimals": ('"1.234,5";2\n', "'1.234,5' has a comma where '1.234,5' has a point"),
    "thousands or decimals": ("1,234;2\n", "the comma in '1,234' may stand between thousands"),
    "two commas": ("1,234,5;2\n", "'1,234,5' in column 1 is no number"),
    "an open quote": ('"1,2\n3,4\n', "line 1:"),
    "Latin-1": ("größe\n1\n".encode("latin-1"), "not UTF-8 text"),
    "bytes": (bytes(range(32)), "not text"),
    "half a UTF-16": (codecs.BOM_UTF16_LE + b"1", "not UTF-8 text|not text"),
    "a long word": ("a\n" + 100 * "x" + "\n", r"line 2: 'x{30}\.\.\.' in column 1"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_no_meaning_or_two(file, text, reason):
    with pytest.raises(ValueError, match=rf"table\.csv: .*({reason})") as refused:
        table_of(file(text))
    assert "\n" not in str(refused.value)
    assert str(refused.value).count("table.csv") == 1


def test_what_numpy_writes_is_read(file, tmp_path):
    table = np.random.default_rng(0).standard_normal((5, 3))
    for options in ({}, {"delimiter": ","}, {"delimiter": "\t", "header": "a b c"}, {"delimiter": ";"}):
        np.savetxt(tmp_path / "t.csv", table, **options)
        np.testing.assert_array_equal(table_of(tmp_path / "t.csv"), table)


def test_what_pandas_writes_without_its_index_is_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(np.random.default_rng(0).standard_normal((5, 3)), columns=["a", "b", "c"])
    for options in (
        {},
        {"sep": ";", "decimal": ","},
        {"header": False},
        {"encoding": "utf-8-sig"},
        {"sep": "\t"},
    ):
        table.to_csv(tmp_path / "t.csv", index=False, **options)
        np.testing.assert_array_equal(table_of(tmp_path / "t.csv"), table.to_numpy())
    table.to_csv(tmp_path / "t.csv")
    with pytest.raises(ValueError, match="index=False"):
        table_of(tmp_path / "t.csv")
