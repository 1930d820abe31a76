"""Keras on JAX: its own `fit`, with its own compilation."""

import jax
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


class Stateful:
    """Layers that keep their states from call to call, called eagerly.

    On JAX neither `predict` nor `predict_on_batch` keeps them: what is compiled writes no state.
    """

    def __init__(self, n_series, inputs, units, weights):
        layers = [
            keras.layers.LSTM(
                size, return_sequences=index < len(units) - 1, stateful=True, unroll=True
            )
            for index, size in enumerate(units)
        ]
        given = keras.Input(batch_shape=(n_series, 1, inputs))
        self._model = keras.Sequential([given, *layers, keras.layers.Dense(1)])
        self._model.set_weights(weights)

    def __call__(self, x):
        return np.asarray(self._model(x[:, np.newaxis]))


class CompiledSteps:
    """A model with states as inputs and outputs, compiled by JAX, without Keras around it."""

    def __init__(self, n_series, inputs, units, weights):
        x = given = keras.Input(batch_shape=(n_series, 1, inputs))
        before = [[keras.Input(batch_shape=(n_series, size)) for _ in "hc"] for size in units]
        after = []
        for states, size in zip(before, units, strict=True):
            layer = keras.layers.LSTM(size, return_sequences=True, return_state=True, unroll=True)
            x, *new = layer(x, initial_state=states)
            after.append(new)
        model = keras.Model([given, before], [keras.layers.Dense(1)(x[:, 0]), after])
        model.set_weights(weights)
        self._weights = [
            [variable.value for variable in variables]
            for variables in (model.trainable_variables, model.non_trainable_variables)
        ]
        self._states = [[np.zeros((n_series, size), np.float32) for _ in "hc"] for size in units]
        self._step = jax.jit(model.stateless_call)

    def __call__(self, x):
        (y, self._states), _ = self._step(*self._weights, [x[:, np.newaxis], self._states])
        return np.asarray(y)


class Contender:
    """A model with the weights given. Float32 only."""

    def __init__(self, workload, dtype=np.float32, weights=None):
        assert dtype == np.float32
        self._workload, self._batch = workload, workload.batch
        self._X, self._y = workload.data(dtype)
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

    def steppers(self, n_series):
        """Keras's own way, and a faster one."""
        of = n_series, self._workload.inputs, self._workload.units, self._model.get_weights()
        return {"stateful=True": Stateful(*of), "jax.jit(stateless_call)": CompiledSteps(*of)}
