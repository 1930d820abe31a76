"""Keras on JAX: its own `fit`, with its own compilation."""

import keras
import numpy as np


def build(steps, inputs, units, bidirectional=False):
    """LSTM layers, and a dense head on the last hidden state of each direction; compiled."""
    layers = [keras.Input((steps, inputs))]
    for index, size in enumerate(units):
        layer = keras.layers.LSTM(size, return_sequences=index < len(units) - 1)
        layers.append(keras.layers.Bidirectional(layer) if bidirectional else layer)
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), "mse")
    return model


class Contender:
    """A model with the weights given. Float32 only."""

    def __init__(self, workload, dtype=np.float32, weights=None):
        assert dtype == np.float32
        self._batch, (self._X, self._y) = workload.batch, workload.data(dtype)
        self._model = build(workload.steps, workload.inputs, workload.units, workload.bidirectional)
        if weights is not None:
            self._take(weights, workload.directions)

    def _take(self, weights, directions):
        # Kernels are transposed; gates are in the order input, forget, cell, output, as sklstm's.
        each = [
            array
            for W, U, b in zip(weights.input, weights.recurrent, weights.biases, strict=True)
            for array in (W.T, U.T, b)
        ]
        *layers, head = self._model.layers
        for index, layer in enumerate(layers):
            layer.set_weights(each[3 * directions * index : 3 * directions * (index + 1)])
        head.set_weights([weights.output.T, weights.output_bias])

    def train(self, epochs):
        """Go on training."""
        self._model.fit(
            self._X, self._y, batch_size=self._batch, epochs=epochs, shuffle=True, verbose=0
        )

    def predictors(self, X):
        """Keras has three."""
        return {
            "predict": lambda: self._model.predict(X, batch_size=256, verbose=0),
            "predict_on_batch": lambda: self._model.predict_on_batch(X),
            "call": lambda: np.asarray(self._model(X)),
        }
