"""The derivative of a prediction by each number of X."""

from typing import Any

import numpy as np

from sklstm._typing import Floats, SequencesLike
from sklstm.inspection._blocks import blocks_of, gradient_on_x, run_blocks, trace_of
from sklstm.inspection._chain import pull_back, widths
from sklstm.inspection._given import read_given
from sklstm.inspection._outputs import read_output


@np.errstate(all="ignore")
def input_gradients(estimator: Any, X: SequencesLike, *, output: Any = 0) -> Floats | list[Floats]:
    """The derivative of a prediction by each number of X.

    It says what a small change of one feature at one step would change. It is exact, by
    backpropagation through time.

    Parameters
    ----------
    estimator : LSTMRegressor, LSTMClassifier or Pipeline
        Fitted; or a pipeline of `TimestepTransformer` and one. Derivatives are by the numbers that
        go into the pipeline: those of the net are exact, those of the transformers at each step
        are central differences in float64, wrong by about 1e-9.
    X : array-like of shape (n_samples, n_columns) or (n_samples, n_timesteps, n_features), or \
            list of array-like of shape (n_timesteps_i, n_features)
        The sequences, in any form that `estimator.predict` takes.
    output : int, tuple, str or label, default=0
        What is derived. Of a regressor, the index of an output of y; with several quantiles, that
        of a quantile, or of several outputs a pair (output, quantile); with loss="gaussian" it is
        the mean. Of a classifier a class: what is derived is its raw output, of two classes the
        logit of the second, or minus that for the first. With pooling=None it is a step, negative
        from the end of each sequence, or "sum" over all steps of a sequence; or a pair of one of
        these and what is derived there, by itself the first output or the second of two classes.

    Returns
    -------
    gradients : ndarray or list of ndarray
        In the form of X, in the units of the prediction by those of X; NaN on padding. float32 if
        the net reads float32, else float64.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError, ValueError
        If it is of another kind, X cannot be read, or there is no such output.

    See Also
    --------
    integrated_gradients : What each number has contributed to a prediction.

    References
    ----------
    .. [1] Simonyan, Vedaldi & Zisserman (2014), Deep inside convolutional networks: visualising
       image classification models and saliency maps. ICLR workshop.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.inspection import input_gradients
    >>> X = np.random.RandomState(0).normal(size=(300, 6, 2))
    >>> model = LSTMRegressor(8, learning_rate_init=0.01, max_iter=30, tol=0, random_state=0)
    >>> model = model.fit(X, 3 * X[:, -1, 1])
    >>> gradients = input_gradients(model, X)
    >>> gradients.shape
    (300, 6, 2)
    >>> print(np.abs(gradients).mean(axis=0)[-1].round())
    [0. 3.]
    """
    given = read_given(estimator, X)
    chosen = read_output(given, output)
    sequences = given.sequences
    gradients = np.empty((given.starts[-1], given.n_features), sequences.dtype)
    width = None if given.raw is None else widths(given.raw.rows.astype(np.float64))

    def run(rows, stopped):
        lengths, trace = given.lengths[rows], trace_of(given, rows)
        raw, _ = trace.forward()
        on_net = gradient_on_x(trace, chosen.value_and_slope(raw, lengths)[1])
        if lengths.min() < lengths.max():
            on_net = on_net[np.arange(lengths.max()) < lengths[:, np.newaxis]]
        on_net = on_net.reshape(-1, on_net.shape[-1])
        if width is not None:
            steps = given.steps_of(rows)
            on_net = pull_back(given.transformers, steps, on_net.astype(np.float64), width)
        gradients[given.places(rows)] = on_net

    run_blocks(run, blocks_of(given.architecture, sequences.dtype, given.lengths))
    return given.in_form_of_x(gradients)
