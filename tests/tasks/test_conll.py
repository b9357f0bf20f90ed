"""CoNLL files as they are found, and as they are written."""

import pytest

from emmental.common.errors import InputError
from emmental.tasks.conll import read_conll, write_conll

CONLL_2003 = """\
-DOCSTART- -X- O O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

-DOCSTART- -X- O O

Peter NNP B-NP B-PER


. . O O
"""


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "a.conll"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_sentences_of_columns(file):
    rows = list(read_conll(file(CONLL_2003)))
    assert [row.values["1"] for row in rows] == [["EU", "rejects"], ["Peter"], ["."]]
    assert [row.values["4"] for row in rows] == [["B-ORG", "O"], ["B-PER"], ["O"]]
    assert [row.place.rpartition(", ")[2] for row in rows] == ["line 3", "line 8", "line 11"]
    assert list(rows[0].values) == ["1", "2", "3", "4"]


def test_tabs_bring_words_with_blanks_and_line_ends_of_other_systems(file):
    (row,) = read_conll(file("\ufeffNew York\tB-LOC\r\nno\u00a0break \t O\r\n\r\n"))
    assert row.values == {"1": ["New York", "no\u00a0break"], "2": ["B-LOC", "O"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("EU O\nrejects\n", "line 2: 1 columns where the file's first word has 2"),
        ("EU O\n\na b c\n", "line 3: 3 columns where"),
        ("-DOCSTART- O\n\n\n", "no words in it"),
        ("", "no words in it"),
        (b"\xff\xfea O", "not UTF-8 text"),
    ],
)
def test_what_is_no_conll_file(file, content, said):
    with pytest.raises(InputError, match=said):
        list(read_conll(file(content)))


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list(read_conll(tmp_path / "a.conll"))


def test_what_is_written_is_read_again(tmp_path):
    texts = [(["New  York", "\t", "a\nb", '"'], ["B-LOC", "O", "O", "O"]), (["映画"], ["O"])]
    write_conll(tmp_path / "b.conll", texts)
    rows = [row.values for row in read_conll(tmp_path / "b.conll")]
    assert rows == [{"1": ["New York", "_", "a b", '"'], "2": ["B-LOC", "O", "O", "O"]}, {"1": ["映画"], "2": ["O"]}]
