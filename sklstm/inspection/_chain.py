"""The transformers of a pipeline: what they make of steps, and derivatives by differences."""

import numpy as np

_EPSILON = np.finfo(np.float64).eps


def transformed(transformers, steps):
    """Steps (n_steps, n_features) as the net reads them, in float64."""
    for transformer in transformers:
        steps = transformer._transform_rows(steps)
    return np.asarray(steps, np.float64)


def widths(steps):
    """How far each feature is moved, to see what transformers make of it.

    The error of a central difference is the square of the width, relative to that over which a
    transformer bends, which is about the spread of the feature; and rounding, relative to the size
    of the feature, divided by the width. Both together are least at a third of the exponent.

    Parameters
    ----------
    steps : ndarray of shape (n_steps, n_features)
        NaN is left out.

    Returns
    -------
    widths : ndarray of shape (n_features,)
    """
    known = np.isfinite(steps)
    numbers, n = np.where(known, steps, 0.0), known.sum(axis=0).clip(min=1)
    size = np.abs(numbers).max(axis=0)
    difference = np.where(known, steps - numbers.sum(axis=0) / n, 0.0)
    spread = np.sqrt(np.square(difference).sum(axis=0) / n)
    # Of a constant, only its size says in which units it is.
    spread = np.where(spread > _EPSILON * size, spread, np.where(size > 0, size, 1.0))
    return spread * np.cbrt(_EPSILON * np.maximum(size / spread, 1.0))


def pull_back(transformers, steps, gradient, width):
    """The gradient on steps before transformers, given that after them.

    A transformer works step by step: to move one feature at all steps shows its derivatives there.

    Parameters
    ----------
    transformers : list of TimestepTransformer
    steps : ndarray of shape (n_steps, n_features), of float64
        Before the transformers.
    gradient : ndarray of shape (n_steps, n_transformed)
        On what they make of it.
    width : ndarray of shape (n_features,)
        As of `widths`.

    Returns
    -------
    gradient : ndarray of shape (n_steps, n_features)
    """
    result = np.empty(steps.shape)
    for feature in range(steps.shape[1]):
        above, below = steps.copy(), steps.copy()
        above[:, feature] += width[feature]
        below[:, feature] -= width[feature]
        try:
            rise = transformed(transformers, above) - transformed(transformers, below)
        except ValueError as error:
            raise ValueError(
                f"The pipeline has no derivative by feature {feature} of X: its transformers "
                f"refuse numbers near those of X, with the words: {error}"
            ) from error
        # What was added is not what was meant, by rounding.
        run = (above - below)[:, feature]
        result[:, feature] = (gradient * rise).sum(axis=1) / run
    # What is missing, and put in by a transformer, has no influence.
    return np.where(np.isnan(steps), 0.0, result)
