"""What a fit minimises: losses, penalty, clipping, dropout, L-BFGS; and what it prints."""

import re
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, small_net, weights
from scipy.optimize import minimize, minimize_scalar
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

import sklstm._base
from sklstm import LSTMRegressor
from sklstm._network.parameters import Architecture, named_views
from sklstm._network.sharding import Team
from sklstm._sequences import read_sequences
from sklstm._training.dropout import Dropout
from sklstm._training.losses import LOSSES
from sklstm._training.optimizers import OPTIMIZERS

ignores_convergence = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- Losses, end to end ---------------------------------------------------------------------

# Training ends with a learning rate of nearly 0, but the median and quantiles have a kink there,
# where the last steps jump to and fro: a thousandth of the standard deviation is allowed.
OF_A_DEVIATION = 1e-3


def fit_without_signal(y, sample_weight=None, **parameters):
    """The prediction of a net that sees the same sequence for every target, once for each output.

    The rate falls slowly enough to come near the optimum of every loss.
    """
    X = np.ones((len(y), 2))
    model = LSTMRegressor(
        2, solver="adam", learning_rate="cosine", learning_rate_init=0.03, alpha=0, max_iter=400,
        batch_size=len(y), n_iter_no_change=np.inf, max_grad_norm=None, random_state=0,
        **parameters,
    )  # fmt: skip
    prediction = model.fit(X, y, sample_weight=sample_weight).predict(X)
    assert_same_bits(prediction, np.broadcast_to(prediction[:1], prediction.shape).copy())
    return prediction[0]


def huber_optimum(y, delta=1.35):
    """The constant of least Huber loss, whose delta is in standard deviations of y."""
    value = reference.LOSSES["huber"].value
    centre, deviation = y.mean(), y.std()
    scaled = (y - centre) / deviation
    best = minimize_scalar(lambda c: value(c, scaled, delta=delta).sum(), (0, 0.1)).x
    return centre + deviation * best


# loss: its parameters, the best constant
OPTIMA = {
    "squared_error": ({}, np.mean),
    "absolute_error": ({}, np.median),
    "huber": ({"huber_delta": 0.5}, lambda y: huber_optimum(y, 0.5)),
    "quantile 0.1": ({"quantile": 0.1}, lambda y: np.quantile(y, 0.1)),
    "quantile 0.5": ({"quantile": 0.5}, np.median),
    "quantile 0.9": ({"quantile": 0.9}, lambda y: np.quantile(y, 0.9)),
    "poisson": ({}, np.mean),
}
for_each_optimum = pytest.mark.parametrize("case", OPTIMA)


@pytest.fixture(name="skewed", scope="module")
def targets_whose_mean_is_not_the_median():
    """Positive and skewed; 51, so that median, 0.1- and 0.9-quantile are one of them each."""
    return np.random.RandomState(0).exponential(size=51) + 0.2


@pytest.fixture(name="repeats", scope="module")
def whole_numbers_as_weights():
    """Weights with a sum of 71, for the same reason."""
    repeats = np.random.RandomState(1).randint(4, size=51)
    repeats[-1] += 71 - repeats.sum()
    return repeats


@ignores_convergence
@for_each_optimum
def test_without_signal_a_fit_predicts_the_best_constant(skewed, case):
    parameters, optimum = OPTIMA[case]
    prediction = fit_without_signal(skewed, loss=case.split()[0], **parameters)
    np.testing.assert_allclose(prediction, optimum(skewed), atol=OF_A_DEVIATION * skewed.std())


@ignores_convergence
@for_each_optimum
def test_without_signal_a_weight_counts_as_repeated_targets(skewed, repeats, case):
    parameters, optimum = OPTIMA[case]
    prediction = fit_without_signal(skewed, repeats, loss=case.split()[0], **parameters)
    repeated = np.repeat(skewed, repeats)
    np.testing.assert_allclose(prediction, optimum(repeated), atol=OF_A_DEVIATION * repeated.std())


