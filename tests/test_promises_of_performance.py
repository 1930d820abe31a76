"""What docs/performance.md says is what was measured, and how the work is divided is as it says."""

import re
from pathlib import Path

import numpy as np
import pytest
from problems import make_problem

from benchmarks import report
from sklstm._machine.processor import MANY_REGISTERS
from sklstm._network import plan

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "performance.md").read_text("utf-8")
RESULTS = report.read(DOCS)
STEPPED = "1, 1, 64", "1, 1, 8"  # series, inputs, units


@pytest.mark.parametrize("part", RESULTS)
def test_the_tables_are_those_of_the_results(part):
    table = (DOCS / "performance" / f"{part}.md").read_text("utf-8")
    assert table == report.fragment(RESULTS[part]) + "\n"


def test_every_table_is_on_a_page():
    guide = [
        DOCS / "user_guide" / f"{name}.md"
        for name in ("real_data", "in_and_out", "long_memory", "looking_inside")
    ]
    pages = PAGE + "".join(page.read_text("utf-8") for page in guide)
    included = {*re.findall(r"\{include\} (?:\.\./)?performance/(\w+)\.md", pages)}
    assert included == {*RESULTS, "aims"}


def rows_of(part, table=0):
    return {row["label"]: row for row in RESULTS[part]["tables"][table]["rows"]}


def test_what_was_reached_is_what_the_results_say():
    assert (DOCS / "performance" / "aims.md").read_text("utf-8") == report.aims(RESULTS) + "\n"
    small = rows_of("streaming", table=1)[STEPPED[1]]["ratios"]["ONNX Runtime"]["median"]
    assert f"Of 8 units it is {small:.1f} times" in " ".join(PAGE.split())


def test_a_step_of_a_stream_takes_what_the_guide_says():
    guide = " ".join((DOCS / "user_guide" / "streaming.md").read_text("utf-8").split())
    step, again = (rows_of("streaming", table)[STEPPED[0]] for table in (0, 1))
    time, quicker = re.search(
        r"A regressor's `predict` of a step of one series and 64 units takes (\S+) µs, Python "
        r"included: (\S+) times as fast as ONNX Runtime",
        guide,
    ).groups()
    assert f"{step['values']['sklstm']['median']:.0f}" == time
    assert f"{step['ratios']['ONNX Runtime']['median']:.1f}" == quicker
    assert "less than a tenth of what it takes to read 50 steps again" in guide
    assert 10 <= again["ratios"]["ONNX Runtime"]["median"] < 11
    # As the example says, which measures it.
    assert "`predict_proba` of a classifier takes about 9 µs." in guide
    assert "A step with `predict_proba` took 9 µs" in guide
    # As the page on performance says.
    for row in rows_of("streaming").values():
        for ratio in row["ratios"].values():
            assert ratio["high"] / ratio["median"] < 1.08
            assert ratio["low"] / ratio["median"] > 0.92
        _, *fastest = [way.partition(",")[0] for way in row["ways"].values()]
        assert fastest == ["nn.LSTMCell", "jax.jit(stateless_call)", "bound arrays"]


def test_long_sequences_take_little_memory_and_no_longer_a_step():
    # Multiples of a short sequence's step, and memory; of training in one direction and in both.
    for table, column in ((1, 1.5), (2, 300), (7, 1.5), (8, 300)):
        row = rows_of("long", table)["100,000"]
        assert row["values"]["sklstm"]["median"] < column
        assert "sklstm" not in row["derived"]
    memory = [row["values"]["sklstm"]["median"] for row in rows_of("long", 2).values()]
    assert "That of 1,000 steps is the last here to be kept" in " ".join(PAGE.split())
    assert list(rows_of("long", 2)) == ["1,000", "10,000", "100,000"]
    assert memory[0] == max(memory)


def test_a_chunk_of_a_file_takes_the_same_time_and_memory_however_large_the_file():
    # As the page on data says. What is not the same is noise: the machine was busy.
    times, memory, whole = (rows_of("scale", table) for table in range(3))
    chunks = [row["values"]["all chunks"]["median"] for row in times.values()]
    assert max(chunks) < 2 * min(chunks)
    for column in ("its own", "resident, map opened for each chunk"):
        held = [row["values"][column]["median"] for row in memory.values()]
        assert max(held) - min(held) < 4
    assert [name for name, row in whole.items() if row["derived"]] == ["1 TB of holes"]
    searches = rows_of("scale", 3)
    for row in searches.values():
        assert row["values"]["`Windows` over it"]["median"] < 20
    assert searches["`n_samples`"]["values"]["memory map"]["median"] > 400


def test_float32_is_about_twice_as_fast():
    # As the pages on data say; of a minibatch of one row, Python takes the most.
    single, double = (
        [row["values"]["sklstm"]["median"] for row in rows_of("training", table).values()][1:]
        for table in (0, 1)
    )
    quotients = np.divide(double, single)
    assert ((quotients > 1.9) & (quotients < 2.3)).all(), quotients


def groups(n_rows, equal_lengths=True, units=64):
    """How many groups a minibatch is cut into, and the rows that one is meant to have."""
    problem = make_problem(np.float32, (units,))
    rows, group = plan.divide(
        problem.architecture, np.dtype(np.float32), 24, n_rows, True, equal_lengths
    )
    return plan.count_shards(n_rows, rows) // group, rows * group


def test_a_minibatch_is_cut_into_groups_of_8_rows_whatever_the_threads():
    assert groups(32) == groups(32, equal_lengths=False) == (4, 8)  # that of the defaults
    # Of fewer rows than two groups have, two threads still take half each, where it is worth it.
    assert groups(5) == (1, 8)
    assert groups(6) == ((2, 3) if MANY_REGISTERS else (1, 8))
    assert groups(8) == groups(8, equal_lengths=False) == (2, 4)
    assert groups(11) == (2, 6)
    assert groups(11, units=8) == groups(11, units=150) == (1, 8)
    assert groups(12) == (2, 8)
    assert groups(64) == (8, 8)
    assert groups(256) == (32, 8)
    assert groups(350)[1] == 8
    assert groups(375)[1] > 8
    assert groups(32, units=310) == (2, 16)


def test_threads_share_the_passes_over_200000_weights_in_training_alone(monkeypatch):
    assert "fewer\nthan 200,000 weights, packs them and adds up the gradients" in PAGE
    monkeypatch.setattr(plan, "available_threads", lambda: 2)
    for units, shares in ((200, False), (240, True)):
        net = make_problem(np.float32, (units,)).architecture
        assert (net.n_weights >= 200_000) == shares
        for training in (False, True):
            made = plan.make_plan(net, np.dtype(np.float32), 50, 32, training, True)
            assert made.n_threads == 2
            assert (made.pieces > 1) == (shares and training)
