"""The words for household objects: nouns, what they are made of and good for, colors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "COLORS",
    "GROUPS",
    "KINDS",
    "MATERIALS",
    "NEAR_COLORS",
    "NOUNS",
    "PLURALS",
    "PURPOSES",
    "color_shares",
    "nouns",
    "plural",
]

#: Kinds of household objects: those of the simulation.
KINDS = (
    "apple", "ball", "banana", "book", "bottle", "bowl", "box", "brick", "can", "carton", "cup",
    "fork", "hammer", "knife", "marker", "mug", "plate", "remote", "screwdriver", "sponge", "spoon",
    "tape", "tube",
)  # fmt: skip
#: Nouns of kinds that have more than their own name; the first one is the usual one.
NOUNS = {
    "brick": ("brick", "toy brick", "building brick"),
    "can": ("can", "tin"),
    "carton": ("carton", "drinks carton"),
    "cup": ("cup", "tumbler"),
    "marker": ("marker", "pen"),
    "mug": ("mug", "coffee mug"),
    "remote": ("remote", "remote control"),
    "tape": ("roll of tape", "tape"),
    "tube": ("tube", "tube of toothpaste"),
    "": ("thing", "object"),
}
#: Irregular plurals.
PLURALS = {"knife": "knives"}
#: Nouns for several kinds.
GROUPS = {
    "fruit": ("apple", "banana"),
    "tool": ("hammer", "screwdriver"),
    "piece of cutlery": ("fork", "knife", "spoon"),
    "dish": ("bowl", "plate"),
}
#: What kinds are good for.
PURPOSES = {
    "something to drink from": ("cup", "mug"),
    "something to eat": ("apple", "banana"),
    "something to eat with": ("fork", "knife", "spoon"),
    "something to write with": ("marker",),
    "something to read": ("book",),
    "something to clean with": ("sponge",),
    "something to hit a nail with": ("hammer",),
    "something to turn a screw with": ("screwdriver",),
    "something to play with": ("ball", "brick"),
}
#: Kinds that are surely of a material, and other kinds that may be, wholly or in part.
MATERIALS = {
    "metal": (("can", "fork", "knife", "spoon"), ("hammer", "screwdriver", "")),
    "plastic": (
        ("bottle", "brick", "marker", "remote"),
        ("ball", "bowl", "cup", "hammer", "mug", "plate", "screwdriver", "tape", "tube", ""),
    ),
    "ceramic": (("bowl", "mug", "plate"), ("cup", "")),
    "cardboard": (("box", "carton"), ("book", "cup", "")),
    "paper": (("book",), ("box", "carton", "cup", "tape", "")),
}

#: Names of colors, and the colors that one may be taken for.
NEAR_COLORS = {
    "black": ("gray", "brown"),
    "gray": ("black", "white"),
    "white": ("gray",),
    "brown": ("black", "orange", "red", "yellow"),
    "red": ("orange", "pink", "brown"),
    "orange": ("red", "yellow", "brown"),
    "yellow": ("orange", "green", "brown"),
    "green": ("yellow", "blue"),
    "blue": ("green", "purple"),
    "purple": ("blue", "pink"),
    "pink": ("red", "purple"),
}
COLORS = tuple(NEAR_COLORS)

#: Hues in degrees at which each color ends, in order from 0.
_HUES = (
    (12, "red"), (42, "orange"), (70, "yellow"), (165, "green"), (255, "blue"), (290, "purple"),
    (335, "pink"), (361, "red"),
)  # fmt: skip
_BLACK, _DARK, _WHITE = 45.0, 130.0, 195.0  # values, 0 to 255
_COLORED = 45.0  # difference of the channels from which a color is not gray, at a value of 255


def color_shares(colors: NDArray[np.floating], weights: NDArray[np.floating]) -> dict[str, float]:
    """Return which share of some colors has which name, largest first.

    Args:
        colors: (N, 3) sRGB, 0 to 255.
        weights: (N,) not negative, with a positive sum.
    """
    red, green, blue = colors.T
    value, spread = colors.max(axis=1), np.ptp(colors, axis=1)
    hue = np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)) % 360
    index = np.searchsorted([end for end, _ in _HUES], hue, side="right")
    names = np.array([name for _, name in _HUES])[np.minimum(index, len(_HUES) - 1)]
    names = names.astype("<U6")
    names[np.isin(names, ("red", "orange", "yellow")) & (value < _DARK)] = "brown"
    names[(names == "brown") & (hue < _HUES[0][0]) & (spread > 0.6 * value)] = "red"  # dark red
    gray = spread < _COLORED * (0.3 + 0.7 * value / 255)
    names[gray] = "gray"
    names[gray & (value > _WHITE)] = "white"
    names[value < _BLACK] = "black"
    total = weights.sum()
    shares = {str(n): float(weights[names == n].sum() / total) for n in np.unique(names)}
    return dict(sorted(shares.items(), key=lambda each: -each[1]))


def nouns(kind: str) -> tuple[str, ...]:
    """The nouns of a kind of object, the usual one first; of "" those of any thing."""
    return NOUNS.get(kind, (kind,))


def plural(noun: str) -> str:
    """The plural of a noun."""
    if noun.startswith("piece of"):
        return "pieces of" + noun.removeprefix("piece of")
    if noun.startswith(("roll of", "tube of")):
        return noun.replace(" of", "s of")
    return PLURALS.get(noun, noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s"))
