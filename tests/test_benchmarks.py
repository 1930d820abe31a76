"""The benchmarks' own arithmetic and tables, with fake contenders: no peer, and no clock."""

from collections import Counter

import numpy as np
import pytest

from benchmarks import aims, long, report, scale, streaming, tasks, timing
from benchmarks.contenders import check_steps, steps_of
from benchmarks.defaults import ratios as ratios_of_seeds
from benchmarks.defaults import reached
from benchmarks.scaling import slope

MACHINE = {
    "cpu": "A processor", "cores": 4, "threads": 2, "simd": "AVX2", "system": "Linux x86_64",
    "versions": {"python": "3.11.7"}, "date": "2026-01-01",
}  # fmt: skip


class FakeTime:
    """A clock that calls move on, and a record of who was called."""

    def __init__(self):
        self.now, self.log = 0.0, []

    def clock(self):
        return self.now

    def contender(self, name, *durations):
        """What takes these times, one after the other, the last for ever."""
        durations = list(durations)

        def call():
            self.log.append(name)
            self.now += durations.pop(0) if len(durations) > 1 else durations[0]

        return call

    def sleep(self, seconds):
        self.log.append("pause")


def fake_contest(fake, contenders, rounds, **settings):
    return timing.contest(contenders, rounds, clock=fake.clock, sleep=fake.sleep, **settings)


def test_rounds_alternate_after_one_call_each_to_warm_up():
    fake = FakeTime()
    fake_contest(fake, {"a": fake.contender("a", 1), "b": fake.contender("b", 1)}, 4)
    calls = [name for name in fake.log if name != "pause"]
    assert calls[:2] == ["a", "b"]
    assert calls[2:] == ["a", "b", "b", "a", "b", "a", "a", "b"]


def test_every_contender_is_preceded_by_a_pause():
    fake = FakeTime()
    fake_contest(fake, {"a": fake.contender("a", 1), "b": fake.contender("b", 1)}, 2)
    assert fake.log[2::2] == ["pause"] * 4


@pytest.mark.parametrize("count", [2, 3, 5])
def test_over_enough_rounds_each_contender_has_each_place_equally_often(count):
    names = list(range(count))
    rounds = [timing.order(names, index) for index in range(2 * count)]
    for place in zip(*rounds, strict=True):
        assert set(Counter(place).values()) == {2}


def test_warm_up_is_not_counted_and_times_are_of_one_repetition():
    fake = FakeTime()
    times = fake_contest(fake, {"a": fake.contender("a", 100, 6, 8)}, 2, inner=2)
    assert times == {"a": [3, 4]}


def test_a_quick_contender_is_called_often_and_its_median_call_counts():
    fake = FakeTime()
    times = fake_contest(fake, {"a": fake.contender("a", 9, 1, 1, 1, 50, 1)}, 1, min_seconds=5)
    assert times == {"a": [1]}
    assert fake.log.count("a") == 1 + 3 + 5


def test_the_fastest_way_to_predict_is_taken():
    fake = FakeTime()
    ways = {"slow": fake.contender("slow", 2), "quick": fake.contender("quick", 9, 1)}
    assert timing.fastest(ways, fake.clock) == "quick"


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    row = timing.row("a net", {"sklstm": [1, 2, 10], "peer": [4, 2, 30]})
    assert row["ratios"].keys() == {"peer"}
    assert row["ratios"]["peer"]["median"] == 3  # where the ratio of medians is 2
    assert row["values"]["sklstm"] == {"median": 2, "low": 1.5, "high": 6}


class RunningSum:
    """A stream whose state is the sum of each series so far, and how it may fail."""

    def __init__(self, forgets=False):
        self._sum, self._forgets = 0, forgets

    def __call__(self, x):
        assert x.shape == (2, 3)
        assert x.flags.c_contiguous
        self._sum = x.sum(axis=1) + (0 if self._forgets else self._sum)
        return self._sum


def test_streams_must_agree_after_every_step_and_with_what_reads_all_at_once():
    X = np.random.default_rng(0).normal(size=(2, 5, 3))
    total = X.sum(axis=(1, 2))
    check_steps({"sklstm": {"one": RunningSum()}, "peer": {"another": RunningSum()}}, X, total)
    peer = {"with state": RunningSum(), "without state": RunningSum(forgets=True)}
    with pytest.raises(AssertionError, match="peer, without state"):
        check_steps({"sklstm": {"one": RunningSum()}, "peer": peer}, X, total)
    with pytest.raises(AssertionError):
        check_steps({"sklstm": {"one": RunningSum(forgets=True)}}, X, total)


