"""What docs/user_guide/real_data.md quotes: its examples, and the tables of the benchmarks."""

import json
import re
import runpy
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PAGE = " ".join((ROOT / "docs" / "user_guide" / "real_data.md").read_text("utf-8").split())
RESULTS = json.loads((ROOT / "docs" / "performance" / "results.json").read_text("utf-8"))
DEFAULTS = {each["label"]: each for each in RESULTS["defaults"]["settings"]}
EPOCHS = {each["name"]: each["epochs"] for each in RESULTS["defaults"]["sets"]}
SETS = "digits", "JapaneseVowels", "nitrogen oxides", "laser"


# --- The examples, which CI runs and compares -----------------------------------------------


@pytest.fixture(name="quoted", scope="module")
def script_of_ci():
    return runpy.run_path(str(ROOT / ".ci" / "quoted.py"))


def test_ci_finds_every_number_that_it_compares(quoted):
    for example, page, on_page, *_ in quoted["QUOTED"]:
        assert (ROOT / "examples" / f"{example}.py").exists()
        assert quoted["numbers"](on_page, (ROOT / page).read_text("utf-8")), on_page


def test_the_docs_run_every_example_and_ci_compares_what_they_print():
    gallery = runpy.run_path(str(ROOT / "docs" / "gallery_settings.py"))
    examples = sorted((ROOT / "examples").glob("*.py"))
    assert sorted(gallery["ORDER"]) == [example.stem for example in examples]
    assert r'"filename_pattern": r"\.py$"' in (ROOT / "docs" / "conf.py").read_text("utf-8")
    places = [gallery["place"](str(example)) for example in examples]
    assert sorted(places) == list(range(len(examples)))
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    commands = [line.strip() for line in lines]
    # Anew, not as they were left by another build.
    build = commands.index("rm -rf docs/gallery docs/api")
    assert commands[build + 1 : build + 3] == [
        'sphinx-build --fail-on-warning docs "$work/html"', "python .ci/quoted.py docs/gallery",
    ]  # fmt: skip


