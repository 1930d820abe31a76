"""examples/first_steps.py by Keras on JAX, for its time from `python` to the answer."""

import os

os.environ["KERAS_BACKEND"] = "jax"  # before Keras is imported

import keras
import numpy as np

X = np.array([[0.1 * (first + step) for step in range(5)] for first in range(1, 5)])[..., None]
y = np.array([0.6, 0.7, 0.8, 0.9])
question = np.array([[0.5, 0.6, 0.7, 0.8, 0.9]])[..., None]

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((5, 1)), keras.layers.LSTM(64), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), "mse")
model.fit(X, y, batch_size=1, epochs=100, verbose=0)
answer = model.predict(question, verbose=0)[0, 0]
print(f"After 0.5, 0.6, 0.7, 0.8, 0.9 comes {answer:.3f}. The rule says 1.0.")