@ignores_convergence
@for_each_optimum
def test_without_signal_every_output_has_its_own_best_constant(skewed, case):
    parameters, optimum = OPTIMA[case]
    y = np.column_stack([skewed, 50 + 20 * skewed[::-1], skewed**2])
    prediction = fit_without_signal(y, loss=case.split()[0], **parameters)
    for output, column in zip(prediction, y.T, strict=True):
        # Outputs share a hidden state, so that the kink of one jogs the others a little.
        np.testing.assert_allclose(output, optimum(column), atol=3 * OF_A_DEVIATION * column.std())


@ignores_convergence
@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"poisson"}))
def test_predictions_are_in_the_units_of_y(X, y, loss):
    one = small_net(loss=loss, quantile=0.8).fit(X, y)
    other = small_net(loss=loss, quantile=0.8).fit(X, 300 + 20 * y)
    # Standardised targets agree but for rounding, which three epochs hardly magnify.
    np.testing.assert_allclose(other.predict(X), 300 + 20 * one.predict(X), rtol=1e-9)
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-9)


@ignores_convergence
def test_poisson_predictions_are_in_the_units_of_y(X):
    # A rate many times as high: the log link makes up for it, from the very start.
    counts = np.random.RandomState(0).poisson(4, size=len(X))
    for times in (1, 1000):
        model = small_net(loss="poisson", solver="lbfgs", max_iter=50).fit(X, times * counts)
        prediction = model.predict(X)
        assert (prediction > 0).all()
        np.testing.assert_allclose(prediction.mean(), times * counts.mean(), rtol=0.05)


@ignores_convergence
def test_normalize_y_has_no_effect_on_poisson(X):
    counts = np.random.RandomState(0).poisson(4, size=len(X))
    fits = [
        small_net(loss="poisson", normalize_y=normalize_y).fit(X, counts)
        for normalize_y in (False, True)
    ]
    assert_same_bits(weights(fits[0]), weights(fits[1]))


def test_poisson_refuses_negative_targets_before_training(X, y):
    model = small_net(loss="poisson")
    for method in (model.fit, model.partial_fit):
        with pytest.raises(
            ValueError, match=r"loss='poisson' wants y of at least 0.* minimum of -"
        ):
            method(X, np.r_[-1, np.ones(len(X) - 1)])
    with pytest.raises(ValueError, match="loss='poisson' wants y of at least 0"):
        model.fit(X, np.ones(len(X)), X_val=X, y_val=-np.ones(len(X)))
    assert not hasattr(model, "loss_curve_")


def test_poisson_refuses_targets_that_are_all_zero(X):
    # Their mean has no logarithm.
    with pytest.raises(
        ValueError, match="loss='poisson' wants y of at least 0 with a positive sum"
    ):
        small_net(loss="poisson").fit(X, np.zeros(len(X)))


@ignores_convergence
def test_poisson_validates_on_counts_that_are_all_zero(X):
    model = small_net(loss="poisson")
    model.fit(X, np.arange(len(X)), X_val=X[:5], y_val=np.zeros(5))
    expected = -model.predict(X[:5]).mean()
    np.testing.assert_allclose(model.best_validation_score_, expected, rtol=1e-9)


# --- One step, by the equations -------------------------------------------------------------


class _CaughtError(Exception):
    """Ends a fit before its first step."""


def start_of(model, *data):
    """What a fit begins with: its architecture, flat vector, and source of masks."""
    patched = mock.patch.object(sklstm._base, "train", side_effect=_CaughtError)
    with patched as train, pytest.raises(_CaughtError):
        clone(model).fit(*data)
    fit = train.call_args.kwargs
    return fit["architecture"], fit["progress"].weights, fit["bit_generator"]


