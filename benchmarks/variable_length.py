"""What training on lengths drawn evenly from 1 to T costs, as a share of training on length T.

python benchmarks/variable_length.py
"""

import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklstm import LSTMRegressor

SAMPLES, STEPS, FEATURES, EPOCHS, REPEATS = 1024, 100, 8, 10, 7


def main():
    """Print the median times, alternating, and their ratio."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    rng = np.random.default_rng(0)
    full = rng.standard_normal((SAMPLES, STEPS, FEATURES), np.float32)
    y = rng.standard_normal(SAMPLES, np.float32)
    lengths = rng.integers(1, STEPS + 1, SAMPLES)
    padded = np.where(
        np.arange(STEPS)[:, np.newaxis] < lengths[:, np.newaxis, np.newaxis], full, np.nan
    )
    print(f"mean length {lengths.mean() / STEPS:.0%} of {STEPS}")
    for settings in (
        {"hidden_layer_sizes": 64},
        {"hidden_layer_sizes": 128, "batch_size": 64},
        {"hidden_layer_sizes": 64, "bidirectional": True},
    ):
        model = LSTMRegressor(**settings, max_iter=EPOCHS, n_iter_no_change=np.inf)
        model.fit(full, y)
        seconds = np.array(
            [[fit_time(model, X, y) for X in (full, padded)] for _ in range(REPEATS)]
        )
        one, other = np.median(seconds, axis=0) / EPOCHS * 1e3
        ratio = np.median(seconds[:, 1] / seconds[:, 0])
        print(f"{settings}: {one:.0f} ms an epoch, {other:.0f} padded: {ratio:.0%}")


def fit_time(model, X, y):
    """Seconds of a fit."""
    start = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
