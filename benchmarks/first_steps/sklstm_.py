"""The net of examples/first_steps.py, for its time from `python` to the answer."""

import numpy as np

from sklstm import LSTMRegressor

X = np.array([[0.1 * (first + step) for step in range(5)] for first in range(1, 5)])
y = np.array([0.6, 0.7, 0.8, 0.9])
question = np.array([0.5, 0.6, 0.7, 0.8, 0.9])

model = LSTMRegressor(
    hidden_layer_sizes=64,
    batch_size=1,
    max_iter=100,
    n_iter_no_change=np.inf,
    normalize_y=False,
    random_state=0,
).fit(X, y)
print(f"After 0.5, 0.6, 0.7, 0.8, 0.9 comes {model.predict([question])[0]:.3f}. The rule says 1.0.")
