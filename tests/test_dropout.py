"""Dropout: how masks are drawn, what they do to a gradient, and that prediction has none."""

import numpy as np
import pytest
import reference
from conftest import assert_same_bits, ignores_convergence, small_net, weights
from twin_objective import as_lists, draw_masks, twin_objective

from sklstm import LSTMRegressor
from sklstm._forms import Expected
from sklstm._network.parameters import Architecture
from sklstm._network.rounds import TwoWay
from sklstm._scaling import as_they_are
from sklstm._sequences import read_sequences
from sklstm._training.dropout import Dropout

DEEP = Architecture(3, (4, 5), True, "last", 2)


def padded(arrays):
    """Sequences in one array, and their lengths."""
    lengths = [len(array) for array in arrays]
    X = np.full((len(arrays), max(lengths), arrays[0].shape[1]), np.nan)
    for row, array in zip(X, arrays, strict=True):
        row[: len(array)] = array
    return X, np.array(lengths)


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
    dropout = Dropout(DEEP, 150, 0.5, 0.1, bit_generator, dtype)
    rates = np.repeat([0.5, 0.1], [3 + 8 + 10, 18])
    for rows in (150, 4, 1, 64, 65, 150):
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
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kinds", [(True, False), (False, True), (True, True)])
def test_gradient_with_masks_is_the_twins(kinds, bidirectional, pooling, lengths):
    rng = np.random.RandomState(0)
    architecture = Architecture(3, (4, 5), bidirectional, pooling, 2)
    arrays = [rng.normal(size=(length, 3)) for length in lengths]
    sequences = as_they_are(read_sequences(arrays, Expected(LSTMRegressor())))
    flat, y = rng.normal(size=architecture.n_weights), rng.normal(size=(len(arrays), 2))
    masks = draw_masks(
        architecture, len(y), 0.4 * kinds[0], 0.3 * kinds[1], np.random.MT19937(1), np.float64
    )
    X, lengths = padded(arrays)
    with TwoWay(
        architecture, sequences, len(y), dropout=kinds[0], recurrent_dropout=kinds[1]
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
    sequences = as_they_are(read_sequences(X, Expected(LSTMRegressor())))
    with TwoWay(architecture, sequences, n_masks, dropout=True) as team:
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
