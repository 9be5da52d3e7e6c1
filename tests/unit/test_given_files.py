"""A file that a person gives: what is wrong with it is a sentence that names it, no traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ops_local.description.file import read as read_deployment
from ops_local.feeds.lists import read_list
from ops_local.ticker_files import read_csv, read_sec
from ops_pipeline.errors import InvalidInput

DEEP = "[" * 100_000
HUGE = "9" * 5_000


@pytest.mark.parametrize(
    ("read", "name", "content"),
    [
        (read_deployment, "ops.toml", b'a = "\xf6"'),
        (read_deployment, "ops.toml", b"\xff\xfe\x00"),
        (read_deployment, "ops.toml", f"x = {HUGE}".encode()),
        (read_deployment, "ops.toml", f"x = {DEEP}".encode()),
        (read_deployment, "ops.toml", b"x = 1\n" * 200_000),
        (read_sec, "a.json", b'{"a": "\xf6"}'),
        (read_sec, "a.json", DEEP.encode()),
        (read_sec, "a.json", f"[{HUGE}]".encode()),
        (read_csv, "a.csv", b"ticker,name\nX,\xf6\n"),
        (read_csv, "a.csv", f"ticker,name\nX,{'y' * 200_000}\n".encode()),
        (read_csv, "a.csv", b"ticker,name,name\nX,Y,Z\n"),
        (read_list, "a.csv", b"url,source\nhttps://example.com/x,\xf6\n"),
        (read_list, "a.csv", f"url,source\nhttps://example.com,{'y' * 200_000}\n".encode()),
        (read_list, "a.csv", b"url,source,url\nhttps://example.com,Y,Z\n"),
    ],
)
def test_an_odd_file_is_refused_in_words_with_its_name(
    tmp_path: Path, read: Callable[[Path], object], name: str, content: bytes
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=name):
        read(file)


@pytest.mark.parametrize("read", [read_list, read_sec], ids=lambda it: it.__name__)
def test_what_never_ends_is_not_read_to_its_end(read: Callable[[Path], object]) -> None:
    with pytest.raises(InvalidInput, match="/dev/zero is longer than"):
        read(Path("/dev/zero"))


def test_the_mark_that_editors_put_before_a_text_is_none_of_it(tmp_path: Path) -> None:
    file = tmp_path / "ops.toml"
    file.write_bytes(b'\xef\xbb\xbfstrategy = "news"\n')
    assert read_deployment(file) == {"strategy": "news"}
