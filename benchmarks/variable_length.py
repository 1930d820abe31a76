"""What training on lengths drawn evenly from 1 to T costs, as a share of training on length T.

python -m benchmarks.variable_length
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks import timing
from sklstm import LSTMRegressor

SAMPLES, STEPS, FEATURES, EPOCHS, ROUNDS = 1024, 100, 8, 10, 7


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
        times = timing.contest(
            {
                "full": lambda model=model: model.fit(full, y),
                "varying": lambda model=model: model.fit(padded, y),
            },
            ROUNDS,
            inner=EPOCHS,
            label=f"an epoch of {settings}",
        )
        ratio = timing.row("", times, "full")["ratios"]["varying"]
        print(f"a share of {ratio['median']:.0%}")


if __name__ == "__main__":
    main()
