"""Sequences of different lengths: in a list, in an array of objects, or padded with NaN."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, small_net, weights
from numpy.testing import assert_allclose
from ragged import (
    FORMS,
    LENGTHS,
    LONGEST,
    N_FEATURES,
    N_SAMPLES,
    STEPS,
    Y,
    for_each_form,
    in_a_list,
    in_an_array_of_objects,
    padded,
)
from sklearn.model_selection import (
    GridSearchCV,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    train_test_split,
)

from sklstm import LSTMClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- The same sequences in every form -------------------------------------------------------

# Those that scikit-learn can split.
for_each_split_form = pytest.mark.parametrize(
    "form", [in_a_list, in_an_array_of_objects, padded], ids=lambda form: form.__name__
)

NETS = {
    "one layer": {},
    "mean": {"pooling": "mean"},
    "bidirectional": {"bidirectional": True},
    "bidirectional mean": {"bidirectional": True, "pooling": "mean"},
    "two layers": {"hidden_layer_sizes": (4, 3)},
    "two layers, bidirectional": {"hidden_layer_sizes": (4, 3), "bidirectional": True},
    "two layers, bidirectional mean": {
        "hidden_layer_sizes": (4, 3),
        "bidirectional": True,
        "pooling": "mean",
    },
}
for_each_net = pytest.mark.parametrize("net", NETS.values(), ids=list(NETS))
for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])

TRAININGS = NETS | {
    "dropout": {"dropout": 0.3, "recurrent_dropout": 0.2},
    "chrono": {"forget_bias": "chrono"},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.2},
    "lbfgs": {"solver": "lbfgs"},
    "one by one": {"batch_size": 1},
}


def as_type(dtype):
    return [steps.astype(dtype) for steps in STEPS]


@for_each_form
@pytest.mark.parametrize("net", TRAININGS.values(), ids=list(TRAININGS))
def test_fit_gives_the_same_bits_in_every_form(form, net):
    model = small_net(**net).fit(form(STEPS), Y)
    assert_same_bits(vars(model), vars(small_net(**net).fit(STEPS, Y)))
    assert (model.n_timesteps_, model.n_features_in_) == (None, N_FEATURES)


@for_each_form
@for_each_net
@for_each_dtype
def test_predict_gives_the_same_bits_in_every_form_and_alone(form, net, dtype):
    sequences = as_type(dtype)
    model = small_net(**net).fit(sequences, Y)
    together = model.predict(sequences)
    assert together.dtype == dtype
    assert_same_bits(model.predict(form(sequences)), together)
    assert_same_bits(model.predict(form(sequences[::-1])), together[::-1].copy())
    for i in (0, 7, int(LENGTHS.argmax()), int(LENGTHS.argmin())):
        assert_same_bits(model.predict(form(sequences[i : i + 1])), together[i : i + 1])
        # As an array of its own length too.
        assert_same_bits(model.predict(sequences[i][np.newaxis]), together[i : i + 1])


@for_each_form
@for_each_dtype
def test_partial_fit_gives_the_same_bits_in_every_form(form, dtype):
    sequences = as_type(dtype)
    model, other = small_net(bidirectional=True), small_net(bidirectional=True)
    for rows in (slice(0, 15), slice(15, 40), slice(3, 9)):
        model.partial_fit(sequences[rows], Y[rows])
        other.partial_fit(form(sequences[rows]), Y[rows])
    assert_same_bits(vars(other), vars(model))


@for_each_form
def test_score_is_the_same_in_every_form(form):
    model = small_net().fit(STEPS, Y)
    assert_same_bits(model.score(form(STEPS), Y), model.score(STEPS, Y))


@for_each_form
def test_a_classifier_gives_the_same_bits_in_every_form(form):
    labels = np.where(Y > 0, "up", "down")
    model = LSTMClassifier(4, max_iter=3, random_state=0, bidirectional=True)
    probabilities = copy.deepcopy(model).fit(STEPS, labels).predict_proba(STEPS)
    model.fit(form(STEPS), labels)
    assert_same_bits(model.predict_proba(form(STEPS)), probabilities)
    assert_same_bits(model.predict_proba(form(STEPS[:1])), probabilities[:1])


@for_each_net
def test_lists_of_one_length_give_the_bits_of_an_array(net):
    X = np.random.RandomState(0).normal(size=(20, 5, N_FEATURES))
    y = X[:, -1, 0]
    on_list, on_array = small_net(**net).fit(list(X), y), small_net(**net).fit(X, y)
    assert_same_bits(weights(on_list), weights(on_array))
    assert_same_bits(on_list.loss_curve_, on_array.loss_curve_)
    assert_same_bits(on_list.predict(X), on_array.predict(list(X)))


@for_each_form
@for_each_net
def test_sequences_may_be_of_length_one(form, net):
    firsts = [steps[:1] for steps in STEPS]
    model = small_net(**net).fit(form(firsts), Y)
    on_rows = small_net(n_timesteps=1, **net).fit(np.concatenate(firsts), Y)
    assert_same_bits(weights(model), weights(on_rows))
    assert_same_bits(model.predict(form(firsts)), on_rows.predict(np.concatenate(firsts)))


def test_numbers_of_mixed_types_are_computed_in_float64():
    mixed = [steps.astype(np.float32) if i else steps for i, steps in enumerate(STEPS)]
    model = small_net().fit(mixed, Y)
    assert weights(model).dtype == np.float64
    exact = [steps.astype(np.float64) for steps in mixed]
    assert_same_bits(model.predict(mixed), model.predict(exact))
    whole = [np.rint(10 * steps).astype(int) for steps in STEPS]
    nested = [steps.tolist() for steps in whole]
    assert_same_bits(weights(small_net().fit(whole, Y)), weights(small_net().fit(nested, Y)))


def test_fit_and_predict_leave_the_sequences_as_they_are():
    for form in FORMS:
        X = form(STEPS)
        before = copy.deepcopy(X)
        small_net().fit(X, Y).predict(X)
        assert_same_bits(X, before)


def test_a_fitted_net_may_be_pickled_and_takes_any_length():
    model = pickle.loads(pickle.dumps(small_net().fit(STEPS, Y)))
    longer = np.random.RandomState(0).normal(size=(3, 50, N_FEATURES))
    assert model.predict(longer).shape == (3,)
    assert_same_bits(model.predict(longer), model.predict(list(longer)))


def test_partial_fit_takes_any_length_after_a_batch_of_one():
    X = np.random.RandomState(0).normal(size=(10, LONGEST, N_FEATURES))
    model = small_net().partial_fit(STEPS, Y).partial_fit(X, np.zeros(10))
    assert model.n_timesteps_ is None
    assert model.partial_fit(STEPS, Y).predict(STEPS).shape == (N_SAMPLES,)


# --- What is learned ------------------------------------------------------------------------

LEARNABLE = {
    "last": (lambda steps: steps[-1, 0], {}),
    "first, from the back": (lambda steps: steps[0, 0], {"bidirectional": True}),
    "mean": (lambda steps: steps[:, 0].mean(), {"pooling": "mean"}),
}


@for_each_split_form
@pytest.mark.parametrize(("target", "net"), LEARNABLE.values(), ids=list(LEARNABLE))
def test_what_stands_at_either_end_of_each_sequence_is_learned(form, target, net):
    rng = np.random.RandomState(0)
    sequences = [rng.uniform(-1, 1, size=(rng.randint(1, 13), 1)) for _ in range(300)]
    X = padded(sequences, 12) if form is padded else form(sequences)
    y = [target(steps) for steps in sequences]
    model = small_net(hidden_layer_sizes=8, max_iter=40, learning_rate_init=0.02, tol=0, **net)
    # Padding that was read, or a direction that started elsewhere, would leave most of it unknown.
    assert model.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.95


# --- Against the twin and PyTorch -----------------------------------------------------------

RATE = 0.5


def one_step(net):
    """A net, and the loss's gradient there as one step of gradient descent shows it."""
    model = small_net(
        solver="sgd", momentum=0, nesterovs_momentum=False, learning_rate_init=RATE, alpha=0,
        normalize_X=False, normalize_y=False, batch_size=N_SAMPLES, **net,
    )  # fmt: skip
    before = copy.deepcopy(model.partial_fit(STEPS, Y))
    model.partial_fit(STEPS, Y)
    return before, {
        name: [(one - other) / RATE for one, other in zip(parts(before)[name], new, strict=True)]
        for name, new in parts(model).items()
    }