def padded(arrays):
    """Sequences in one array, and their lengths."""
    lengths = [len(array) for array in arrays]
    X = np.full((len(arrays), max(lengths), arrays[0].shape[1]), np.nan)
    for row, array in zip(X, arrays, strict=True):
        row[: len(array)] = array
    return X, np.array(lengths)


def draw_masks(architecture, rows, *rest):
    """The first masks that such a `Dropout` draws."""
    return Dropout(architecture, rows, *rest).draw(rows)


def as_lists(architecture, masks):
    """Masks as the twin takes them: one for each layer and the head, and one for each cell."""
    inputs, recurrent = architecture.mask_sizes
    parts = np.split(masks, np.cumsum([*inputs, *recurrent])[:-1], axis=1)
    return parts[: len(inputs)], parts[len(inputs) :]


def twin_objective(
    architecture, flat, X, y, *, alpha=0.0, sample_weight=None, loss="squared_error", settings=None,
    masks=None, lengths=None,
):  # fmt: skip
    """The penalised mean loss, and its gradient on the flat vector, by the slow twin."""
    kind, settings = reference.LOSSES[loss], settings or {}
    inputs, recurrent = (None, None) if masks is None else as_lists(architecture, masks)
    raw, trace = reference.forward(
        X, named_views(architecture, flat), bidirectional=architecture.bidirectional,
        pooling=architecture.pooling, lengths=lengths, input_masks=inputs,
        recurrent_masks=recurrent,
    )  # fmt: skip
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    share = (weight / weight.sum())[:, np.newaxis] / y.shape[1]
    value = (share * kind.value(raw, y, **settings)).sum()
    gradient, penalised = np.zeros_like(flat), flat.copy()
    views = named_views(architecture, gradient)
    pieces = reference.backward(trace, share * kind.gradient(raw, y, **settings))
    for name in ("input_weights", "recurrent_weights", "biases"):
        for view, piece in zip(views[name], pieces[name], strict=True):
            view[:] = piece
    for name in ("output_weights", "output_bias"):
        views[name][:] = pieces[name]
    # Biases are spared.
    views = named_views(architecture, penalised)
    for bias in (*views["biases"], views["output_bias"]):
        bias[:] = 0
    penalised *= alpha / weight.sum()
    return value + penalised @ flat / 2, gradient + penalised


STEPS = {
    "plain": {},
    "alpha": {"alpha": 0.7},
    "alpha, two layers in both directions": {
        "alpha": 0.7, "hidden_layer_sizes": (3, 2), "bidirectional": True, "pooling": "mean",
    },
    "a gradient longer than max_grad_norm": {"max_grad_norm": 0.01, "alpha": 0.7},
    "a gradient shorter than max_grad_norm": {"max_grad_norm": 100.0},
    "dropout": {"dropout": 0.5},
    "recurrent_dropout": {"recurrent_dropout": 0.3},
    "both, two layers in both directions": {
        "dropout": 0.2, "recurrent_dropout": 0.3, "hidden_layer_sizes": (3, 2),
        "bidirectional": True,
    },
    "absolute error": {"loss": "absolute_error"},
    "huber": {"loss": "huber", "huber_delta": 0.5},
    "quantile": {"loss": "quantile", "quantile": 0.8},
    "poisson": {"loss": "poisson"},
}  # fmt: skip
SETTINGS_OF_TWINS = {"huber": {"delta": 0.5}, "quantile": {"quantile": 0.8}}


