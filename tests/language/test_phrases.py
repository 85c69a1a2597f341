"""What phrases single out, on a scene with known facts."""

import numpy as np
import pytest

from cvdl.language.facts import Fact, SceneFacts
from cvdl.language.phrases import Description, Found, referring_phrases
from helpers.facts import table, thing

SCENE = table()
BOX = Description(kind="box")


def found(*sure: int, possible: tuple[int, ...] = ()) -> Found:
    return Found(frozenset(sure), frozenset(sure) | frozenset(possible))


@pytest.mark.parametrize(
    ("description", "labels"),
    [
        (Description(kind="mug"), found(2)),
        (BOX, found(4, 6)),
        (Description(kind="box", color="green"), found(4)),
        (Description(color="red"), found(2, 5)),
        (Description(group="fruit"), found(5)),
        (Description(group="something to drink from"), found(2)),
        (Description(size="small"), found(5, possible=(2,))),
        (Description(material="metal"), found(3)),
        (Description(most="tallest"), found(4)),
        (Description(kind="box", most="leftmost"), found(4)),
        (Description(kind="mug", most="tallest"), found(possible=(2,))),
        (Description(relation="in", other=Description(kind="mug")), found(3)),
        (Description(relation="right of", other=Description(kind="apple")), found(6)),
        (Description(kind="box", relation="behind", other=Description(kind="mug")), found(4)),
        (Description(relation="left of", other=BOX), found(possible=(2, 3, 5))),
        (Description(kind="plate"), found()),
    ],
)
def test_what_a_description_fits(description: Description, labels: Found) -> None:
    fits = description.find(SCENE)
    assert fits.sure == labels.sure
    assert fits.possible >= labels.possible


def test_two_objects_of_nearly_one_size_are_no_superlative() -> None:
    scene = SceneFacts(
        (
            thing(2, "can", {}, (0, 0, 0), (0.1, 0.1, 0.10)),
            thing(3, "can", {}, (1, 0, 0), (0.1, 0.1, 0.11)),
        )
    )
    assert Description(most="tallest").find(scene).only == 0
    assert Description(most="rightmost").find(scene).only == 3


def test_what_has_no_kind_may_be_of_any() -> None:
    scene = SceneFacts((thing(2, "", {}, (0, 0, 0)), thing(3, "mug", {}, (1, 0, 0))))
    assert Description(kind="mug").find(scene) == found(3, possible=(2,))


@pytest.mark.parametrize("related", [False, True])
def test_phrases_single_out_what_they_are_about(related: bool) -> None:
    phrases = referring_phrases(np.random.default_rng(0), SCENE, related, 20)
    assert len(phrases) > 5
    for phrase in phrases:
        assert (phrase.name == "relation") == related
        nouns = {2: "mug", 3: "spoon", 4: "box", 5: "apple", 6: "box"}
        named = [noun for noun in nouns.values() if noun in phrase.text.split()]
        if not related and named:
            assert nouns[phrase.label] in named
        if "the mug" in phrase.text and phrase.text.split()[1] == "mug":
            assert phrase.label == 2
    assert referring_phrases(np.random.default_rng(0), SceneFacts(()), related, 5) == []


def test_a_description_is_written_with_its_words() -> None:
    rng = np.random.default_rng(0)
    anchor = Description(kind="mug", color="red")
    text = Description(kind="apple", size="small", relation="right of", other=anchor).text(rng)
    assert text.startswith("the small apple")
    assert "right of the red" in text
    assert text.endswith("mug")
    assert Description(kind="apple", color="red").text(rng, "a") == "a red apple"
    assert Description(kind="apple").text(rng, "a") == "an apple"


@pytest.mark.parametrize(
    ("fact", "is_true"),
    [
        (Fact("kind", 2, "mug"), True),
        (Fact("kind", 2, "cup"), False),
        (Fact("color", 5, "red"), True),
        (Fact("color", 4, "red"), False),
        (Fact("size", 5, "small"), True),
        (Fact("material", 3, "metal"), True),
        (Fact("count", 0, "box", 2), True),
        (Fact("count", 0, "", 4), False),
        (Fact("graspable", 2), True),
        (Fact("graspable", 6), False),
        (Fact("in", 3, "", 2), True),
        (Fact("on", 3, "", 2), False),
        (Fact("left of", 2, "", 5), True),
        (Fact("left of", 5, "", 2), False),
        (Fact("in front of", 2, "", 4), True),
        (Fact("kind", 9, "mug"), False),
    ],
)
def test_facts_are_checked(fact: Fact, is_true: bool) -> None:
    assert SCENE.holds(fact) is is_true
