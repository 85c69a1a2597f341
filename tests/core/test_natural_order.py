from cvdl.core.natural_order import natural_key


def test_numbers_in_names_are_sorted_by_value():
    assert sorted(["a10b", "a2b", "a2a", "b1"], key=natural_key) == ["a2a", "a2b", "a10b", "b1"]


def test_a_superscript_is_not_a_number():
    assert sorted(["²", "2", "a²b10", "a²b9"], key=natural_key) == ["2", "a²b9", "a²b10", "²"]
