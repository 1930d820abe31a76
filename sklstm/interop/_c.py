"""to_c: a fitted net as a file of C."""

import re
from string import Template
from typing import Any

import numpy as np

from sklstm import __version__
from sklstm._kernels.products import GATES
from sklstm._kernels.shard import MOST
from sklstm._parts import take_apart
from sklstm.interop import _c_text as text
from sklstm.interop._affine import (
    NOTHING,
    Affine,
    in_turn,
    in_two_parts,
    refuse_other_steps,
    scaled_after,
    shift_and_stretch,
)
from sklstm.interop._net import NORMAL, SORTED, read_net

_FLOAT_BYTES = 4


def to_c(estimator: Any, name: str = "lstm") -> str:
    """Write a fitted estimator as a file of C99.

    It allocates no memory, and needs nothing but the math of the C library.

    Parameters
    ----------
    estimator : LSTMRegressor, LSTMClassifier or Pipeline
        A fitted estimator, or a pipeline of `TimestepTransformer` and one. Of transformers it
        takes StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler.
    name : str, default="lstm"
        What all names in the file begin with: letters, digits and underscores.

    Returns
    -------
    code : str
        A file with these functions, each explained at its top::

            void name_reset(name_state *state);
            void name_step(name_state *state, const float *x, float *y);
            void name_predict(const float *x, size_t n_steps, float *y);

        `name_step` reads the newest step of a series, x[n_features], and answers for all of its
        steps so far. `name_predict` reads a whole sequence, x[n_steps][n_features]. An answer y is
        what `predict` gives; several outputs, and the quantiles of each, one after the other; of
        loss="gaussian" all means, then all deviations; of a classifier the probabilities of the
        classes. With pooling=None `name_predict` writes one for each step. NAME_FEATURES and
        NAME_ANSWERS are the sizes.

        A net of two directions needs all of a sequence: there is no state and no step then, and
        `name_predict` wants a buffer of NAME_BUFFER(n_steps) floats as its last argument.

    Raises
    ------
    NotFittedError
        If a part is not fitted.
    TypeError, ValueError
        If the estimator is of another kind, has a transformer that cannot be written, or numbers
        that float cannot hold; or if the name is none in C.

    Notes
    -----
    All is computed in float, whatever the net was fitted in, and agrees with `predict` of float32
    to 1e-5 relative to the largest prediction. Features are standardised before they are
    multiplied, so that a large offset does not cost digits.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMRegressor
    >>> from sklstm.interop import to_c
    >>> X = np.random.RandomState(0).normal(size=(50, 12, 2))
    >>> model = LSTMRegressor(8, tol=1e-3, random_state=0).fit(X, X[:, -1, 0])
    >>> code = to_c(model, name="level")
    >>> "void level_step(level_state *state, const float *x, float *y);" in code
    True
    """
    if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name, re.ASCII)):
        raise ValueError(
            f"name must begin with a letter, and have letters, digits and underscores alone, got "
            f"{name!r}."
        )
    transformers, fitted = take_apart(estimator, "estimator")
    net = read_net(fitted)
    refuse_other_steps(transformers, net)
    net = scaled_after(net, _affine(transformers)).as_type(np.float32)
    arrays = dict(_arrays(net))
    words = _words(net, name, type(fitted).__name__, arrays)
    parts = [
        text.HEAD,
        text.BUFFER if net.bidirectional else text.STATE,
        *(_array(name, *each) for each in arrays.items()),
        text.CELL,
        text.SCALED,
        text.ANSWER,
        text.BOTH_DIRECTIONS if net.bidirectional else text.STREAM,
    ]
    return "".join(part.substitute(words) for part in parts)


def _affine(transformers):
    """All transformers in one, which have to shift and stretch features."""
    done = NOTHING
    for part in (each for one in transformers for each in in_turn(one.transformer_)):
        affine = shift_and_stretch(part)
        if affine is None:
            raise ValueError(
                f"to_c writes StandardScaler, MaxAbsScaler, RobustScaler, and MinMaxScaler without "
                f"clip, got {type(part).__name__}: transform X before, and give to_c the net alone."
            )
        done = done.then(*affine)
    return done


def _arrays(net):
    """The constants: their names, and their numbers row by row."""
    for layer, cells in enumerate(net.layers):
        for array, cell in zip(("weights", "backward"), cells, strict=False):
            rows = [cell.bias[np.newaxis], cell.input_weights.T, cell.recurrent_weights.T]
            yield f"{array}_{layer}", np.concatenate(rows)
    yield "output", np.concatenate([net.output_bias[np.newaxis], net.output_weights.T])
    for array, part in zip(
        ("mean", "low"), in_two_parts(Affine(net.mean, net.scale), np.float32), strict=True
    ):
        if part.any():
            yield array, part
    if (net.scale != 1).any():
        yield "scale", net.scale.astype(np.float32)


