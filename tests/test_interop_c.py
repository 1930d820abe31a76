"""to_c: what a C compiler makes of the file answers as the estimator does."""

import re
import subprocess

import numpy as np
import pytest
from compiled import Compiled, compile_c, needs_gcc
from conftest import ignores_convergence
from exported import assert_near, classifier, random_case, regressor
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, TimestepTransformer
from sklstm.interop import to_c

pytestmark = ignores_convergence

RNG = np.random.RandomState(0)
X = RNG.normal(size=(20, 6, 3))
Y = X[:, -1, 0]
FLAGS = {
    "as it is written": ["-O0"],
    "optimised": ["-O3"],
    "watched": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}


def expected(model, sequences, kind):
    """What the estimator answers, as the file orders it: (n_answers, width) for each sequence."""
    if isinstance(model, LSTMClassifier):
        answers = model.predict_proba(sequences)
    elif kind == "gaussian":
        mean, std = model.predict(sequences, return_std=True)
        if model.pooling is None:
            pairs = zip(mean, std, strict=True)
            return [np.hstack([_columns(m), _columns(s)]) for m, s in pairs]
        answers = np.hstack([_columns(mean), _columns(std)])
    else:
        answers = model.predict(sequences)
    if model.pooling is None:
        return [answer.reshape(len(answer), -1) for answer in answers]
    return list(answers.reshape(len(answers), 1, -1))


def _columns(array):
    return array.reshape(len(array), -1)


def sequences_of(case):
    pairs = zip(case.X.astype(np.float32), case.lengths, strict=True)
    # Some are enough: each has all steps answered for.
    return [x[:length] for x, length in pairs][:5]


def check(cases, folder, flags):
    """Compile the nets of some cases in one file, and compare what it answers with what they do."""
    names = {f"net_{number}": case for number, case in enumerate(cases)}
    codes = {name: to_c(case.model, name) for name, case in names.items()}
    of_steps = {name for name, case in names.items() if case.model.pooling is None}
    sequences = {name: sequences_of(case) for name, case in names.items()}
    wanted = {
        name: expected(case.model, sequences[name], case.kind) for name, case in names.items()
    }
    program = Compiled(codes, of_steps, folder, flags)
    widths = {name: answers[0].shape[1] for name, answers in wanted.items()}
    whole, steps = program.split(program.answers(sequences), sequences, widths)
    for name, case in names.items():
        assert_near(np.concatenate(whole[name]), np.concatenate(wanted[name]), 1e-5)
        if case.model.bidirectional:
            continue
        for x, answers in zip(sequences[name], steps[name], strict=True):
            past = [x[: t + 1] for t in range(len(x))]
            so_far = [each[-1] for each in expected(case.model, past, case.kind)]
            assert_near(answers, np.array(so_far), 1e-5)


@needs_gcc
@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_random_nets_of_every_kind(flags, tmp_path):
    # Watched code takes long to compile.
    n_cases = 18 if "-g" in flags else 45
    check([random_case(seed) for seed in range(2000, 2000 + n_cases)], tmp_path, flags)


@needs_gcc
def test_pipelines_of_scalers(tmp_path):
    scalers = [
        StandardScaler(), MinMaxScaler((-1, 2)), MaxAbsScaler(), RobustScaler(),
        make_pipeline(StandardScaler(), "passthrough", MinMaxScaler()),
    ]  # fmt: skip
    far = X.astype(np.float32) * 10 + 1000
    for number, scaler in enumerate(scalers):
        steps = TimestepTransformer(scaler), TimestepTransformer(RobustScaler())
        model = make_pipeline(*steps, regressor(4)).fit(far, Y)
        # In float64: scikit-learn rounds means to float32.
        exact = model.predict(far.astype(np.float64))
        assert_near(answers_of(model, far, tmp_path / str(number)), exact, 1e-5)


def answers_of(model, X, folder):
    """Of a model with one output, for whole sequences."""
    folder.mkdir(exist_ok=True)
    program = Compiled({"net": to_c(model, "net")}, set(), folder, ["-O2"])
    sequences = {"net": list(X.astype(np.float32))}
    whole, _ = program.split(program.answers(sequences), sequences, {"net": 1})
    return np.concatenate(whole["net"])[:, 0]


@needs_gcc
def test_large_offsets_do_not_cost_float_its_digits(tmp_path):
    far = (X + 1e6).astype(np.float32)
    model = regressor(8, learning_rate_init=0.05, max_iter=20).fit(far, Y)
    assert_near(answers_of(model, far, tmp_path), model.predict(far), 1e-5)


@needs_gcc
def test_huge_numbers_saturate_as_they_do_here(tmp_path):
    model = regressor(4).fit(list(X.astype(np.float32)), Y)
    huge = np.array([[[3e38, -3e38, 0]], [[-1e30, 1e37, 3e38]]], np.float32)
    assert_near(answers_of(model, huge, tmp_path), model.predict(huge), 1e-5)


