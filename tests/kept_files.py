"""The models of the files in `kept/`, and how a version writes them, once and for ever.

With the oldest libraries (`.ci/oldest.txt`), whose arrays newer ones can read too. For a commit of
version 0.1.0:

    git archive ea43ce9 | tar x -C old
    cd old && PYTHONPATH=. python .../tests/kept_files.py .../tests/kept/0.1.0-ea43ce9
"""

import json
import pickle
import sys
import warnings
from pathlib import Path
from zipfile import ZIP_DEFLATED

import joblib
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMClassifier, LSTMRegressor, TimestepTransformer

NUMBERS = np.random.RandomState(0).normal(size=(30, 5, 2))
TARGET = NUMBERS.sum(axis=1)
FORMS = {
    "array": NUMBERS,
    "float32": NUMBERS.astype(np.float32),
    "table": NUMBERS.reshape(30, 10),
    "list": [sequence[: 2 + i % 4] for i, sequence in enumerate(NUMBERS)],
}
# All are pickled; a regressor and a classifier also go through joblib and skops.
TWO_KINDS = "deep", "words"
SHORT = {"max_iter": 3, "batch_size": 10, "random_state": 0, "learning_rate_init": 0.03}


def models():
    """Each model's name, the form of its X, and what is fitted."""
    yield (
        "deep",
        "float32",
        LSTMRegressor((3, 2), bidirectional=True, pooling="mean", **SHORT),
        (100 + 10 * TARGET),
    )
    counts = np.floor(np.exp(TARGET[:, 0]))
    yield "counts", "array", LSTMRegressor(3, loss="poisson", solver="sgd", **SHORT), counts
    upper = LSTMRegressor(3, loss="quantile", quantile=0.9, n_timesteps=5, **SHORT)
    yield "quantile", "table", upper.set_params(early_stopping=True), TARGET[:, 0]
    words = np.array(["fall", "rest", "rise"])[np.digitize(TARGET[:, 0], [-1, 1])]
    yield "words", "list", LSTMClassifier(3, class_weight="balanced", **SHORT), words
    yield (
        "two",
        "array",
        LSTMClassifier(3, solver="lbfgs", max_iter=3, random_state=0),
        (TARGET[:, 1] > 0),
    )
    scaled = make_pipeline(TimestepTransformer(StandardScaler()), LSTMRegressor(3, **SHORT))
    yield "pipeline", "array", scaled, TARGET[:, 0]


def answers(model, X):
    method = "predict_proba" if hasattr(model, "predict_proba") else "predict"
    return getattr(model, method)(X)


def write(folder):
    expected = {}
    for name, form, model, y in models():
        model.fit(FORMS[form], y)
        expected[name] = np.asarray(answers(model, FORMS[form]), float).tolist()
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(model, protocol=4))
        if name in TWO_KINDS:
            joblib.dump(model, folder / f"{name}.joblib")
            skops.dump(model, folder / f"{name}.skops", compression=ZIP_DEFLATED, compresslevel=9)
    (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")


if __name__ == "__main__":
    import skops.io as skops

    warnings.simplefilter("ignore")
    Path(sys.argv[1]).mkdir()
    write(Path(sys.argv[1]))