def parts(model):
    """Weights by name, each a list of arrays."""
    return {
        "input_weights": model.input_weights_,
        "recurrent_weights": model.recurrent_weights_,
        "biases": model.biases_,
        "output_weights": [model.output_weights_],
        "output_bias": [model.output_bias_],
    }


def assert_close(actual, expected):
    # Errors of some roundings of float64, relative to the largest number: others may be sums that
    # cancel. The difference of two weights adds what they have lost.
    assert_allclose(actual, expected, rtol=0, atol=1e-12 * max(1, np.abs(expected).max()))


def reference_round(model):
    """The twin's raw outputs, and its gradient of the mean of half the squared errors."""
    own = {name: value for name, value in parts(model).items() if not name.startswith("output")}
    raw, trace = reference.forward(
        padded(STEPS),
        own | {"output_weights": model.output_weights_, "output_bias": model.output_bias_},
        bidirectional=model.bidirectional,
        pooling=model.pooling,
        lengths=LENGTHS,
    )
    return raw[:, 0], reference.backward(trace, (raw - Y[:, np.newaxis]) / N_SAMPLES)


@for_each_net
def test_predictions_and_gradients_are_those_of_the_twin(net):
    model, gradient = one_step(net)
    raw, expected = reference_round(model)
    assert_close(model.predict(STEPS), raw)
    for name, arrays in gradient.items():
        others = expected[name] if isinstance(expected[name], list) else [expected[name]]
        for array, other in zip(arrays, others, strict=True):
            assert_close(array, other)


