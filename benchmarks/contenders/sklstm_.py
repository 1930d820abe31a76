"""sklstm, through its public estimator with its defaults."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sklstm import LSTMRegressor, StreamingPredictor


class Weights(NamedTuple):
    """Fitted attributes of `LSTMRegressor`; gates are in the order input, forget, cell, output."""

    input: list  # (4 units, inputs), one a layer and direction
    recurrent: list  # (4 units, units)
    biases: list  # (4 units,)
    output: np.ndarray  # (outputs, head inputs)
    output_bias: np.ndarray  # (outputs,)


class Contender:
    """An `LSTMRegressor`; each training is a fit from the start, validation of X included."""

    def __init__(self, workload, dtype=np.float32):
        self._data = workload.data(dtype)
        self._model = LSTMRegressor(
            workload.units,
            bidirectional=workload.bidirectional,
            batch_size=workload.batch,
            n_iter_no_change=np.inf,
            # As the peers do here.
            max_grad_norm=1.0,
            random_state=0,
        )

    def train(self, epochs):
        """Fit for some epochs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.set_params(max_iter=epochs).fit(*self._data)

    @property
    def weights(self):
        """What the other contenders take over: those of the last fit, or of one epoch."""
        model = self._model
        if not hasattr(model, "n_iter_"):
            self.train(1)
        return Weights(
            model.input_weights_, model.recurrent_weights_, model.biases_,
            model.output_weights_, model.output_bias_,
        )  # fmt: skip

    def predictors(self, X):
        """The one way to predict."""
        return {"predict": lambda: self._model.predict(X)}

    def steppers(self, n_series):
        """The one way to stream."""
        return {"StreamingPredictor": StreamingPredictor(self._model, n_series).predict}