def test_a_stream_is_timed_on_another_step_at_each_call():
    X = np.arange(4.0).reshape(1, 4, 1)
    calls = streaming.fed(lambda x: x.item(), steps_of(X))
    assert [calls() for _ in range(6)] == [0, 1, 2, 3, 0, 1]


def test_the_slope_is_that_of_the_upper_half():
    sizes = [1, 2, 4, 8, 16, 32]
    assert slope(sizes, [7, 7, 7, 64, 256, 1024]) == pytest.approx(2)
    assert slope([1, 2], [4, 2]) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (208.04, "208"), (71.26, "71.3"), (4.321, "4.32"), (0.04321, "0.0432")],
)
def test_numbers_have_three_digits(value, text):
    assert report.number(value) == text


def test_tables_are_written_from_what_was_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "draw", lambda results, folder: [])
    rows = [
        timing.row("small", {"sklstm": [1, 2, 3], "peer": [3, 6, 9]}),
        timing.row("large", {"sklstm": [20, 20, 20], "other": [10, 10, 10]}),
    ]
    table = {"title": "An epoch", "key": "net", "unit": "ms", "rows": rows}
    part = {"machine": MACHINE, "rounds": 3, "tables": [table]}
    report.save({"earlier": part}, tmp_path)
    report.save({"training": part}, tmp_path)
    report.write(tmp_path)
    assert report.read(tmp_path).keys() == {"earlier", "training"}
    lines = (tmp_path / "performance" / "training.md").read_text(encoding="utf-8").splitlines()
    assert lines[:6] == [
        "**An epoch, in ms**",
        "",
        "| net | sklstm | peer | other |",
        "| --- | ---: | ---: | ---: |",
        "| small | 2.00 | 6.00 (3.00 ×) |  |",
        "| large | 20.0 |  | 10.0 (0.50 ×) |",
    ]
    assert "A processor, 2 of 4 cores, AVX2, Linux x86_64; python 3.11.7; 2026-01-01." in lines[-1]


def test_what_is_derived_is_marked_and_a_note_says_so():
    row = timing.row("long", {"sklstm": [2, 2], "peer": [8, 8]}) | {"derived": ["peer"]}
    content = {"title": "A step", "key": "net", "unit": "ms", "rows": [row], "note": "≈ is derived"}
    lines = report.table(content).splitlines()
    assert lines[-3:] == ["| long | 2.00 | ≈ 8.00 (4.00 ×) |", "", "≈ is derived"]


def test_nothing_is_said_of_ratios_where_there_are_none():
    row = timing.row("long", {"sklstm": [2, 2], "peer": [8, 8]})
    part = {"machine": MACHINE, "rounds": 2}
    for ratios in (row["ratios"], {}):
        table = {"title": "A step", "key": "net", "unit": "ms", "rows": [row | {"ratios": ratios}]}
        assert ("×" in report.fragment(part | {"tables": [table]})) == bool(ratios)


def test_a_peer_that_would_need_too_much_memory_is_not_run():
    calls, added = [], {1_000: 90, 10_000: 900, 100_000: 9_000}

    def measured_apart(what, name, steps):
        calls.append((name, steps))
        return {"step": steps / 1_000, "added": added[steps]}

    lengths = list(added)
    results, derived = long.all_lengths("train", lengths, ["sklstm", "peer"], 2, measured_apart)
    assert derived == {(100_000, "peer")}
    assert ("peer", 100_000) not in calls
    assert calls.count(("sklstm", 100_000)) == calls.count(("peer", 10_000)) == 2
    assert results[100_000, "peer"] == 2 * [{"step": 10, "added": 9_000}]
    step, growth, memory = long.tables_of("training", results, derived)
    assert [row["derived"] for row in step["rows"]] == [[], [], ["peer"]]
    assert growth["rows"][2]["values"]["sklstm"]["median"] == 100
    assert growth["rows"][2]["ratios"] == {}
    assert memory["note"] == long.NOTE


def test_a_pass_over_a_file_of_which_a_part_was_read_is_derived():
    half = {"chunk": 0.2, "first": 0.1, "last": 0.3, "seconds": 60, "own": 1, "resident": 17}
    results = {"small": [half | {"share": 1, "once": 99}], "large": [half | {"share": 0.5}]}
    times, memory, whole = scale.tables_of(results)
    assert times["rows"][0]["values"]["last tenth"]["median"] == 300
    assert [len(row["values"]) for row in memory["rows"]] == [3, 2]
    assert [row["values"]["minutes"]["median"] for row in whole["rows"]] == [1, 2]
    assert [row["derived"] for row in whole["rows"]] == [[], ["minutes"]]


