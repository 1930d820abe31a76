"""Gradients that are cut: `bptt_steps`, truncated backpropagation through time.

No derivative taken in small steps can be an oracle here, since what is computed is not the gradient
of any function of the weights: states at a border depend on them, and count as constants. The twin
and PyTorch are.
"""

import tracemalloc

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, ignores_convergence, small_net, weights
from problems import (
    DIRECTIONS,
    POOLINGS,
    assert_agrees,
    assert_close,
    for_each_dtype,
    forward_by_twin,
    make_problem,
    poison_scratch,
    reference_round,
    train_once,
    use_crews,
    use_short_segments,
    use_threads,
)
from sklearn.base import clone

from sklstm import LSTMClassifier, LSTMRegressor
from sklstm._kernels.losses import SQUARED_ERROR
from sklstm._network import plan, team
from sklstm._network.parameters import named_views
from sklstm._network.rounds import Goal, Learner

STEPS = 11
# Chunks of one step; of 3, 3, 3 and first 2; of 8 and first 3.
CUTS = 1, 3, 8


def problem_of(
    dtype=np.float64, units=(5,), bidirectional=False, pooling="last", lengths="equal", batch=20,
    steps=STEPS,
):  # fmt: skip
    return make_problem(
        dtype, units, bidirectional, pooling, batch, outputs=2, lengths=lengths, steps=steps
    )


def learn(problem, bptt_steps, dropout=False):
    """Half the squared errors from `d_raw`, added up, and the gradient, by a `Learner`."""
    targets = problem.in_a_row(problem.d_raw, problem.rows)
    goal = Goal(SQUARED_ERROR, (0.0,), targets, np.ones(len(targets), problem.dtype))
    masks = None
    if dropout:
        columns = sum(map(sum, problem.architecture.mask_sizes))
        masks = 2 * np.random.RandomState(0).randint(2, size=(len(problem.rows), columns))
        masks = masks.astype(problem.dtype)
    net = problem.architecture, problem.sequences, len(problem.rows), goal, dropout
    with Learner(*net, bptt_steps=bptt_steps) as team:
        for _ in range(2):
            loss, gradient = team.learn(problem.weights, problem.rows, 1.0, masks)
        return np.array([loss]), gradient.copy()


def learned_by_twin(problem, bptt_steps):
    """The same gradient."""
    raw, trace = forward_by_twin(problem)
    error = raw - problem.d_raw
    if problem.architecture.pooling is None:
        error[~problem.exists] = 0
    return raw, reference.backward(trace, error, bptt_steps)


# --- By the twin ----------------------------------------------------------------------------


@pytest.mark.nojit
@for_each_dtype
@pytest.mark.parametrize("lengths", ["equal", "ragged"])
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("units", [(5,), (4, 6)])
def test_outputs_are_the_same_and_gradients_those_of_the_twin(
    dtype, lengths, bidirectional, pooling, units
):
    problem = problem_of(dtype, units, bidirectional, pooling, lengths)
    raw, exact = train_once(problem)
    for bptt_steps in CUTS:
        ours = train_once(problem, bptt_steps=bptt_steps)
        assert_same_bits(ours[0], raw)
        assert not np.allclose(ours[1], exact, rtol=1e-3)
        assert_agrees(problem, ours, reference_round(problem, bptt_steps=bptt_steps))


@for_each_dtype
@pytest.mark.parametrize("lengths", ["equal", "ragged"])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(("units", "bidirectional"), [((5,), False), ((4, 6), False), ((5,), True)])
@pytest.mark.parametrize("segments", ["whole", "short"])
def test_learning_has_the_same_loss_and_the_gradient_of_the_twin(
    request, monkeypatch, dtype, lengths, pooling, units, bidirectional, segments
):
    # Chunks of 1 and 2 steps are shorter than a segment, one of 4 is none of its multiples.
    problem = problem_of(dtype, units, bidirectional, pooling, lengths)
    loss, _ = learn(problem, None)
    if segments == "short":
        use_short_segments(monkeypatch)
    for bptt_steps in (1, 2, 3, 4, 8):
        found, gradient = learn(problem, bptt_steps)
        assert_same_bits(found, loss)
        raw, expected = learned_by_twin(problem, bptt_steps)
        assert_agrees(problem, (raw.astype(dtype), gradient), (raw, expected))


def test_with_the_last_state_alone_it_is_the_gradient_of_the_last_chunk():
    # Whatever came before has given a state, and no more.
    problem = problem_of(units=(5, 4), lengths="ragged")
    _, gradient = learn(problem, 4)
    for row, length in enumerate(problem.lengths):
        problem.X[row, : max(0, length - 4)] *= -1
    _, other = learn(problem, 4)
    assert not np.allclose(gradient, other)
    # Of sequences that are no longer than a chunk, nothing is cut.
    short = problem_of(units=(5, 4), lengths="ragged", steps=4)
    assert_same_bits(learn(short, 4), learn(short, None))