@ignores_convergence
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("parameters", STEPS.values(), ids=STEPS)
def test_a_step_is_the_gradient_of_the_penalised_loss_clipped(X3, y, parameters, weighted):
    parameters = {"max_grad_norm": None, "alpha": 0.0, **parameters}
    model = small_net(
        solver="sgd", momentum=0, batch_size=len(y), max_iter=1, shuffle=False, normalize_y=False,
        **parameters,
    )  # fmt: skip
    y = np.abs(np.column_stack([y, y**2]))
    sample_weight = np.random.RandomState(1).uniform(size=len(y)) if weighted else None
    architecture, start, bit_generator = start_of(model, X3, y, sample_weight)
    masks = draw_masks(
        architecture, len(y), model.dropout, model.recurrent_dropout, bit_generator, X3.dtype
    )
    value, gradient = twin_objective(
        architecture, start, X3, y, alpha=model.alpha, masks=masks, sample_weight=sample_weight,
        loss=model.loss, settings=SETTINGS_OF_TWINS.get(model.loss),
    )  # fmt: skip
    if model.max_grad_norm is not None:
        assert (np.linalg.norm(gradient) > model.max_grad_norm) == (model.max_grad_norm < 1)
        gradient = reference.clip(gradient, model.max_grad_norm)
    model.fit(X3, y, sample_weight=sample_weight)
    np.testing.assert_allclose(
        model._weights, start - model.learning_rate_init * gradient, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(model.loss_, value, rtol=1e-12)


@ignores_convergence
def test_no_clipping_is_a_very_long_norm(X, y):
    assert_same_bits(
        weights(small_net(max_grad_norm=None).fit(X, y)),
        weights(small_net(max_grad_norm=1e300).fit(X, y)),
    )


# --- Dropout --------------------------------------------------------------------------------

DEEP = Architecture(3, (4, 5), True, "last", 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_masks_are_one_a_sequence_for_every_input_and_recurrent_state(dtype):
    masks = draw_masks(DEEP, 7, 0.5, 0.25, np.random.MT19937(0), dtype)
    assert masks.dtype == dtype
    inputs, recurrent = as_lists(DEEP, masks)
    # The inputs of both layers and of the head; the states of four cells.
    assert [mask.shape for mask in inputs] == [(7, 3), (7, 8), (7, 10)]
    assert [mask.shape for mask in recurrent] == [(7, 4), (7, 4), (7, 5), (7, 5)]
    assert set(np.unique(np.hstack(inputs))) == {0, dtype(2)}
    assert set(np.unique(np.hstack(recurrent))) == {0, dtype(1 / 0.75)}


def test_masks_have_an_expectation_of_1():
    n, rates = 20_000, np.repeat([0.5, 0.1], [3 + 8 + 10, 18])
    masks = draw_masks(DEEP, n, 0.5, 0.1, np.random.MT19937(0), np.float64)
    # A mean of n draws of 0 or 1 / (1 - rate); 5 standard deviations leave no room for chance.
    np.testing.assert_array_less(
        np.abs(masks.mean(axis=0) - 1), 5 * np.sqrt(rates / (1 - rates) / n)
    )
    # Sequences and columns are drawn one independently of the other.
    correlation = np.corrcoef(masks, rowvar=False) - np.eye(len(rates))
    assert np.abs(correlation).max() < 5 / np.sqrt(n)
    assert np.abs(np.corrcoef(masks[:-1, 0], masks[1:, 0])[0, 1]) < 5 / np.sqrt(n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_masks_of_any_number_of_rows_are_random_states_uniform_numbers(dtype):
    bit_generator, twin = np.random.MT19937(0), np.random.RandomState(np.random.MT19937(0))
    dropout = Dropout(DEEP, 9, 0.5, 0.1, bit_generator, dtype)
    rates = np.repeat([0.5, 0.1], [3 + 8 + 10, 18])
    for rows in (9, 4, 1, 9):
        kept = twin.uniform(size=(rows, len(rates))) >= rates
        assert_same_bits(dropout.draw(rows).copy(), (kept / (1 - rates)).astype(dtype))


def test_without_dropout_there_are_no_masks_and_no_draws():
    bit_generator = np.random.MT19937(0)
    before = bit_generator.state
    assert draw_masks(DEEP, 7, 0.0, 0.0, bit_generator, np.float64) is None
    assert_same_bits(bit_generator.state, before)


def test_masks_of_one_kind_leave_the_other_at_1():
    for dropout, recurrent_dropout, untouched in ((0.5, 0.0, 1), (0.0, 0.5, 0)):
        masks = draw_masks(DEEP, 9, dropout, recurrent_dropout, np.random.MT19937(0), np.float64)
        kinds = as_lists(DEEP, masks)
        assert (np.hstack(kinds[untouched]) == 1).all()
        assert (np.hstack(kinds[1 - untouched]) == 0).any()


@pytest.mark.parametrize(
    "lengths", [[6] * 9, [6, 1, 3, 6, 2, 5, 1, 4, 6]], ids=["equal", "variable"]
)
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kinds", [(True, False), (False, True), (True, True)])
def test_gradient_with_masks_is_the_twins(kinds, bidirectional, pooling, lengths):
    rng = np.random.RandomState(0)
    architecture = Architecture(3, (4, 5), bidirectional, pooling, 2)
    arrays = [rng.normal(size=(length, 3)) for length in lengths]
    sequences = read_sequences(LSTMRegressor(), arrays, reset=True)
    flat, y = rng.normal(size=architecture.n_weights), rng.normal(size=(len(arrays), 2))
    masks = draw_masks(
        architecture, len(y), 0.4 * kinds[0], 0.3 * kinds[1], np.random.MT19937(1), np.float64
    )
    X, lengths = padded(arrays)
    with Team(
        architecture, sequences, len(y), True, dropout=kinds[0], recurrent_dropout=kinds[1]
    ) as team:
        raw = team.forward(flat, np.arange(len(y)), masks)
        gradient = team.backward((raw - y) / y.size)
    _, expected = twin_objective(
        architecture, flat, np.nan_to_num(X), y, masks=masks, lengths=lengths
    )
    # float64 as promised; gradients are of the order of 1.
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-10)


def test_the_expected_output_is_unchanged():
    # The head is linear in what it reads. With a rate of 1/2 all masks on it are equally likely,
    # so the mean over all of them is the expectation.
    rng = np.random.RandomState(0)
    architecture = Architecture(2, (4,), False, "last", 1)
    flat = rng.normal(size=architecture.n_weights)
    n_masks = 2**4
    bits = (np.arange(n_masks)[:, np.newaxis] >> np.arange(4)) % 2
    masks = np.hstack([np.ones((n_masks, 2)), bits / (1 - 0.5), np.ones((n_masks, 4))])
    X = np.repeat(rng.normal(size=(1, 5, 2)), n_masks, axis=0)
    sequences = read_sequences(LSTMRegressor(), X, reset=True)
    with Team(architecture, sequences, n_masks, True, dropout=True) as team:
        raw = team.forward(flat, np.arange(n_masks), masks)
        plain = team.forward(flat, np.arange(n_masks), np.ones_like(masks))
    assert raw.std() > 0.1
    np.testing.assert_allclose(raw.mean(), plain[0, 0], rtol=1e-12)


@ignores_convergence
def test_nothing_is_dropped_at_predict(X3, y):
    model = small_net(
        hidden_layer_sizes=(4, 3), bidirectional=True, dropout=0.5, recurrent_dropout=0.5
    ).fit(X3, y)
    expected, _ = reference.forward(
        X3,
        {name: getattr(model, f"{name}_") for name in (
            "input_weights", "recurrent_weights", "biases", "output_weights", "output_bias"
        )},
        bidirectional=True,
    )  # fmt: skip
    np.testing.assert_allclose(model.predict(X3), expected[:, 0], rtol=1e-12, atol=1e-12)
    assert_same_bits(model.predict(X3), model.predict(X3))


@ignores_convergence
@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_masks_come_from_random_state(X, y, kind):
    one, same = (small_net(**{kind: 0.4}).fit(X, y) for _ in range(2))
    assert_same_bits(vars(one), vars(same))
    settings = {"shuffle": False, "batch_size": 64}
    assert_same_bits(
        weights(small_net(**{kind: 0.0}, **settings).fit(X, y)),
        weights(small_net(**settings).fit(X, y)),
    )
    dropped = small_net(**{kind: 0.4}, **settings).fit(X, y)
    assert np.abs(weights(dropped) - weights(small_net(**settings).fit(X, y))).max() > 1e-4


@pytest.fixture(name="drawn")
def recorded_masks(monkeypatch):
    """The masks of all minibatches, as they are drawn."""
    draw, drawn = Dropout.draw, []

    def recording_draw(self, rows):
        masks = draw(self, rows)
        drawn.append(masks.copy())
        return masks

    monkeypatch.setattr(Dropout, "draw", recording_draw)
    return drawn


@ignores_convergence
def test_masks_change_from_minibatch_to_minibatch(X, y, drawn):
    small_net(dropout=0.5, max_iter=2).fit(X, y)
    # 40 rows in minibatches of 16, twice.
    assert [len(masks) for masks in drawn] == [16, 16, 8] * 2
    assert len({masks[:8].tobytes() for masks in drawn}) == 6


@ignores_convergence
@pytest.mark.parametrize("kind", ["dropout", "recurrent_dropout"])
def test_masks_change_from_chunk_to_chunk_and_from_fit_to_fit(X, y, drawn, kind):
    # An int as random_state must not drop the same units of every chunk of a stream.
    streamed = small_net(**{kind: 0.5}, batch_size=64)
    for _ in range(3):
        streamed.partial_fit(X, y)
    assert len({masks.tobytes() for masks in drawn}) == 3
    drawn.clear()
    warm = small_net(**{kind: 0.5}, batch_size=64, warm_start=True, max_iter=1)
    warm.fit(X, y).fit(X, y)
    assert len({masks.tobytes() for masks in drawn}) == 2


def test_lbfgs_refuses_dropout(X, y):
    for kind in ("dropout", "recurrent_dropout"):
        with pytest.raises(ValueError, match=f"solver='lbfgs' needs .*{kind}=0.5"):
            small_net(solver="lbfgs", **{kind: 0.5}).fit(X, y)


# --- L-BFGS ---------------------------------------------------------------------------------


@pytest.fixture(name="peer", scope="module")
def scipy_on_the_twin():
    """A tiny problem, the twin's objective on it, and scipy's own run from the same start."""
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(8, 2, 2)), rng.normal(size=(8, 1))
    model = LSTMRegressor(
        2, solver="lbfgs", alpha=1.0, normalize_y=False, max_iter=200, tol=1e-5, random_state=0
    )
    architecture, start, _ = start_of(model, X, y[:, 0])

    def objective(flat):
        return twin_objective(architecture, flat, X, y, alpha=1.0)

    return SimpleNamespace(
        model=model, X=X, y=y[:, 0], objective=objective, curve=scipy_lbfgs(objective, start, 200)
    )


def scipy_lbfgs(objective, start, max_iter):
    """The objective after each iteration of scipy's own."""
    values = []
    minimize(
        objective, start, jac=True, method="L-BFGS-B", options={"maxiter": max_iter, "gtol": 1e-5},
        callback=lambda flat: values.append(objective(flat)[0]),
    )  # fmt: skip
    return values


def test_lbfgs_reaches_the_minimum_that_scipy_reaches_on_the_twin(peer):
    # It converges: nothing is warned.
    model = clone(peer.model).fit(peer.X, peer.y)
    # Each iteration magnifies the rounding in which the two differ.
    np.testing.assert_allclose(model.loss_curve_[:10], peer.curve[:10], rtol=1e-9)
    # Both stop where the objective falls by less than 2e-9 of itself in an iteration.
    np.testing.assert_allclose(model.loss_, peer.curve[-1], rtol=1e-6)
    assert model.loss_ == model.best_loss_ == model.loss_curve_[-1]
    value, gradient = peer.objective(model._weights)
    np.testing.assert_allclose(model.loss_, value, rtol=1e-12)
    assert np.abs(gradient).max() < 1e-3


def test_lbfgs_works_from_a_warm_start(peer):
    model = clone(peer.model).set_params(warm_start=True, max_iter=8)
    with pytest.warns(ConvergenceWarning, match="8"):
        model.fit(peer.X, peer.y)
    # What scipy makes of the same start: the curvature that it had learned is gone.
    expected = scipy_lbfgs(peer.objective, model._weights, 8)
    model.set_params(max_iter=200).fit(peer.X, peer.y)
    np.testing.assert_allclose(model.loss_curve_[:16], peer.curve[:8] + expected, rtol=1e-9)
    assert model.loss_ < expected[-1]


@pytest.mark.parametrize("solver", list(OPTIMIZERS))
@ignores_convergence
def test_lbfgs_goes_on_from_another_solver_and_back(X, y, solver):
    model = small_net(solver=solver, warm_start=True, max_iter=2).fit(X, y)
    before = model.loss_
    model.set_params(solver="lbfgs", max_iter=5).fit(X, y)
    assert max(model.loss_curve_[2:]) < before
    model.set_params(solver=solver, learning_rate_init=1e-4, max_iter=1).fit(X, y)
    np.testing.assert_allclose(model.loss_curve_[-1], model.loss_curve_[-2], rtol=0.05)


@ignores_convergence
@pytest.mark.parametrize("block", [1, 7, 16, 39])
def test_lbfgs_block_by_block_is_all_at_once_but_for_rounding(X, y, monkeypatch, block):
    sample_weight = np.random.RandomState(0).uniform(size=len(y))
    # No sum of the weights of a block must be needed.
    sample_weight[:7] = 0
    # A few iterations, as each magnifies the rounding of sums in another order.
    model = small_net(solver="lbfgs", max_iter=5, alpha=0.1)
    whole = clone(model).fit(X, y, sample_weight=sample_weight)
    monkeypatch.setattr(sklstm._base, "LBFGS_BLOCK", block)
    blocks = clone(model).fit(X, y, sample_weight=sample_weight)
    np.testing.assert_allclose(blocks.loss_curve_, whole.loss_curve_, rtol=1e-10)
    np.testing.assert_allclose(weights(blocks), weights(whole), rtol=1e-7, atol=1e-9)


def test_lbfgs_takes_a_block_at_a_time(monkeypatch, X, y):
    sizes = []

    class RecordingTeam(Team):
        def __init__(self, architecture, sequences, max_rows, *rest, **settings):
            sizes.append(max_rows)
            super().__init__(architecture, sequences, max_rows, *rest, **settings)

    monkeypatch.setattr(sklstm._training.objective, "Team", RecordingTeam)
    monkeypatch.setattr(sklstm._base, "LBFGS_BLOCK", 7)
    with pytest.warns(ConvergenceWarning):
        small_net(solver="lbfgs").fit(X, y)
    assert sizes == [7]


@ignores_convergence
def test_lbfgs_in_float32_ends_near_float64(peer):
    settings = {"max_iter": 60}
    single = clone(peer.model).set_params(**settings).fit(peer.X.astype(np.float32), peer.y)
    double = clone(peer.model).set_params(**settings).fit(peer.X, peer.y)
    assert single.input_weights_[0].dtype == np.float32
    np.testing.assert_allclose(single.loss_, double.loss_, rtol=0.02)


def test_lbfgs_that_has_nothing_to_do_still_knows_its_loss(X, y):
    # A tolerance that the start meets.
    model = small_net(solver="lbfgs", tol=1e6).fit(X, y)
    assert np.isfinite(model.loss_)
    assert model.loss_ == model.best_loss_


# --- What is printed ------------------------------------------------------------------------


def shape_of(text):
    """Lines without the digits of floats, since two different nets print different ones."""
    return re.sub(r"-?\d+\.(\d+)", lambda found: f"#.{'#' * len(found[1])}", text).splitlines()


VERBOSE = {
    "constant": {"solver": "adam"},
    "sgd": {"solver": "sgd"},
    "early stopping": {"early_stopping": True},
    "max_iter": {"max_iter": 2},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1e-5},
    "adaptive, with early stopping": {
        "solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 1e-5,
        "early_stopping": True,
    },
}  # fmt: skip