def test_slopes_stand_beside_theory():
    curve = {"axis": "units", "values": [16, 512], "theory": 2, "slopes": {"sklstm": 1.904}}
    assert report.slopes([curve]).endswith("| units | 16 to 512 | 2 | 1.90 |")


def test_scores_of_seeds_stand_beside_times():
    row = timing.row(
        "digits: accuracy, 40 epochs",
        {"sklstm": [8, 8, 8], "PyTorch": [32, 48, 40]},
        scores={"sklstm": [0.97, 0.99, 0.975], "PyTorch": [0.98, 0.98, 0.98]},
    )
    lines = report.scores({"seeds": 3, "rows": [row]}).splitlines()
    assert lines[0] == "| task | sklstm | PyTorch | sklstm, ms an epoch | PyTorch, ms an epoch |"
    assert lines[2] == (
        "| digits: accuracy, 40 epochs | 0.9750 (0.9700 to 0.9900) | 0.9800 | 8.00 "
        "| 40.0 (5.00 ×) |"
    )


def test_an_example_says_where_its_data_are_without_being_run(tmp_path):
    example = tmp_path / "example.py"
    example.write_text(
        "import math\nSTEPS = 3\noptions = 1 / 0\n"
        "def load():\n    return math.prod([STEPS, 4])\nprint(options)\n"
    )
    assert tasks.definitions(example).load() == 12


def test_a_target_counts_from_the_first_epoch_that_reaches_it():
    rising, late = np.array([0.1, 0.6, 0.5]), np.array([0.1, 0.2, 0.6])
    runs = [(rising, 0.5), (late, 0.25)]
    best = [0.6, 0.6]
    assert reached(runs, 0.6) == {"epochs": [2, 3], "seconds": [1.0, 0.75], "best": best}
    assert reached(runs, 0.7) == {"epochs": [None, None], "seconds": [1.5, 0.75], "best": best}


def test_each_seed_is_compared_with_the_defaults_of_the_same():
    defaults = {"a": {"seconds": [2.0, 1.0]}, "b": {"seconds": [1.0, 1.0]}}
    results = {"a": {"seconds": [1.0, 4.0]}, "b": {"seconds": [1.0, 4.0]}}
    assert ratios_of_seeds(results, defaults) == pytest.approx([0.5**0.5, 4])


def test_the_study_says_where_a_target_was_never_reached():
    quick = {"seconds": [1.5, 1.25, 2.0], "epochs": [12, 10, 16]}
    one = {"seconds": [1.5, 1.25, 4.0], "epochs": [12, 10, None]}
    most = {"seconds": [4.0, 1.25, 4.0], "epochs": [None, 10, None]}
    sets = [
        {"name": name, "score": "R2", "target": 0.9, "best": 0.95, "epochs": 50} for name in "ab"
    ]
    settings = [
        {"label": "the defaults", "results": {"a": quick, "b": quick}, "ratios": [1, 1, 1]},
        {"label": "`alpha=9`", "results": {"a": one, "b": most}, "ratios": [1.5, 1.25, 3]},
    ]
    lines = report.study({"seeds": 3, "sets": sets, "settings": settings}).splitlines()
    assert lines[2:4] == [
        "| the defaults | 1.50; 12 (10 to 16) | 1.50; 12 (10 to 16) | 1.00 |",
        "| `alpha=9` | 1.50; 12 (10 to —) | — | 1.50 (1.25 to 3.00) |",
    ]


def test_aims_leave_out_what_was_not_measured():
    def shape(ratio):
        return {"comparison": "epoch, PyTorch", "ratio": ratio, "label": "a net"}

    # No ONNX Runtime, no other part, and a quick run of `long` without the longest sequences.
    shapes = {"machine": MACHINE, "shapes": [shape(0.5), shape(8)]}
    long_ = {"machine": MACHINE, "tables": [{"rows": []}] * 3}
    assert aims.reached({"shapes": shapes, "long": long_}) == [(
        "random shapes: an epoch, PyTorch / sklstm", "6; none slower",
        "2.00; 1 of 2 slower, the worst 0.50", "A processor, AVX2, 2026-01-01",
    )]  # fmt: skip
