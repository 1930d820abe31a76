"""CITATION.cff says of sklstm what the package says of itself."""

import re
import tomllib
from pathlib import Path

import sklstm

ROOT = Path(__file__).parents[1]


def test_what_is_cited_is_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    cited = dict(re.findall(r"^([\w-]+): (.+)$", citation, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["version"] == sklstm.__version__
    assert (cited["title"], cited["abstract"]) == (project["name"], project["description"])
    assert cited["license"] == project["license"]
    assert re.findall(r"^  - name: (.+)$", citation, re.MULTILINE) == [
        author["name"] for author in project["authors"]
    ]
    keywords = citation.partition("keywords:\n")[2]
    assert re.findall(r"^  - (.+)$", keywords, re.MULTILINE) == project["keywords"]
