"""The page on versions says what the package asks for and what CI tests."""

import re
import tomllib
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
CI = ROOT / ".ci"
ROW = re.compile(r"^\| ([\w-]+) \| ([\d.]+) \| ([\d-]+) \| ([\d-]+) \|$", re.MULTILINE)
TABLE = ROW.findall((ROOT / "docs" / "versions.md").read_text(encoding="utf-8"))
PYTHONS = [version for package, version, *_ in TABLE if package == "Python"]
PACKAGES = {package.lower(): version for package, version, *_ in TABLE if package != "Python"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_table_has_the_lower_bounds():
    bounds = [f"{package}>={version}" for package, version in PACKAGES.items()]
    assert sorted(PROJECT["dependencies"]) == sorted(bounds)
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


def test_the_table_has_every_python_of_the_classifiers():
    classifiers = [c.split(" :: ")[-1] for c in PROJECT["classifiers"] if " :: Python :: 3." in c]
    assert classifiers == PYTHONS


def test_the_dates_are_three_and_two_years_from_release():
    for package, _, released, until in TABLE:
        day = date.fromisoformat(released)
        years = 3 if package == "Python" else 2
        assert date.fromisoformat(until) == day.replace(year=day.year + years)


def test_ci_tests_the_lower_bounds_and_every_python():
    ours = (CI / "oldest.txt").read_text().partition("\n# ")[0]
    oldest = re.findall(r"^([\w-]+)==(\d+\.\d+)", ours, re.MULTILINE)
    requirements = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
    assert {f"{name}>={version}" for name, version in oldest} <= set(requirements)
    assert PACKAGES.items() <= dict(oldest).items()
    script = (CI / "run").read_text(encoding="utf-8")
    assert re.findall(r"^oldest_python=(\S+)$", script, re.MULTILINE) == PYTHONS[:1]
    [newer] = re.findall(r'^newer_pythons="(.*)"$', script, re.MULTILINE)
    assert newer.split() == PYTHONS[1:]
    lines = [line.strip() for line in script.splitlines()]
    # With the lower bounds, the whole suite; with every newer one, some files.
    made = lines.index(
        'make oldest "${python_of[$oldest_python]}" --constraint .ci/oldest.txt ".[test]"'
    )
    assert lines[made - 1] == 'if [ -n "${python_of[$oldest_python]:-}" ]; then'
    assert 'tests_on "$oldest_python" oldest' in lines
    run = [line for line in lines if line.startswith('tests_on "$version" "python-$version" $')]
    assert len(run) == 2
    assert lines.count("for version in $newer_pythons; do") == 3