def _array(name, array, numbers):
    """The template of an array, but for what all templates have in common."""
    digits = [_number(each) for each in numbers.ravel()]
    lines = [", ".join(digits[first : first + 8]) for first in range(0, len(digits), 8)]
    numbers = ",\n".join(f"    {line}" for line in lines)
    return Template(text.ARRAY.safe_substitute(array=array, size=len(digits), numbers=numbers))


def _number(value):
    """A float in C, from which the same number is read."""
    digits = f"{value:.9g}"
    return f"{digits}f" if re.search("[.e]", digits) else f"{digits}.0f"


def _words(net, name, estimator, arrays):
    """What is filled in."""
    words = {
        "name": name,
        "NAME": name.upper(),
        "version": __version__,
        "estimator": estimator,
        "features": net.n_features,
        "most": _number(MOST),
        "gates": GATES * max(net.units),
        "most_units": max(net.units),
        "units": net.units[-1],
        "read": net.output_weights.shape[1],
        "raw": net.n_raw,
        "outputs": net.n_outputs,
        "quantiles": net.n_quantiles,
        # Of two classes there is one raw output.
        "answers": max(net.n_raw, net.n_outputs),
        "meaning": _meaning(net),
        "constant_bytes": _FLOAT_BYTES * sum(each.size for each in arrays.values()),
        "standardised": _standardised(name, arrays),
        "per_step": "",
    }
    words["stack_bytes"] = _FLOAT_BYTES * sum(
        words[each] for each in ("features", "gates", "read", "raw")
    )
    if net.pooling is None:
        words["per_step"] = f" {name}_predict writes one for each step, y[n_steps][$answers]."
        words["per_step"] = Template(words["per_step"]).substitute(words)
    words["link"] = text.LINKS[net.link].substitute(words)
    return words | (_words_of_both if net.bidirectional else _words_of_stream)(net, words)


def _standardised(name, arrays):
    """A feature, as an expression."""
    number = "x[k]"
    for array in ("mean", "low"):
        if array in arrays:
            number += f" - {name}_{array}[k]"
    return f"({number}) * {name}_scale[k]" if "scale" in arrays else number


def _words_of_stream(net, words):
    """What is filled in for a net of one direction."""
    top, inputs, sources = len(net.units) - 1, [net.n_features, *net.units], ["z"]
    sources += [f"state->hidden_{layer}" for layer in range(top)]
    layers = [
        words | {"layer": layer, "units": units, "inputs": inputs[layer], "source": sources[layer]}
        for layer, units in enumerate(net.units)
    ]
    words = words | {"top": top, "pooled": "sum" if net.pooling == "mean" else "maximum"}
    pools = net.pooling in ("mean", "max")
    fields = [text.LAYER_FIELDS.substitute(each) for each in layers]
    fields += [text.POOLING_FIELDS.substitute(words)] * pools
    words["state_bytes"] = _FLOAT_BYTES * (2 * sum(net.units) + pools * (words["read"] + 1))
    predict = text.PREDICT_EACH if net.pooling is None else text.PREDICT_ONCE
    return words | {
        "usage": text.USAGE_OF_STREAMS.substitute(words),
        "fields": "".join(fields),
        "layers": "".join(text.LAYER_OF_STREAM.substitute(each) for each in layers),
        "pooling": text.POOLING_OF_STREAM[net.pooling].substitute(words),
        "finish": text.FINISH[net.pooling].substitute(words),
        "predict": predict.substitute(words),
    }


def _words_of_both(net, words):
    """What is filled in for a net of two directions.

    Each layer reads one half of the buffer, and writes the other.
    """
    widths = [net.n_features, *(2 * units for units in net.units)]
    halves = [("even", "odd")[place % 2] for place in range(len(widths))]
    even, odd = max(widths[::2]), max(widths[1::2])
    layers = [
        words | {
            "layer": layer, "units": units, "inputs": widths[layer], "source": halves[layer],
            "target": halves[layer + 1],
        }
        for layer, units in enumerate(net.units)
    ]  # fmt: skip
    words = words | {"top": halves[-1], "even_width": even, "buffer_width": even + odd}
    words["stack_bytes"] += 2 * _FLOAT_BYTES * words["most_units"]
    return words | {
        "usage": text.USAGE_OF_SEQUENCES.substitute(words),
        "layers": "".join(text.LAYER_OF_BOTH.substitute(each) for each in layers),
        "pooling": text.POOLING_OF_BOTH[net.pooling].substitute(words),
    }


def _meaning(net):
    """What an answer has, in words that can stand in a comment."""
    if net.classes is not None:
        labels = ", ".join(re.sub(r"[*?\\]", "_", ascii(label)) for label in net.classes.tolist())
        return f"the probabilities of the classes {labels}"
    n = net.n_outputs
    each = "the prediction" if n == 1 else f"the predictions of {n} outputs"
    if net.link == NORMAL:
        return f"{each}, then as many standard deviations"
    if net.link == SORTED:
        return f"{each}, of each {net.n_quantiles} quantiles in ascending order"
    return each