# --- By PyTorch -----------------------------------------------------------------------------


def chunks(x, bptt_steps):
    """The steps of x in chunks, of which only the first is short."""
    borders = range(x.shape[1] % bptt_steps, x.shape[1], bptt_steps)
    first = x[:, : borders.start]
    return [first] * (borders.start > 0) + [x[:, t : t + bptt_steps] for t in borders]


def in_chunks(lstm, x, bptt_steps):
    """The hidden states of an nn.LSTM, where each chunk starts from detached states."""
    states, hidden = None, []
    for chunk in chunks(x, bptt_steps):
        out, states = lstm(chunk, states)
        states = tuple(state.detach() for state in states)
        hidden.append(out)
    torch = pytest.importorskip("torch")
    return torch.cat(hidden, dim=1)


def torch_round(problem, bptt_steps):
    """Outputs and gradients of PyTorch: a sequence at a time, layer by layer and way by way."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    architecture = problem.architecture
    given = named_views(architecture, problem.weights)
    lstms = []
    for (inputs, units), *arrays in zip(
        architecture.cells,
        given["input_weights"], given["recurrent_weights"], given["biases"],
        [np.zeros_like(bias) for bias in given["biases"]],
        strict=True,
    ):  # fmt: skip
        lstm = torch.nn.LSTM(inputs, units, batch_first=True, dtype=torch.float64)
        with torch.no_grad():
            for parameter, values in zip(lstm.all_weights[0], arrays, strict=True):
                parameter.copy_(torch.tensor(values))
        lstms.append(lstm)
    head = [
        torch.tensor(given[name], requires_grad=True) for name in ("output_weights", "output_bias")
    ]
    raw = np.full(problem.d_raw.shape, np.nan)
    for row, length in enumerate(problem.lengths):
        x = torch.tensor(problem.X[row : row + 1, :length])
        for layer in range(len(architecture.units)):
            ways = lstms[layer * architecture.n_directions :][: architecture.n_directions]
            read = [in_chunks(ways[0], x, bptt_steps)]
            if architecture.bidirectional:
                read.append(in_chunks(ways[1], x.flip(1), bptt_steps))
            x = torch.cat([read[0], *(each.flip(1) for each in read[1:])], dim=2)
        pooled = {
            "last": lambda read=read, x=x: torch.cat([each[:, -1] for each in read], dim=1),
            "mean": lambda x=x: x.mean(dim=1),
            "max": lambda x=x: x.max(dim=1).values,
            None: lambda x=x: x[0],
        }[architecture.pooling]()
        out = pooled @ head[0].T + head[1]
        place = (row, slice(length)) if architecture.pooling is None else slice(row, row + 1)
        out.backward(torch.tensor(problem.d_raw[place]))
        raw[place] = out.detach().numpy()
    of_cells = [[part.grad.numpy() for part in lstm.all_weights[0]] for lstm in lstms]
    names = "input_weights", "recurrent_weights", "biases"
    gradient = {name: [each[place] for each in of_cells] for place, name in enumerate(names)}
    gradient |= {"output_weights": head[0].grad.numpy(), "output_bias": head[1].grad.numpy()}
    return raw, gradient


@pytest.mark.parametrize("lengths", ["equal", "ragged"])
@pytest.mark.parametrize("bidirectional", DIRECTIONS)
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("units", [(5,), (17, 6)])
def test_gradients_are_those_of_torch_with_detached_states(lengths, bidirectional, pooling, units):
    problem = problem_of(np.float64, units, bidirectional, pooling, lengths, batch=12)
    for bptt_steps in CUTS:
        ours = train_once(problem, bptt_steps=bptt_steps)
        assert_agrees(problem, ours, torch_round(problem, bptt_steps))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_layers_whose_states_are_detached_together_are_the_same(pooling):
    # As it is mostly written: one nn.LSTM of two layers, chunk by chunk.
    torch = pytest.importorskip("torch")
    problem = problem_of(units=(5, 5), pooling=pooling)
    lstm = torch.nn.LSTM(3, 5, 2, batch_first=True, dtype=torch.float64)
    given = named_views(problem.architecture, problem.weights)
    with torch.no_grad():
        for layer in range(2):
            w_x, w_h, bias, other_bias = lstm.all_weights[layer]
            w_x.copy_(torch.tensor(given["input_weights"][layer]))
            w_h.copy_(torch.tensor(given["recurrent_weights"][layer]))
            bias.copy_(torch.tensor(given["biases"][layer]))
            other_bias.zero_()
    hidden = in_chunks(lstm, torch.tensor(problem.X), 4)
    pooled = {
        "last": hidden[:, -1], "mean": hidden.mean(dim=1), "max": hidden.max(dim=1).values,
        None: hidden,
    }[pooling]  # fmt: skip
    raw = pooled @ torch.tensor(given["output_weights"]).T
    raw.backward(torch.tensor(problem.d_raw))
    _, gradient = train_once(problem, bptt_steps=4)
    ours = named_views(problem.architecture, gradient)
    for layer in range(2):
        names = "input_weights", "recurrent_weights", "biases"
        for name, theirs in zip(names, lstm.all_weights[layer], strict=False):
            assert_close(ours[name][layer], theirs.grad.numpy(), 1e-10)


# --- Bits -----------------------------------------------------------------------------------


@for_each_dtype
@pytest.mark.parametrize("lengths", ["equal", "ragged"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, dtype, lengths, pooling):
    if lengths == "ragged":
        use_short_segments(monkeypatch)
    # More groups of rows than threads, then crews that share one.
    for batch, use in ((70, use_threads), (7, use_crews)):
        problem = problem_of(dtype, (37, 16), False, pooling, lengths, batch)
        with monkeypatch.context() as threads:
            use_threads(threads, 1)
            expected = learn(problem, 3), learn(problem, 3, dropout=True)
            two_way = train_once(problem, bptt_steps=3)
        for n_threads in (2, 3, 5, 8):
            with monkeypatch.context() as threads:
                use(threads, n_threads)
                assert_same_bits(learn(problem, 3), expected[0])
                if n_threads == 3:
                    assert_same_bits(learn(problem, 3, dropout=True), expected[1])
                    assert_same_bits(train_once(problem, bptt_steps=3), two_way)


@pytest.mark.parametrize("units", [(37,), (67, 40)])
def test_both_directions_in_crews_have_the_same_bits(monkeypatch, units):
    problem = problem_of(np.float32, units, True, "max", "ragged", 7)
    use_threads(monkeypatch, 1)
    expected = learn(problem, 4)
    for n_threads in (2, 3, 5, 8):
        use_crews(monkeypatch, n_threads)
        assert_same_bits(learn(problem, 4), expected)


@for_each_dtype
@pytest.mark.parametrize("pooling", POOLINGS)
def test_signals_and_what_memory_held_before_do_not_matter(monkeypatch, dtype, pooling):
    use_short_segments(monkeypatch)
    problem = problem_of(dtype, (11, 6), False, pooling, "ragged", 70)
    expected = learn(problem, 4, dropout=True)
    poison_scratch(monkeypatch)
    for at_a_time in (1, 10**12):
        monkeypatch.setattr(plan, "BETWEEN_SIGNALS", at_a_time)
        assert_same_bits(learn(problem, 4, dropout=True), expected)


# --- Of estimators --------------------------------------------------------------------------


@ignores_convergence
def test_chunks_that_hold_a_whole_sequence_change_nothing(X, y):
    for parameters in ({}, {"solver": "lbfgs"}, {"pooling": "mean", "bidirectional": True}):
        exact = weights(small_net(**parameters).fit(X, y))
        for bptt_steps in (X.shape[1], X.shape[1] + 1, 10**30, np.int64(10**18)):
            net = small_net(**parameters, bptt_steps=bptt_steps)
            assert_same_bits(weights(net.fit(X, y)), exact)
        shorter = small_net(**parameters, bptt_steps=X.shape[1] - 1).fit(X, y)
        assert not np.array_equal(weights(shorter), exact)


@ignores_convergence
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_list_is_cut_as_the_same_sequences_in_an_array(X3, pooling, solver):
    # The first sequence is the longest, so that in the array the others are padded.
    lengths = 6 - np.arange(40) % 6
    padded = X3.copy()
    padded[np.arange(6) >= lengths[:, np.newaxis]] = np.nan
    cut = [sequence[:length] for sequence, length in zip(X3, lengths, strict=True)]
    y = [sequence[:, 0] for sequence in cut] if pooling is None else X3[:, 0, 0]
    net = small_net(pooling=pooling, solver=solver, bptt_steps=2)
    in_a_list, in_an_array = clone(net).fit(cut, y), clone(net)
    if pooling is None:
        y = np.where(np.isnan(padded[:, :, 0]), np.nan, X3[:, :, 0])
    assert_same_bits(weights(in_an_array.fit(padded, y)), weights(in_a_list))


@ignores_convergence
@pytest.mark.parametrize("solver", ["adam", "adamw", "sgd", "rmsprop", "lbfgs"])
def test_every_solver_learns_what_lies_within_a_chunk(solver):
    X = np.random.RandomState(0).normal(size=(300, 30, 1))
    y = X[:, -3:, 0].sum(axis=1)
    rate = 0.1 if solver == "sgd" else 0.01
    net = LSTMRegressor(
        16, solver=solver, learning_rate_init=rate, max_iter=60, bptt_steps=5, random_state=0
    )
    # 0.98 for the worst of them.
    assert net.fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.9
    labels = np.where(y > 0, "up", "down")
    classifier = LSTMClassifier(**{k: v for k, v in net.get_params().items() if k in
                                   LSTMClassifier().get_params()})  # fmt: skip
    assert classifier.fit(X[:200], labels[:200]).score(X[200:], labels[200:]) > 0.8


@ignores_convergence
def test_partial_fit_and_warm_starts_may_change_it(X, y):
    model = small_net(warm_start=True, bptt_steps=3).fit(X, y)
    cut = weights(model)
    exact = small_net(warm_start=True, bptt_steps=3).fit(X, y).set_params(bptt_steps=None)
    assert_same_bits(weights(exact), cut)
    assert not np.array_equal(weights(exact.fit(X, y)), weights(model.fit(X, y)))
    stream = small_net(bptt_steps=3)
    for _ in range(3):
        stream.partial_fit(X, y)
    assert stream.n_iter_ == 3


@pytest.mark.parametrize("pooling", ["last", None])
def test_no_more_than_a_chunk_is_on_a_tape(pooling):
    def memory(bptt_steps, n_steps):
        problem = problem_of(np.float32, (64,), pooling=pooling, batch=16, steps=n_steps)
        targets = problem.in_a_row(problem.d_raw, problem.rows)
        goal = Goal(SQUARED_ERROR, (0.0,), targets, np.ones(len(targets), np.float32))
        net = problem.architecture, problem.sequences, 16, goal
        with Learner(*net, bptt_steps=bptt_steps) as team:
            return team._context.work.nbytes

    # Shards of 8 rows or more have 64 x 9 numbers of each row at a step on it.
    assert memory(None, 1000) > 1000 * 8 * 64 * 9 * 4
    # Less than the tape of two chunks, states and outputs included, whatever the length.
    assert memory(50, 1000) < 2 * 50 * 16 * 64 * 9 * 4
    assert memory(50, 10_000) == memory(50, 1000)


def test_longer_sequences_take_no_more_memory_in_a_fit():
    def peak(n_steps, pooling):
        X = np.random.RandomState(0).normal(size=(16, n_steps, 1)).astype(np.float32)
        y = X[:, :, 0] if pooling is None else X[:, -1, 0]
        net = LSTMRegressor(
            64, pooling=pooling, max_iter=1, n_iter_no_change=np.inf, bptt_steps=50, random_state=0
        )
        tracemalloc.start()
        try:
            net.fit(X, y)
            return tracemalloc.get_traced_memory()[1] / X.size
        finally:
            tracemalloc.stop()

    for pooling in ("last", None):
        peak(100, pooling)
        # Of a step: its flag while NaN is looked for; or its target, weight, output and gradients.
        assert peak(20_000, pooling) < (20 if pooling == "last" else 200)


@for_each_dtype
def test_chunks_of_equal_sequences_go_back_at_once(monkeypatch, dtype):
    # Read once: a step is never gathered again. Three segments have three ways back.
    use_threads(monkeypatch, 1)
    problem = problem_of(dtype, (67, 40), pooling=None, batch=9, steps=24)
    made, make_plan = [], team.make_plan
    monkeypatch.setattr(
        team, "make_plan", lambda *a, **b: made.append(make_plan(*a, **b)) or made[-1]
    )
    expected = learn(problem, 8), learn(problem, 2), learn(problem, 8, dropout=True)
    assert [(each.segments, each.steps, each.chunks) for each in made] == [(3, 8, True)] * 3
    for bptt_steps, (_, gradient) in zip((8, 2), expected[:2], strict=True):
        raw, twin = learned_by_twin(problem, bptt_steps)
        assert_agrees(problem, (raw.astype(dtype), gradient), (raw, twin))
    monkeypatch.setattr(plan, "BETWEEN_SIGNALS", 1)
    poison_scratch(monkeypatch)
    for n_threads in (1, 2, 3, 5, 8):
        (use_threads if n_threads == 1 else use_crews)(monkeypatch, n_threads)
        found = learn(problem, 8), learn(problem, 2), learn(problem, 8, dropout=True)
        assert_same_bits(found, expected)


def test_a_short_chunk_of_a_row_or_two_leaves_the_others_of_a_crew_alone(monkeypatch):
    X = np.random.default_rng(0).normal(size=(12, 40, 4)).astype(np.float32)
    # Units that do not fill a vector: what is cleared behind them was larger than a chunk.
    net = LSTMRegressor(200, batch_size=1, bptt_steps=5, max_iter=1, random_state=0)
    use_threads(monkeypatch, 1)
    alone = net.fit(X, X[:, -1, 0])._weights
    use_crews(monkeypatch, 2)
    for _ in range(12):
        assert_same_bits(net.fit(X, X[:, -1, 0])._weights, alone)
