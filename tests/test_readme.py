"""What the README shows of the quickstart is one run: its table, and the picture it drew."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = re.search(r"^```\n( +RMSE +R2\n.*?)\n```$", README, re.MULTILINE | re.DOTALL).group(1)


def texts_of_png(data):
    """The texts that a PNG carries, by their keys."""
    texts, start = {}, 8
    while start < len(data):
        length, kind = int.from_bytes(data[start : start + 4]), data[start + 4 : start + 8]
        if kind == b"tEXt":
            key, _, text = data[start + 8 : start + 8 + length].partition(b"\0")
            texts[key.decode("latin-1")] = text.decode("latin-1")
        start += length + 12
    return texts


def test_the_picture_has_the_numbers_of_the_table():
    picture = (ROOT / "docs" / "images" / "quickstart.png").read_bytes()
    assert texts_of_png(picture)["Description"] == TABLE


@pytest.mark.parametrize(
    ("changed", "agrees"),
    [
        (TABLE, True),
        (TABLE.replace("persistence   45.52", "persistence   45.53"), True),
        (TABLE.replace("persistence   45.52", "persistence   45.72"), False),
        (re.sub(r"from \S+ to \S+", "from 7.00 to 9.99", TABLE), True),
        (re.sub(r"from \S+ to \S+", "from 9.00 to 9.99", TABLE), False),
        (re.sub(r"from \S+ to \S+", "from 1.00 to 2.00", TABLE), False),
        (TABLE.replace("Ridge", "ridge"), False),
    ],
)
def test_ci_compares_what_is_printed_with_the_readme(changed, agrees):
    differences = runpy.run_path(str(ROOT / ".ci" / "quoted.py"))["differences"]
    assert (list(differences("quickstart", changed)) == []) == agrees
