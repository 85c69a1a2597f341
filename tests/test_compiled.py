"""Compiled loops."""

import numpy as np

from cvdl.compiled import compiled


def test_without_a_place_to_keep_it_a_function_is_compiled_all_the_same():
    namespace = {}
    exec("def double(x):\n    return 2 * x", namespace)  # in no file, so that nothing can be kept
    double = compiled()(namespace["double"])
    assert double(21) == 42
    assert double.signatures


def test_division_by_zero_is_as_numpys():
    @compiled()
    def inverse(x):
        return 1 / x

    assert inverse(np.float32(0)) == np.inf
