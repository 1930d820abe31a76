"""To PyTorch and back: the same predictions, and nets that were trained there go on here."""

import copy
import io
import pickle
import sys

import numpy as np
import pytest
from conftest import assert_same_bits, ignores_convergence, weights
from exchanged import (
    ARRAY,
    KINDS,
    LENGTHS,
    NETS,
    PADDED,
    POOLINGS,
    TOLERANCE,
    answers,
    close,
    fitted,
    run_examples,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMRegressor, StreamingPredictor, TimestepTransformer
from sklstm.inspection import gate_activations, input_gradients, integrated_gradients
from sklstm.interop import from_torch, to_onnx, to_torch

torch = pytest.importorskip("torch")
nn = torch.nn
rnn = torch.nn.utils.rnn

pytestmark = ignores_convergence

for_each_kind = pytest.mark.parametrize("kind", KINDS)
for_each_net = pytest.mark.parametrize("net", NETS.values(), ids=NETS)
for_each_pooling = pytest.mark.parametrize("pooling", POOLINGS)
for_each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(autouse=True)
def one_thread_of_pytorch():
    """Its threads spin between calls, and these nets are small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(module, X, lengths=None, **options):
    with torch.no_grad():
        return module(torch.from_numpy(X), lengths, **options).numpy()


# --- To PyTorch -----------------------------------------------------------------------------


@for_each_dtype
@for_each_pooling
@for_each_kind
def test_a_module_predicts_what_the_estimator_does(kind, pooling, dtype):
    model, X = fitted(kind, dtype, pooling=pooling), PADDED.astype(dtype)
    close(run(to_torch(model), X, LENGTHS), answers(model, X), TOLERANCE[dtype])
    whole = ARRAY.astype(dtype)
    close(run(to_torch(model), whole), answers(model, whole), TOLERANCE[dtype])


@for_each_dtype
@for_each_pooling
@for_each_net
def test_a_module_has_all_layers_and_directions(net, pooling, dtype):
    model, X = fitted("several outputs", dtype, pooling=pooling, **net), PADDED.astype(dtype)
    close(run(to_torch(model), X, LENGTHS), model.predict(X), TOLERANCE[dtype])


@pytest.mark.parametrize("normalize", [False, True])
def test_features_and_targets_are_standardised_as_in_the_estimator(normalize):
    model = fitted("one output", normalize_X=normalize, normalize_y=normalize)
    close(run(to_torch(model), PADDED, LENGTHS), model.predict(PADDED), 1e-12)


def test_deviations_come_on_request():
    model = fitted("gaussian")
    mean, deviation = model.predict(PADDED, return_std=True)
    module = to_torch(model)
    with torch.no_grad():
        answer = module(torch.from_numpy(PADDED), LENGTHS, return_std=True)
    close(answer[0].numpy(), mean, 1e-12)
    close(answer[1].numpy(), deviation, 1e-12)
    with pytest.raises(ValueError, match=r"return_std=True wants a net .* loss='squared_error'"):
        to_torch(fitted("one output"))(torch.from_numpy(ARRAY), return_std=True)


def test_quantiles_that_cross_are_sorted():
    model = fitted("quantiles")
    module = to_torch(model)
    with torch.no_grad():
        module.linear.bias[:] = torch.tensor([3.0, 2.0, 1.0])
    assert (np.diff(run(module, ARRAY)) >= 0).all()


def test_a_module_is_made_of_the_layers_that_users_know():
    module = to_torch(fitted("one output", hidden_layer_sizes=(4, 4)))
    assert isinstance(module.lstm, nn.LSTM)
    assert (module.lstm.num_layers, module.lstm.hidden_size) == (2, 4)
    assert isinstance(module.linear, nn.Linear)
    uneven = to_torch(fitted("one output", hidden_layer_sizes=(5, 3)))
    assert [each.hidden_size for each in uneven.lstm] == [5, 3]
    assert to_torch(fitted("three classes")).classes == ["fall", "rest", "rise"]


def test_what_is_behind_a_sequence_is_not_read():
    for pooling in POOLINGS:
        module = to_torch(fitted("one output", pooling=pooling, bidirectional=True))
        filled = np.where(np.isnan(PADDED), 1e6, PADDED)
        assert_same_bits(run(module, filled, LENGTHS), run(module, PADDED, LENGTHS))


def test_a_module_takes_numbers_of_another_type():
    model = fitted("one output", np.float32)
    close(run(to_torch(model), ARRAY), model.predict(ARRAY.astype(np.float32)), 1e-3)
    plain = fitted("one output", np.float32, normalize_X=False)
    small = ARRAY - 1e4
    close(run(to_torch(plain), small), plain.predict(small), 1e-6)


def test_a_module_is_saved_copied_and_trained_in_pytorch():
    module = to_torch(fitted("one output"))
    expected = run(module, ARRAY)
    for other in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert_same_bits(run(other, ARRAY), expected)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    fresh = to_torch(fitted("one output", random_state=1))
    fresh.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert_same_bits(run(fresh, ARRAY), expected)
    module.raw(torch.from_numpy(ARRAY)).square().mean().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in module.parameters())


def test_a_module_does_not_share_memory_with_the_estimator():
    model = fitted("one output", normalize_X=False, normalize_y=False)
    before = weights(model)
    with torch.no_grad():
        for weight in to_torch(model).parameters():
            weight.zero_()
    assert_same_bits(weights(model), before)


def test_what_to_torch_refuses():
    pipeline = make_pipeline(TimestepTransformer(StandardScaler()), LSTMRegressor(2, max_iter=1))
    pipeline.fit(ARRAY, ARRAY[:, 0, 0])
    with pytest.raises(ValueError, match=r"without the transformers .* pass estimator\[-1\]"):
        to_torch(pipeline)
    to_torch(pipeline[-1])
    with pytest.raises(ValueError, match="not fitted"):
        to_torch(LSTMRegressor())
    with pytest.raises(TypeError, match="LSTMRegressor or LSTMClassifier"):
        to_torch(StandardScaler())


# --- There and back -------------------------------------------------------------------------


@for_each_pooling
@for_each_kind
def test_there_and_back_is_the_same_net(kind, pooling):
    for dtype in (np.float32, np.float64):
        model, X = fitted(kind, dtype, pooling=pooling), PADDED.astype(dtype)
        back = from_torch(to_torch(model))
        close(answers(back, X), answers(model, X), TOLERANCE[dtype])
        assert_same_bits(back._weights, model._weights)


@for_each_dtype
@for_each_pooling
@for_each_net
def test_there_and_back_has_the_same_bits_where_nothing_is_standardised(net, pooling, dtype):
    plain = {"normalize_X": False, "normalize_y": False, "pooling": pooling}
    model, X = fitted("several outputs", dtype, **plain, **net), PADDED.astype(dtype)
    module = to_torch(model)
    for back in (from_torch(module), from_torch(module.lstm, module.linear, pooling=pooling)):
        assert_same_bits(weights(back), weights(model))
        assert_same_bits(back.predict(X), model.predict(X))
        assert_same_bits(back.predict(X[:3]), model.predict(X[:3]))


def test_parts_of_a_module_are_enough_if_what_they_mean_is_said():
    model = fitted("quantiles")
    module = to_torch(model)
    options = {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}
    back = from_torch(module.lstm, module.linear, **options)
    close(back.predict(PADDED), model.predict(PADDED), 1e-12)
    assert back.score(PADDED, ARRAY[:, 0, 0]) == pytest.approx(model.score(PADDED, ARRAY[:, 0, 0]))
    assert (back.loss, back.quantile) == ("quantile", [0.1, 0.5, 0.9])
    model = fitted("gaussian")
    module = to_torch(model)
    back = from_torch(module.lstm, module.linear, loss="gaussian")
    close(np.stack(back.predict(PADDED, True)), np.stack(model.predict(PADDED, True)), 1e-12)


# --- Nets that PyTorch made and trained -----------------------------------------------------

X = np.random.RandomState(1).normal(size=(40, 7, 2))
Y = X[:, -1, :1] - X[:, -2, 1:]
STEPS = np.random.RandomState(2).randint(1, 8, 40)
LISTS = [sequence[:steps] for sequence, steps in zip(X, STEPS, strict=True)]


class Peer(nn.Module):
    """What somebody wrote in PyTorch, without sklstm."""

    def __init__(self, outputs=1, pooling="last", **options):
        super().__init__()
        torch.manual_seed(0)
        options = {"batch_first": True, "dtype": torch.float64} | options
        self.lstm = nn.LSTM(2, 5, **options)
        width = 5 * (1 + self.lstm.bidirectional)
        self.linear = nn.Linear(width, outputs, dtype=options["dtype"])
        self.pooling = pooling

    def forward(self, x):
        hidden, (last, _) = self.lstm(x if self.lstm.batch_first else x.transpose(0, 1))
        hidden = hidden if self.lstm.batch_first else hidden.transpose(0, 1)
        pooled = {
            "last": torch.cat(list(last[-1 - self.lstm.bidirectional :]), 1),
            "mean": hidden.mean(1),
            "max": hidden.max(1).values,
            None: hidden,
        }[self.pooling]
        return self.linear(pooled)

    def train_on(self, y, loss=nn.functional.mse_loss, steps=5):
        optimizer = torch.optim.Adam(self.parameters(), 0.05)
        for _ in range(steps):
            optimizer.zero_grad()
            raw = self(torch.from_numpy(X))
            loss(raw[:, -1] if self.pooling is None else raw, torch.from_numpy(y)).backward()
            optimizer.step()
        return self.eval()

    def answers(self):
        """Of sequences one by one, so that no padding is needed."""
        with torch.no_grad():
            raw = [self(torch.from_numpy(x[None]))[0].numpy() for x in LISTS]
        return raw if self.pooling is None else np.stack(raw)


OPTIONS = {
    "one layer": {},
    "layers with dropout between": {"num_layers": 3, "dropout": 0.3},
    "both directions": {"num_layers": 2, "bidirectional": True},
    "without biases": {"bias": False},
    "time first": {"batch_first": False, "num_layers": 2},
}


@for_each_pooling
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_net_that_pytorch_trained_predicts_the_same_here(options, pooling):
    peer = Peer(pooling=pooling, **options).train_on(Y)
    model = from_torch(peer.lstm, peer.linear, pooling=pooling)
    expected, predicted = peer.answers(), model.predict(LISTS)
    for row in range(40):
        close(np.ravel(predicted[row]), np.ravel(expected[row]), 1e-12)
    assert isinstance(model, LSTMRegressor)


def test_a_list_of_lstms_is_a_stack():
    torch.manual_seed(0)
    layers = [nn.LSTM(2, 6, batch_first=True), nn.LSTM(6, 3, batch_first=True)]
    linear = nn.Linear(3, 2)
    with torch.no_grad():
        expected = linear(layers[1](layers[0](torch.from_numpy(X).float())[0])[0][:, -1]).numpy()
    for stack in (layers, tuple(layers), nn.ModuleList(layers)):
        model = from_torch(stack, linear)
        assert model.hidden_layer_sizes == (6, 3)
        close(model.predict(X.astype(np.float32)), expected, 1e-6)


@pytest.mark.parametrize("classes", [["no", "yes"], ["yes", "no"], [1, 0], [False, True]])
def test_one_output_is_the_logit_of_the_second_class(classes):
    labels = (Y > 0).astype(float)
    peer = Peer().train_on(labels, nn.functional.binary_cross_entropy_with_logits)
    model = from_torch(peer.lstm, peer.linear, classes=classes)
    second = (peer.answers()[:, 0] > 0).astype(int)
    assert model.predict(LISTS).tolist() == np.array(classes)[second].tolist()
    probability = model.predict_proba(LISTS)[:, model.classes_.tolist().index(classes[1])]
    close(probability, 1 / (1 + np.exp(-peer.answers()[:, 0])), 1e-12)


@pytest.mark.parametrize("classes", [["b", "a"], ["rise", "rest", "fall"], [3, 1, 2, 0]])
def test_outputs_are_of_the_classes_in_the_order_that_is_given(classes):
    labels = np.digitize(Y[:, 0], [0, 1, 2][: len(classes) - 1])
    peer = Peer(len(classes)).train_on(labels, nn.functional.cross_entropy)
    model = from_torch(peer.lstm, peer.linear, classes=classes)
    raw = peer.answers()
    assert model.predict(LISTS).tolist() == [classes[i] for i in raw.argmax(axis=1)]
    softmax = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    order = [classes.index(label) for label in model.classes_]
    close(model.predict_proba(LISTS), softmax[:, order], 1e-12)


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_training_goes_on_here_as_it_would_there(options):
    peer = Peer(**options)
    model = from_torch(peer.lstm, peer.linear)
    model.set_params(solver="sgd", momentum=0, alpha=0, learning_rate_init=0.1, batch_size=40)
    optimizer = torch.optim.SGD(peer.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        # Both biases learn, so that their sum takes two steps.
        (0.5 * (peer(torch.from_numpy(X)) - torch.from_numpy(Y)).square().mean()).backward()
        for name, weight in peer.lstm.named_parameters():
            if name.startswith("bias_hh"):
                weight.grad.zero_()
        optimizer.step()
        model.partial_fit(X, Y[:, 0])
    close(model.predict(LISTS), peer.answers()[:, 0], 1e-12)
    assert (model.n_iter_, model.t_) == (3, 120)


def test_training_goes_on_with_warm_start_and_partial_fit():
    peer = Peer().train_on(Y)
    for solver in ("adam", "lbfgs"):
        model = from_torch(peer.lstm, peer.linear).set_params(
            warm_start=True, solver=solver, max_iter=30, learning_rate_init=0.01
        )
        before = model.score(LISTS, Y[:, 0])
        assert model.fit(LISTS, Y[:, 0]).score(LISTS, Y[:, 0]) > before
        assert model.n_iter_ == len(model.loss_curve_) <= 30
    labels = np.where(Y[:, 0] > 0, "up", "down")
    model = from_torch(peer.lstm, peer.linear, classes=["down", "up"])
    assert model.partial_fit(LISTS, labels).predict(LISTS).dtype == labels.dtype
    with pytest.raises(ValueError, match="knows classes"):
        model.set_params(warm_start=True).fit(LISTS, np.where(labels == "up", "rise", "fall"))


def test_a_net_that_validation_finds_no_better_one_than_is_kept():
    peer = Peer().train_on(Y, steps=60)
    model = from_torch(peer.lstm, peer.linear)
    before = model.predict(X)
    model.set_params(warm_start=True, learning_rate_init=1.0, max_iter=3)
    model.fit(X, Y[:, 0], X_val=X, y_val=Y[:, 0])
    assert_same_bits(model.predict(X), before)


def test_a_net_of_pytorch_is_an_estimator_in_every_way():
    peer = Peer(num_layers=2).train_on(Y)
    model = from_torch(peer.lstm, peer.linear)
    assert_same_bits(pickle.loads(pickle.dumps(model)).predict(LISTS), model.predict(LISTS))
    stream = StreamingPredictor(model)
    assert_same_bits([stream.predict(x[None])[0] for x in X[0]][-1], model.predict(X[:1])[0])
    assert [each.input.shape for each in gate_activations(model, X)] == [(40, 7, 5)] * 2
    x = torch.tensor(X, requires_grad=True)
    peer.linear(peer.lstm(x)[0][:, -1]).sum().backward()
    close(input_gradients(model, X), x.grad.numpy(), 1e-12)
    parts = integrated_gradients(model, X)
    difference = model.predict(X) - model.predict(np.zeros_like(X))
    np.testing.assert_allclose(parts.sum(axis=(1, 2)), difference, atol=1e-3)
    grid = {"hidden_layer_sizes": [2, (5, 5)], "max_iter": [2]}
    search = GridSearchCV(model, grid, cv=2).fit(X, Y[:, 0])
    assert search.best_estimator_.predict(X).shape == (40,)
    # What is given here leads back there.
    close(run(to_torch(model), X), model.predict(X), 1e-12)


def test_a_net_of_pytorch_goes_on_to_onnx():
    runtime = pytest.importorskip("onnxruntime")
    peer = Peer(num_layers=2, bidirectional=True, pooling="mean").train_on(Y)
    model = from_torch(peer.lstm, peer.linear, pooling="mean")
    file = to_onnx(model, dtype="float32").SerializeToString()
    (predicted,) = runtime.InferenceSession(file).run(None, {"X": X.astype(np.float32)})
    close(np.ravel(predicted), model.predict(X.astype(np.float32)), 1e-5)


def test_weights_are_copies():
    peer = Peer()
    model = from_torch(peer.lstm, peer.linear)
    before = model.predict(X)
    with torch.no_grad():
        for weight in peer.parameters():
            weight.zero_()
    assert_same_bits(model.predict(X), before)


# --- What stands in the way -----------------------------------------------------------------

LSTM, LINEAR = nn.LSTM(2, 5), nn.Linear(5, 2)
REFUSED = {
    "a GRU": (TypeError, "nn.LSTM or a list of them, got GRU", lambda: (nn.GRU(2, 5), LINEAR)),
    "a GRU in a list": (TypeError, "got GRU", lambda: ([LSTM, nn.GRU(5, 5)], LINEAR)),
    "no layer": (ValueError, "got an empty list", lambda: ([], LINEAR)),
    "a number": (TypeError, "got int", lambda: (3, LINEAR)),
    "projections": (
        ValueError, "proj_size=0, got 3", lambda: (nn.LSTM(2, 5, proj_size=3), nn.Linear(3, 1))
    ),
    "no head": (TypeError, "linear must be an nn.Linear, got NoneType", lambda: (LSTM,)),
    "another head": (TypeError, "got Sequential", lambda: (LSTM, nn.Sequential(LINEAR))),
    "a head of another width": (
        ValueError, "the 5 outputs of lstm as inputs, got 6", lambda: (LSTM, nn.Linear(6, 1))
    ),
    "a mixture of directions": (
        ValueError, "All of lstm must be bidirectional, or none",
        lambda: ([nn.LSTM(2, 5, bidirectional=True), nn.LSTM(10, 5)], LINEAR),
    ),
    "layers that do not fit": (
        ValueError, "5 outputs is followed by one of 4 inputs",
        lambda: ([LSTM, nn.LSTM(4, 5)], LINEAR),
    ),
    "half precision": (
        ValueError, r"got torch.bfloat16: convert the layers with .float\(\) first",
        lambda: (nn.LSTM(2, 5, dtype=torch.bfloat16), nn.Linear(5, 2, dtype=torch.bfloat16)),
    ),
    "two types": (
        ValueError, "of float32, as lstm is, got float64", lambda: (LSTM, nn.Linear(5, 2).double())
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_what_from_torch_refuses(why):
    error, match, make = REFUSED[why]
    with pytest.raises(error, match=match):
        from_torch(*make())


OPTIONS_REFUSED = {
    "'pooling' parameter": {"pooling": "sum"},
    "'loss' parameter": {"loss": "hinge"},
    "has 3 outputs of the net for each target, but there are 2": {
        "loss": "quantile", "quantile": [0.1, 0.5, 0.9]
    },
    "at least 2 labels, all different": {"classes": ["a", "a"]},
    "A net of 2 outputs tells 2 classes apart, got 3": {"classes": [1, 2, 3]},
}  # fmt: skip


@pytest.mark.parametrize("match", OPTIONS_REFUSED)
def test_what_outputs_cannot_mean_is_refused(match):
    with pytest.raises(ValueError, match=match):
        from_torch(LSTM, LINEAR, **OPTIONS_REFUSED[match])


def test_weights_that_are_not_finite_are_refused():
    lstm = nn.LSTM(2, 5)
    with torch.no_grad():
        lstm.weight_hh_l0[0, 0] = torch.nan
    with pytest.raises(ValueError, match="weights of the net must be finite"):
        from_torch(lstm, LINEAR)


def test_a_layer_that_standardises_between_others_is_refused():
    inside = to_torch(fitted("one output")).lstm
    with pytest.raises(ValueError, match="Only the first of lstm may standardise"):
        from_torch([nn.LSTM(2, 3).double(), inside], nn.Linear(4, 1).double())


def test_a_module_of_to_torch_says_all_by_itself():
    module = to_torch(fitted("one output"))
    for options in ({"linear": module.linear}, {"pooling": "mean"}, {"classes": [0, 1]}):
        with pytest.raises(ValueError, match="says by itself"):
            from_torch(module, **options)


def test_without_pytorch_the_error_says_what_to_install(monkeypatch):
    model = fitted("one output")
    monkeypatch.setitem(sys.modules, "torch", None)
    for call in (lambda: to_torch(model), lambda: from_torch(LSTM, LINEAR)):
        with pytest.raises(ImportError, match=r'pip install "sklstm\[interop\]"'):
            call()


def test_the_examples_of_the_docstrings_run():
    for function in (to_torch, from_torch):
        run_examples(function, {})