@for_each_net
def test_predictions_and_gradients_are_those_of_torch_on_packed_sequences(net):
    torch = pytest.importorskip("torch")
    rnn = pytest.importorskip("torch.nn.utils.rnn")
    model, gradient = one_step(net)
    layers, head = torch_twin(torch, model)
    packed = rnn.pack_sequence([torch.from_numpy(s) for s in STEPS], enforce_sorted=False)
    for layer in layers:
        packed, (hidden, _) = layer(packed)
    if model.pooling == "last":
        top = hidden.transpose(0, 1).reshape(N_SAMPLES, -1)
    else:
        states, lengths = rnn.pad_packed_sequence(packed, batch_first=True)
        top = states.sum(dim=1) / lengths[:, None]
    raw = head(top)[:, 0]
    loss = 0.5 * ((raw - torch.from_numpy(Y)) ** 2).mean()
    loss.backward()
    assert_close(model.predict(STEPS), raw.detach().numpy())
    for index, cell in enumerate(torch_cells(layers)):
        for name, tensor in cell.items():
            assert_close(gradient[name][index], tensor.grad.numpy())
    assert_close(gradient["output_weights"][0], head.weight.grad.numpy())
    assert_close(gradient["output_bias"][0], head.bias.grad.numpy())


def torch_twin(torch, model):
    """PyTorch's layers, one of each size, and head with the weights of a model."""
    directions = 2 if model.bidirectional else 1
    layers, inputs = [], N_FEATURES
    for units in np.atleast_1d(model.hidden_layer_sizes).tolist():
        layers.append(
            torch.nn.LSTM(inputs, units, bidirectional=model.bidirectional, dtype=torch.float64)
        )
        inputs = directions * units
    head = torch.nn.Linear(inputs, 1, dtype=torch.float64)
    with torch.no_grad():
        for index, cell in enumerate(torch_cells(layers)):
            for name, tensor in cell.items():
                tensor.copy_(torch.tensor(parts(model)[name][index]))
        # PyTorch adds a second bias.
        for layer in layers:
            for name, tensor in layer.named_parameters():
                if name.startswith("bias_hh"):
                    tensor.zero_()
        head.weight.copy_(torch.tensor(model.output_weights_))
        head.bias.copy_(torch.tensor(model.output_bias_))
    return layers, head


def torch_cells(layers):
    """What PyTorch's layers call the weights of each cell."""
    for layer in layers:
        for suffix in ("l0", "l0_reverse")[: 1 + layer.bidirectional]:
            yield {
                "input_weights": getattr(layer, f"weight_ih_{suffix}"),
                "recurrent_weights": getattr(layer, f"weight_hh_{suffix}"),
                "biases": getattr(layer, f"bias_ih_{suffix}"),
            }


