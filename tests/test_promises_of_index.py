"""docs/index.md leads everywhere, and all code of the pages is run by some test."""

import re
from pathlib import Path

import sklstm
from sklstm import inspection, interop

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
INDEX = (DOCS / "index.md").read_text("utf-8")
PAGES = [
    ROOT / "README.md",
    *DOCS.glob("*.md"),
    *DOCS.glob("user_guide/*.md"),
]
# Blocks that are no doctests, which pytest runs by itself, and where they are run word by word.
RUN_BY = {
    "README.md": (2, ".ci/run"),
    "docs/extending.md": (12, "tests/test_extending.py"),
    "docs/user_guide/coming_from.md": (6, "tests/test_promises_of_coming_from.py"),
    "docs/user_guide/in_and_out.md": (11, "tests/test_promises_of_in_and_out.py"),
    "docs/user_guide/integration.md": (5, "tests/test_promises_of_integration.py"),
    "docs/user_guide/long_memory.md": (1, "tests/test_promises_of_long_memory.py"),
    "docs/user_guide/past_one_machine.md": (13, "tests/test_promises_of_past_one_machine.py"),
    "docs/user_guide/training.md": (2, "tests/test_promises_of_training.py"),
}


def test_every_page_is_listed_and_in_the_table_of_contents():
    pages = {str(page.relative_to(DOCS)) for page in PAGES[1:]} - {"index.md"}
    assert {*re.findall(r"\]\((\S+\.md)\)", INDEX)} == pages
    contents = INDEX.partition(":hidden:\n\n")[2].partition("```")[0].split()
    # The build makes the pages of the examples.
    assert {f"{name}.md" for name in contents} == pages | {"gallery/index.md"}


def test_the_examples_that_are_named_are_there():
    names = re.findall(r"\]\(gallery/(\w+)\.rst\)", INDEX)
    assert len(names) >= 4
    for name in set(names) - {"index"}:
        assert (ROOT / "examples" / f"{name}.py").exists()


def test_every_public_name_has_a_page_of_the_api():
    text = (DOCS / "api.md").read_text("utf-8")
    for module in (sklstm, inspection, interop):
        listed = []
        for block in re.findall(r"^```\{eval-rst\}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if f"currentmodule:: {module.__name__}\n" in block:
                assert ":toctree: api\n" in block
                listed += re.findall(r"^   (\w+)$", block, re.MULTILINE)
        assert sorted(listed) == sorted(set(module.__all__) - {"__version__"})


def test_all_code_is_run():
    found = {}
    for page in PAGES:
        blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
        if count := sum(not block.startswith(">>>") for block in blocks):
            found[page.relative_to(ROOT).as_posix()] = count
    assert found == {page: count for page, (count, _) in RUN_BY.items()}
    for page, (_, script) in RUN_BY.items():
        assert Path(page).name in (ROOT / script).read_text("utf-8")