@needs_gcc
def test_a_series_of_many_steps(tmp_path):
    long = RNG.normal(size=(1, 20000, 3)).astype(np.float32)
    for pooling in ("last", "mean"):
        model = regressor(8, pooling=pooling, max_iter=5).fit(list(X.astype(np.float32)), Y)
        # Sums of 20000 numbers: their order counts.
        assert_near(answers_of(model, long, tmp_path), model.predict(long), 1e-4)


@needs_gcc
@pytest.mark.parametrize("flags", [["-Os"], ["-O3"]], ids=str)
def test_32_units_need_less_than_40_kilobytes(flags, tmp_path):
    wide = RNG.normal(size=(20, 6, 8))
    (tmp_path / "net.c").write_text(to_c(regressor(32).fit(wide, Y)), "ascii")
    compile_c(tmp_path, "net.c", "net.o", ["-c", *flags])
    measured = subprocess.run(
        ["size", "net.o"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    text, data, bss = map(int, measured.stdout.splitlines()[1].split()[:3])
    assert 4 * 4 * 32 * (32 + 8) < text + data + bss < 40_000


@needs_gcc
@pytest.mark.parametrize("pooling", ["last", "mean", "max", None])
def test_sizes_are_what_the_file_says(pooling, tmp_path):
    y = Y if pooling else X[:, :, 0]
    code = to_c(regressor((5, 4), pooling=pooling).fit(X, y), "net")
    said = int(re.search(r"A state has (\d+) bytes", code)[1])
    constants = int(re.search(r"other constants have (\d+) bytes", code)[1])
    check = (
        "#include <stdio.h>\nint main(void)\n{\n    float y[NET_ANSWERS] = {0};\n"
        "    net_state state;\n    float x[NET_FEATURES] = {0};\n\n    net_reset(&state);\n"
        "    net_step(&state, x, y);\n    net_predict(x, 1, y);\n"
        '    printf("%zu\\n", sizeof state);\n    return 0;\n}\n'
    )
    (tmp_path / "net.c").write_text(code + check, "ascii")
    compile_c(tmp_path, "net.c", "net", ["-lm"])
    printed = subprocess.run([tmp_path / "net"], check=True, capture_output=True, text=True)
    assert int(printed.stdout) == said
    assert constants == 4 * sum(int(size) for size in re.findall(r"_\w+\[(\d+)\] = {", code))


@needs_gcc
def test_it_allocates_nothing_and_calls_nothing_but_math(tmp_path):
    model = regressor(4, loss="gaussian", pooling="mean").fit(X, Y)
    (tmp_path / "net.c").write_text(to_c(model), "ascii")
    compile_c(tmp_path, "net.c", "net.o", ["-c", "-O0"])
    command = ["nm", "--undefined-only", "net.o"]
    listed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    # What a compiler may call by itself.
    by_gcc = {"memcpy", "memset", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"}
    assert set(listed.stdout.split()) - {"U"} - by_gcc == {"expf", "tanhf"}
    # Nothing can be written but what callers hand over.
    assert "static" not in re.sub("static const|static (float|void) lstm_", "", to_c(model))


def test_labels_stand_in_the_file_and_cannot_end_its_comment():
    labels = np.array(["*/ int bad;", "what??/", "däf", 'say "\\"'])[np.arange(20) % 4]
    code = to_c(classifier(4).fit(X, labels))
    comment, _, rest = code.partition("*/")
    assert r"d\xe4f" not in rest
    assert "probabilities of the classes" in comment
    assert "bad" not in rest
    code.encode("ascii")
    classes = re.search("classes (.*)", comment)[1]
    assert "?" not in classes
    assert "*" not in classes


def refused(error, message, *arguments):
    with pytest.raises(error, match=message):
        to_c(*arguments)


def test_what_cannot_be_had_is_refused_in_a_sentence():
    model = regressor(4).fit(X, Y)
    refused(NotFittedError, "not fitted", LSTMRegressor())
    refused(TypeError, "estimator must be an LSTMRegressor or LSTMClassifier", Ridge())
    for name in ("", "3d", "_net", "a-b", "größe", "net\n", 3):
        refused(ValueError, "name must begin with a letter", model, name)
    parts = make_pipeline(TimestepTransformer(PCA(2)), regressor(4)).fit(X, Y)
    refused(ValueError, "got PCA: transform X before, and give to_c the net alone", parts)
    clipped = make_pipeline(TimestepTransformer(MinMaxScaler(clip=True)), regressor(4))
    refused(ValueError, "MinMaxScaler without clip, got MinMaxScaler", clipped.fit(X, Y))
    other_steps = TimestepTransformer(StandardScaler()), regressor(4, n_timesteps=6)
    columns = make_pipeline(*other_steps).fit(X.reshape(20, -1), Y)
    refused(ValueError, "read 1 and 3 features a step, .* same n_timesteps", columns)
    extreme = regressor(4).fit(X * 1e60, Y)
    refused(ValueError, "float32 cannot hold the weights or scales", extreme)
