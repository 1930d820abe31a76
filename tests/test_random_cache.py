"""A short hunt with damage to the cache of kernels."""

import os

import hunt_cache
import pytest

pytestmark = [
    pytest.mark.cold,
    pytest.mark.skipif(os.name == "nt", reason="limits and modes are others on Windows"),
]


def test_random_damage_to_the_cache_costs_only_compile_time():
    found = hunt_cache.hunt(seed=0, wanted=4, minutes=0)
    assert (found["fits"], found["failed"]) == (4, 0)
    assert found["damages"] >= 4
