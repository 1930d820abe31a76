"""The order of a minibatch's rows, against NumPy's stable sort."""

import numpy as np
import pytest
from conftest import assert_same_bits

from sklstm._network.order import LongestFirst

N_SAMPLES, MAX_ROWS = 300, 64


@pytest.mark.parametrize("longest", [2, 7, 10**9])
def test_longest_first_and_equal_lengths_as_they_come(longest):
    rng = np.random.RandomState(0)
    records = np.zeros(N_SAMPLES, [("address", np.int64), ("length", np.int64)])
    lengths = records["length"]
    lengths[:] = rng.randint(1, longest + 1, size=N_SAMPLES)
    longest_first = LongestFirst(lengths, MAX_ROWS)
    for n_rows in (*range(1, MAX_ROWS + 1), 5):
        # A row may be there twice.
        rows = rng.randint(N_SAMPLES, size=n_rows)
        expected = np.argsort(-lengths[rows], kind="stable")
        assert_same_bits(longest_first(rows).copy(), expected)
