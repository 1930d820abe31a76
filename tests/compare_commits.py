"""Whether two commits fit the same nets, bit for bit: `python tests/compare_commits.py COMMIT`.

60 fits of every kind run on the given commit and on the checkout, each in a process of its own. Run
it before and after a change that should change no result. For narrower kernels than those of this
machine, set NUMBA_CPU_NAME and NUMBA_CPU_FEATURES as `.ci/run` does.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
N_FITS = 60


def main():
    """Compare, and exit with 1 if a fit differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit", nargs="?", default="HEAD")
    parser.add_argument("--digests", action="store_true", help="print those of this checkout")
    arguments = parser.parse_args()
    if arguments.digests:
        print(json.dumps({describe(*drawn): digest(*drawn) for drawn in draws()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", arguments.commit, "sklstm"], cwd=ROOT, check=True, stdout=-1
        )
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        before, after = digests_of(folder), digests_of(ROOT)
    different = [name for name, found in after.items() if before[name] != found]
    print(f"{len(after) - len(different)} of {len(after)} fits have the bits of {arguments.commit}")
    print(*different, sep="\n", end="")
    sys.exit(bool(different))


def digests_of(folder):
    """A digest of each fit by the package in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, __file__, "--digests"]
    ran = subprocess.run(command, env=environment, cwd=folder, check=True, stdout=-1, text=True)
    return json.loads(ran.stdout)


def draws():
    """Yield what each fit is of: an estimator's name, its parameters, and how X is given."""
    rng = np.random.RandomState(16)

    def one_of(*values):
        return values[rng.randint(len(values))]

    for i in range(N_FITS):
        kind = ("LSTMRegressor", "LSTMClassifier")[i % 2]
        parameters = {
            "hidden_layer_sizes": one_of((7,), (16,), (33,), (9, 5), (20, 12), (6, 4, 5)),
            "bidirectional": one_of(False, False, True),
            "forget_bias": one_of(1.0, "chrono"),
            "pooling": one_of("last", "mean"),
            "normalize_X": one_of(True, True, False),
            "solver": one_of("adam", "adam", "adamw", "sgd", "rmsprop", "lbfgs"),
            "learning_rate": one_of("constant", "invscaling", "adaptive", "cosine"),
            "batch_size": one_of(3, 32, 200),
            "early_stopping": one_of(False, False, True),
            "max_grad_norm": one_of(None, 1.0),
            "dropout": one_of(0.0, 0.3),
            "recurrent_dropout": one_of(0.0, 0.2),
            "max_iter": 4,
            "random_state": i,
        }
        if parameters["solver"] == "lbfgs":
            parameters |= {"dropout": 0.0, "recurrent_dropout": 0.0}
        if kind == "LSTMRegressor":
            losses = "squared_error", "absolute_error", "huber", "quantile", "poisson"
            parameters["loss"] = one_of(*losses)
        else:
            parameters["class_weight"] = one_of(None, {0: 2.0, 1: 0.5})
        data = {
            "form": one_of("2d", "3d", "strided", "padded", "list"),
            "dtype": one_of("float32", "float64"),
            "n_outputs": one_of(1, 3),
            "weighted": one_of(False, True),
            "again": one_of(None, "warm_start", "partial_fit"),
            "seed": i,
        }
        yield kind, parameters, data


def describe(kind, parameters, data):
    """What is fitted, in a line."""
    return f"{kind} {parameters} {data}"


def digest(kind, parameters, data):
    """Of the weights and what is predicted, after one fit or two."""
    import sklstm

    # Of the folder that was asked for, and not of what happens to be installed.
    assert Path(sklstm.__file__).parents[1].samefile(os.environ["PYTHONPATH"])
    X, y, sample_weight = make(kind, parameters, data)
    model = getattr(sklstm, kind)(**parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, sample_weight)
        if data["again"] == "warm_start":
            model.set_params(warm_start=True).fit(X, y, sample_weight)
        elif data["again"] == "partial_fit" and model.solver != "lbfgs":
            model.set_params(early_stopping=False).partial_fit(X, y, sample_weight)
        raw = model.predict(X) if kind == "LSTMRegressor" else model.predict_proba(X)
    found = hashlib.sha256()
    arrays = [*model.input_weights_, *model.recurrent_weights_, *model.biases_]
    for array in (*arrays, model.output_weights_, model.output_bias_, model.loss_curve_, raw):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def make(kind, parameters, data):
    """X in its form, y, and weights or None."""
    rng = np.random.RandomState(data["seed"])
    n, n_timesteps = 90, int(rng.randint(2, 20))
    n_features = 1 if data["form"] == "2d" else int(rng.randint(1, 6))
    X = (3 + 2 * rng.standard_normal((n, n_timesteps, n_features))).astype(data["dtype"])
    mean = X.mean(axis=(1, 2), dtype=np.float64)
    if kind == "LSTMClassifier":
        y = np.searchsorted(
            np.quantile(mean, [0.5] if data["n_outputs"] == 1 else [0.3, 0.7]), mean
        )
    else:
        y = np.abs(mean[:, np.newaxis] * np.arange(1, data["n_outputs"] + 1))
        y = y[:, 0] if data["n_outputs"] == 1 else y
    lengths = rng.randint(1, n_timesteps + 1, n)
    if data["form"] == "2d":
        X = X[:, :, 0]
    elif data["form"] == "strided":
        X = np.asfortranarray(X)
    elif data["form"] == "padded":
        for sequence, length in zip(X, lengths, strict=True):
            sequence[length:] = np.nan
    elif data["form"] == "list":
        X = [sequence[:length] for sequence, length in zip(X, lengths, strict=True)]
    return X, y, rng.randint(0, 3, n) if data["weighted"] else None


if __name__ == "__main__":
    main()