def test_pages_show_pictures_of_the_build_or_of_benchmarks_but_for_the_readmes():
    examples = {example.stem for example in (ROOT / "examples").glob("*.py")}
    seen = set()
    for page in [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/user_guide/*.md")]:
        for picture in re.findall(r"!\[[^]]*\]\((\S+)\)", page.read_text("utf-8")):
            made = re.search(r"gallery/images/sphx_glr_(\w+)_\d{3}\.png$", picture)
            assert made or "images/performance_" in picture, picture
            seen.add(made[1] if made else "performance")
    assert len(seen & examples) >= 8
    tracked = {path.name for path in (ROOT / "docs" / "images").iterdir()}
    assert {name for name in tracked if not name.startswith("performance_")} == {"quickstart.png"}


def test_ci_reads_what_was_printed_of_a_page(quoted):
    page = """
.. code-block:: Python

    print("1 of the code")

.. rst-class:: sphx-glr-script-out

 .. code-block:: none

      2 indented

    3 printed

.. GENERATED FROM PYTHON SOURCE LINES 5-8

.. rst-class:: sphx-glr-script-out

 .. code-block:: none

    4 later


.. image-sg:: /gallery/images/sphx_glr_digits_001.png
"""
    assert quoted["printed"](page) == "  2 indented\n\n3 printed\n4 later\n"


def test_examples_write_no_file_unless_they_are_told_where():
    for example in (ROOT / "examples").glob("*.py"):
        code = example.read_text("utf-8")
        saved = re.findall(r"^.*(?:savefig|to_csv|open|write_text|dump)\(.*$", code, re.MULTILINE)
        told = ["savefig(options.picture"]
        told += ["(folder / "] * ("folder = Path(tempfile.mkdtemp())" in code)
        assert all(any(words in line for words in told) for line in saved), example


@pytest.mark.parametrize(
    ("shown", "printed", "compared", "agree"),
    [
        ([1.0, 2.0], [1.0, 2.4], "all", True),
        ([1.0, 2.0], [1.0, 2.6], "all", False),
        ([1.0, 2.0], [1.0], "all", False),
        ([67.0, 69.0], [69.0, 68.0, 67.0], "ends", True),
        ([67.0, 69.0], [69.0, 66.0, 67.0], "ends", False),
        ([6.0, 7.0], [7.4, 9.0], "overlap", True),
        ([6.0, 7.0], [7.6, 9.0], "overlap", False),
        ([6.0, 7.0], [1.0, 5.4], "overlap", False),
        ([], [], "all", False),
        ([1.0], [], "overlap", False),
    ],
)
def test_what_ci_calls_equal(quoted, shown, printed, compared, agree):
    assert quoted["agree"](shown, printed, compared, 0.5) == agree


# --- Are the defaults good ones? ------------------------------------------------------------


def ratio(label):
    return median(DEFAULTS[label]["ratios"])


def reached(label, name):
    """The seeds that reach the target."""
    return [n for n in DEFAULTS[label]["results"][name]["epochs"] if n is not None]


def seconds(label, name):
    """Until the target; infinite where most seeds never reach it."""
    found = DEFAULTS[label]["results"][name]
    most = len(reached(label, name)) > len(found["epochs"]) / 2
    return median(found["seconds"]) if most else float("inf")


def best(label, name):
    return median(DEFAULTS[label]["results"][name]["best"])


def of_an_epoch(label, name):
    """The seconds of the fastest seed; who never reached the target had all epochs."""
    found, most = DEFAULTS[label]["results"][name], EPOCHS[name]
    epochs = [n or most for n in found["epochs"]]
    return min(seconds / n for seconds, n in zip(found["seconds"], epochs, strict=True))


def test_what_the_page_says_of_the_learning_rate():
    assert f"0.003 learns in {ratio('`learning_rate_init=0.003`'):.1f} of the time" in PAGE
    assert "and 0.01 in a third" in PAGE
    assert 0.3 < ratio("`learning_rate_init=0.01`") < 0.37


def test_what_the_page_says_of_normalize_x():
    slower = seconds("`normalize_X=False`", "laser") / seconds("the defaults", "laser")
    assert f"takes {slower:.1f} times as long" in PAGE
    assert "all five seeds reach the target without it, and three with it" in PAGE
    assert len(reached("`normalize_X=False`", "nitrogen oxides")) == 5
    assert len(reached("the defaults", "nitrogen oxides")) == 3


def test_what_the_page_says_of_batches_pooling_and_clipping():
    assert "Smaller batches look better than the defaults, and larger ones worse" in PAGE
    assert ratio("`batch_size=16`") < 1 < ratio("`batch_size=64`") < ratio("`batch_size=128`")
    assert '`pooling="last"` learns sooner on all four' in PAGE
    slower = [seconds("`pooling='mean'`", name) for name in SETS]
    assert all(it > seconds("the defaults", name) for it, name in zip(slower, SETS, strict=True))
    assert [it < float("inf") for it in slower] == [True, True, False, False]
    assert "`max_grad_norm` and `alpha` hardly matter here" in PAGE
    for label in ("`max_grad_norm=1`", "`max_grad_norm=5`", "`alpha=0`", "`alpha=0.01`"):
        assert 0.9 <= round(ratio(label), 2) <= 1.1
    assert f"clipping to 1 takes {ratio('`max_grad_norm=1`'):.2f} ×" in PAGE


def test_what_the_page_says_of_the_units():
    few, many, usual = "`hidden_layer_sizes=32`", "`hidden_layer_sizes=128`", "the defaults"
    assert f"digits {best(few, 'digits'):.1%} against {best(usual, 'digits'):.1%}" in PAGE
    for name in ("nitrogen oxides", "laser"):
        assert f"{name} {best(few, name):.3f} against {best(usual, name):.3f}" in PAGE
        assert best(few, name) < best(usual, name)
    assert best(few, "digits") < best(usual, "digits")
    assert best(few, "JapaneseVowels") == best(usual, "JapaneseVowels")
    assert "Nets of 32 units take more epochs" in PAGE
    for name in ("digits", "JapaneseVowels", "laser"):
        epochs = [DEFAULTS[label]["results"][name]["epochs"] for label in (few, usual)]
        more, fewer = (median(n or EPOCHS[name] for n in each) for each in epochs)
        assert more > fewer
    shares = [of_an_epoch(few, name) / of_an_epoch(usual, name) for name in SETS]
    assert "an epoch costs a third to a half" in PAGE
    assert 0.32 < min(shares) <= max(shares) < 0.5
    assert "128 take almost three times as long" in PAGE
    assert 2.5 <= ratio(many) < 3
    for name in ("JapaneseVowels", "laser"):
        assert best(many, name) == max(best(label, name) for label in DEFAULTS)