@ignores_convergence
@pytest.mark.parametrize("parameters", VERBOSE.values(), ids=VERBOSE)
def test_verbose_prints_what_mlp_regressor_prints(X, y, capsys, parameters):
    # No epoch but the first improves by so much.
    parameters = {"max_iter": 50, "tol": 10.0, "n_iter_no_change": 2, **parameters}
    small_net(verbose=True, **parameters).fit(X, y)
    ours = capsys.readouterr()
    MLPRegressor(
        hidden_layer_sizes=4, batch_size=16, random_state=0, verbose=True,
        **{"learning_rate_init": 0.01, **parameters},
    ).fit(X, y)  # fmt: skip
    theirs = capsys.readouterr()
    assert shape_of(ours.out) == shape_of(theirs.out)
    assert len(shape_of(ours.out)) >= 2
    assert ours.err == theirs.err == ""


@ignores_convergence
def test_verbose_prints_the_loss_of_each_epoch_and_its_score(X, y, capsys):
    model = small_net(verbose=True, early_stopping=True).fit(X, y)
    expected = []
    for number, (loss, score) in enumerate(
        zip(model.loss_curve_, model.validation_scores_, strict=True), 1
    ):
        expected += [f"Iteration {number}, loss = {loss:.8f}", f"Validation score: {score:f}"]
    assert capsys.readouterr().out.splitlines() == expected


