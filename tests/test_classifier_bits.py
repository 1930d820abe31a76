"""LSTMClassifier gives the same bits: alone, in threads, again, and for every form of X."""

import numpy as np
import pandas as pd
import pytest
from classifiers import (
    PREDICTIONS,
    classes_of,
    for_each_dtype,
    for_two_and_more_classes,
    small_classifier,
    three_classes,  # noqa: F401
)
from conftest import assert_same_bits, weights

from sklstm._network import plan, team

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ARCHITECTURES = {
    "one layer": {"hidden_layer_sizes": 4},
    "two layers in both directions": {"hidden_layer_sizes": (5, 17), "bidirectional": True},
    "large enough for several threads": {"hidden_layer_sizes": 64, "pooling": "mean"},
}
for_each_architecture = pytest.mark.parametrize(
    "architecture", ARCHITECTURES.values(), ids=ARCHITECTURES
)


@for_each_dtype
@for_each_architecture
@pytest.mark.parametrize("n_classes", [2, 3, 17])
def test_a_row_is_predicted_alone_as_among_others_in_any_order(architecture, n_classes, dtype):
    # Rows in number enough for several shards.
    X = np.random.RandomState(0).normal(size=(150, 15, 2)).astype(dtype)
    model = small_classifier(max_iter=1, **architecture).fit(X, np.arange(150) % n_classes)
    rng = np.random.RandomState(1)
    order, cuts = rng.permutation(150), np.sort(rng.choice(np.arange(1, 150), 4, replace=False))
    for method in PREDICTIONS:
        predict = getattr(model, method)
        together = predict(X)
        assert_same_bits(np.stack([predict(X[i : i + 1])[0] for i in range(150)]), together)
        assert_same_bits(predict(X[order]), together[order])
        parts = [predict(part) for part in np.split(X, cuts)]
        assert_same_bits(np.concatenate(parts), together)


@for_each_dtype
@for_two_and_more_classes
def test_any_number_of_threads_gives_the_same_bits(monkeypatch, n_classes, dtype):
    X = np.random.RandomState(0).normal(size=(160, 10)).astype(dtype)
    y = np.arange(160) % n_classes
    monkeypatch.setattr(plan, "WORTH_A_THREAD", 0)
    used, make_plan = [], team.make_plan

    def watched(*arguments, **options):
        used.append(made := make_plan(*arguments, **options))
        return made

    monkeypatch.setattr(team, "make_plan", watched)
    results = []
    for n_threads in (1, 2, 3):
        monkeypatch.setattr(plan, "available_threads", lambda n=n_threads: n)
        model = small_classifier(batch_size=64, class_weight="balanced").fit(X, y)
        results.append((weights(model), model.loss_curve_, model.predict_proba(X)))
        # The fit, and the prediction.
        assert [made.n_threads for made in used[-2:]] == [n_threads, n_threads]
    assert_same_bits(results[1:], results[:1] * 2)


@for_each_dtype
def test_the_same_random_state_gives_the_same_fit(X, y, dtype):
    X = X.astype(dtype)
    settings = {"dropout": 0.2, "early_stopping": True}
    one, same, other = (
        small_classifier(random_state=seed, **settings).fit(X, y) for seed in (7, 7, 8)
    )
    assert_same_bits(vars(one), vars(same))
    assert not np.array_equal(weights(one), weights(other))


def padded(X3):
    """More steps, all of them NaN."""
    return np.concatenate([X3, np.full_like(X3[:, :2], np.nan)], axis=1)


FORMS = {
    "3-D": lambda X3: X3,
    "2-D": lambda X3: X3.reshape(len(X3), -1),
    "2-D in Fortran order": lambda X3: np.asfortranarray(X3.reshape(len(X3), -1)),
    "list of arrays": list,
    "padded with NaN": padded,
    "DataFrame": lambda X3: pd.DataFrame(X3.reshape(len(X3), -1)).rename(columns=str),
}


@for_each_dtype
@for_two_and_more_classes
def test_all_forms_of_x_give_the_same_bits(X3, n_classes, dtype):
    X3, y = X3.astype(dtype), classes_of(X3, n_classes)
    results = {}
    for name, form in FORMS.items():
        flat = {"n_timesteps": 6} if "2-D" in name or "Frame" in name else {}
        model = small_classifier(bidirectional=True, **flat).fit(form(X3), y)
        results[name] = [getattr(model, method)(form(X3)) for method in PREDICTIONS]
    for name in FORMS:
        assert_same_bits(results[name], results["3-D"])
