"""What docs/user_guide/real_data.md quotes: its examples, and the tables of the benchmarks."""

import json
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = " ".join((ROOT / "docs" / "user_guide" / "real_data.md").read_text("utf-8").split())
RESULTS = json.loads((ROOT / "docs" / "performance" / "results.json").read_text("utf-8"))
DEFAULTS = {each["label"]: each for each in RESULTS["defaults"]["settings"]}
SETS = "digits", "JapaneseVowels", "nitrogen oxides", "laser"


# --- The examples, which CI runs and compares -----------------------------------------------


@pytest.fixture(name="quoted", scope="module")
def script_of_ci():
    return runpy.run_path(str(ROOT / ".ci" / "quoted.py"))


def test_ci_finds_every_number_that_it_compares(quoted):
    for example, page, on_page, *_ in quoted["QUOTED"]:
        assert (ROOT / "examples" / f"{example}.py").exists()
        assert quoted["numbers"](on_page, (ROOT / page).read_text("utf-8")), on_page


def test_ci_runs_every_example_and_keeps_what_it_prints():
    text = (ROOT / ".ci" / "run").read_text("utf-8")
    for example in (ROOT / "examples").glob("*.py"):
        assert re.search(rf"[ /]{example.stem}(\.py|[ ;])", text), example
    assert text.count('| tee "$work/') == 3


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


def seconds(label, name):
    """Until the target; infinite where most seeds never reach it."""
    return DEFAULTS[label]["results"][name]["seconds"] or float("inf")


def best(label, name, digits=3):
    return f"{DEFAULTS[label]['results'][name]['best']:.{digits}f}"


def sooner(label, than):
    return [name for name in SETS if seconds(label, name) < seconds(than, name)]


def test_what_the_page_says_of_the_learning_rate():
    ratio = {label: each["ratio"] for label, each in DEFAULTS.items()}
    assert "0.003 learns in half the time of 0.001" in PAGE
    assert 0.5 <= ratio["`learning_rate_init=0.003`"] < 0.6
    assert "0.01 sooner still on digits and JapaneseVowels" in PAGE
    found = sooner("`learning_rate_init=0.01`", than="`learning_rate_init=0.003`")
    assert found == ["digits", "JapaneseVowels"]


def test_what_the_page_says_of_normalize_x():
    slower = seconds("`normalize_X=False`", "laser") / seconds("the defaults", "laser")
    assert f"takes {slower:.1f} times as long" in PAGE
    with_it = best("the defaults", "nitrogen oxides")
    without = best("`normalize_X=False`", "nitrogen oxides")
    assert f"There R2 is {without} at best without it and {with_it} with it" in PAGE


def test_what_the_page_says_of_batches_forget_bias_pooling_and_clipping():
    ratio = {label: each["ratio"] for label, each in DEFAULTS.items()}
    assert ratio["`batch_size=16`"] < 1
    assert ratio["`forget_bias=0`"] < 1
    assert '`pooling="last"` learns sooner on all four' in PAGE
    assert sooner("`pooling='mean'`", than="the defaults") == []
    reached = [name for name in SETS if seconds("`pooling='mean'`", name) < float("inf")]
    assert reached == ["digits", "JapaneseVowels"]
    assert f"clipping to 1 takes {ratio['`max_grad_norm=1`']:.2f} × around 0.001" in PAGE


def test_what_the_page_says_of_the_units():
    few, many, usual = "`hidden_layer_sizes=32`", "`hidden_layer_sizes=128`", "the defaults"
    scores = {name: (best(few, name), best(usual, name)) for name in SETS}
    digits = [f"{float(best(label, 'digits', 4)):.1%}" for label in (few, usual)]
    assert f"digits {digits[0]} against {digits[1]}" in PAGE
    for name in ("nitrogen oxides", "laser"):
        assert "{} {} against {}".format(name, *scores[name]) in PAGE
    assert scores["JapaneseVowels"][0] == scores["JapaneseVowels"][1]
    shares = []
    for name in SETS:
        results = [DEFAULTS[label]["results"][name] for label in (few, usual)]
        of_an_epoch = [each["seconds"] / each["epochs"] for each in results if each["epochs"]]
        shares += [of_an_epoch[0] / of_an_epoch[1]] if len(of_an_epoch) == 2 else []
    assert "an epoch costs a third to two fifths" in PAGE
    assert [round(min(shares), 2), round(max(shares), 2)] == [0.33, 0.4]
    assert round(DEFAULTS[many]["ratio"]) == 3
    for name in ("JapaneseVowels", "laser"):
        assert best(many, name) == max(best(label, name) for label in DEFAULTS)