@ignores_convergence
def test_verbose_partial_fit_prints_each_pass(X, y, capsys):
    model = small_net(verbose=True)
    for _ in range(3):
        model.partial_fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" = ")[0] for line in lines] == [f"Iteration {i}, loss" for i in (1, 2, 3)]


@ignores_convergence
def test_verbose_lbfgs_prints_each_iteration(X, y, capsys):
    model = small_net(solver="lbfgs", verbose=True, max_iter=4).fit(X, y)
    assert capsys.readouterr().out.splitlines() == [
        f"Iteration {number}, loss = {loss:.8f}" for number, loss in enumerate(model.loss_curve_, 1)
    ]


# --- Weights in minibatches -----------------------------------------------------------------


def test_weights_count_also_between_minibatches():
    # One row a minibatch: normalised by its own weight, each row would count the same.
    X = np.zeros((200, 2))
    y = np.r_[np.zeros(100), np.ones(100)]
    weight = np.where(y == 0, 9.0, 1.0)
    model = small_net(
        normalize_y=False, batch_size=1, max_iter=60, tol=0, alpha=0, solver="sgd", momentum=0,
        learning_rate="cosine", learning_rate_init=0.05,
    ).fit(X, y, sample_weight=weight)  # fmt: skip
    np.testing.assert_allclose(model.predict(X[:1]), 0.1, atol=0.02)


@ignores_convergence
def test_rows_of_hardly_any_weight_do_not_spoil_a_fit(X, y):
    weight = np.r_[np.ones(len(y)), np.full(200, 1e-9)]
    settings = {"max_iter": 100, "tol": 0}
    alone = small_net(**settings).fit(X, y).score(X, y)
    spoiled = np.r_[X, np.random.RandomState(3).normal(size=(200, X.shape[1]))]
    model = small_net(**settings).fit(spoiled, np.r_[y, np.zeros(200)], sample_weight=weight)
    assert model.score(X, y) > alone - 0.1