# --- scikit-learn's tools -------------------------------------------------------------------


@for_each_split_form
def test_train_test_split_keeps_sequences_and_targets_together(form):
    X_train, X_test, y_train, y_test = train_test_split(form(STEPS), Y, random_state=0)
    model = small_net().fit(X_train, y_train)
    listed = train_test_split(STEPS, Y, random_state=0)
    assert_same_bits(model.predict(X_test), small_net().fit(*listed[::2]).predict(listed[1]))
    assert np.isfinite(model.score(X_test, y_test))


@for_each_split_form
@pytest.mark.parametrize("cv", [3, TimeSeriesSplit(3)], ids=["KFold", "TimeSeriesSplit"])
def test_cross_validation_is_the_same_in_every_form(form, cv):
    scores = cross_val_score(small_net(), STEPS, Y, cv=cv)
    assert np.isfinite(scores).all()
    assert_same_bits(cross_val_score(small_net(), form(STEPS), Y, cv=cv), scores)


@for_each_split_form
def test_cross_val_predict_gives_each_sequence_its_prediction(form):
    predictions = cross_val_predict(small_net(), form(STEPS), Y, cv=4)
    assert predictions.shape == (N_SAMPLES,)
    assert_same_bits(predictions[:10], small_net().fit(STEPS[10:], Y[10:]).predict(STEPS[:10]))


@for_each_split_form
def test_grid_search_is_the_same_in_every_form(form):
    grid = {"pooling": ["last", "mean"], "bidirectional": [False, True]}
    search = GridSearchCV(small_net(), grid, cv=2).fit(form(STEPS), Y)
    listed = GridSearchCV(small_net(), grid, cv=2).fit(STEPS, Y)
    assert search.best_params_ == listed.best_params_
    for score in ("mean_test_score", "rank_test_score"):
        assert_same_bits(search.cv_results_[score], listed.cv_results_[score])
    assert_same_bits(search.predict(form(STEPS)), listed.predict(STEPS))
    assert_same_bits(search.score(form(STEPS), Y), listed.score(STEPS, Y))


@for_each_form
def test_validation_data_may_be_of_any_length(form):
    model = small_net(max_iter=5).fit(form(STEPS), Y, X_val=form(STEPS[:9]), y_val=Y[:9])
    listed = small_net(max_iter=5).fit(STEPS, Y, X_val=STEPS[:9], y_val=Y[:9])
    assert_same_bits(model.validation_scores_, listed.validation_scores_)
    assert len(model.validation_scores_) == 5


# --- Memory ---------------------------------------------------------------------------------


def test_memory_maps_give_the_bits_of_arrays(tmp_path):
    np.save(tmp_path / "padded.npy", padded(STEPS))
    one_array = np.load(tmp_path / "padded.npy", mmap_mode="r")
    for i, steps in enumerate(STEPS):
        np.save(tmp_path / f"{i}.npy", steps)
    many = [np.load(tmp_path / f"{i}.npy", mmap_mode="r") for i in range(N_SAMPLES)]
    expected = small_net().fit(STEPS, Y)
    for X in (one_array, many):
        model = small_net().fit(X, Y)
        assert_same_bits(vars(model), vars(expected))
        assert_same_bits(model.predict(X), expected.predict(STEPS))
        assert np.isfinite(cross_val_score(small_net(), X, Y, cv=2)).all()


@pytest.mark.parametrize("padded_in_one_array", [False, True])
def test_sequences_are_not_copied(padded_in_one_array):
    X = np.random.RandomState(0).normal(size=(4000, 100, 4))
    lengths = np.random.RandomState(1).randint(1, 101, size=len(X))
    X[np.arange(100) >= lengths[:, np.newaxis]] = np.nan
    whole = X.nbytes
    if not padded_in_one_array:
        X = [row[:length] for row, length in zip(X, lengths, strict=True)]
    y = np.zeros(len(X))
    net = small_net(max_iter=1, hidden_layer_sizes=1, batch_size=8)
    net.fit(X[:20], y[:20]).predict(X[:20])
    tracemalloc.start()
    try:
        net.fit(X, y).predict(X)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < whole / 2
