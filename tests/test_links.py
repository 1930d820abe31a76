"""Links of the pages that are read in the repository: Sphinx looks after those of docs/."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"]


def without_code(page):
    text = page.read_text(encoding="utf-8")
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors(page):
    """Those that GitHub gives to headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_to_files_and_headings_that_exist(page):
    page = ROOT / page
    links = re.findall(r"\]\(([^)\s]+)\)", without_code(page))
    relative = [link.partition("#") for link in links if not re.match(r"\w+:", link)]
    for path, _, anchor in relative:
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), anchor


def test_the_readme_has_links_and_a_picture_to_check():
    readme = without_code(ROOT / "README.md")
    assert re.search(r"!\[[^]]+\]\(docs/[^)]+\)", readme)
    assert re.search(r"[^!]\[[^]]+\]\(docs/[^)]+\)", readme)


def test_on_a_package_index_every_link_leads_somewhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    hook = project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = (ROOT / hook["fragments"][0]["path"]).read_text(encoding="utf-8")
    for each in hook["substitutions"]:
        text, count = re.subn(each["pattern"], each["replacement"], text)
        assert count
    assert [link for link in re.findall(r"\]\(([^)]*)\)", text) if "://" not in link] == []
    # What was a link still says where to look.
    assert "Getting started (`docs/user_guide/getting_started.md`)" in text
