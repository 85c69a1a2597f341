"""Whether two regions have one colour: in doubt, those of one plain colour are one thing."""

from __future__ import annotations

from enum import IntEnum

from cvdl.core.compiled import compiled

__all__ = ["OTHER_PAINT_DIFFERENCE", "SAME_PAINT_DIFFERENCE", "Paint", "compare_paint"]

#: Differences of colour (as in ``Surface.lab``) up to which two are one, and from which they are
#: two.
SAME_PAINT_DIFFERENCE, OTHER_PAINT_DIFFERENCE = 13.0, 25.0
_PLAIN = 12.0  # standard deviation of a plain colour


class Paint(IntEnum):
    """How the colours of two regions compare."""

    UNCLEAR = 0
    SAME = 1
    OTHER = 2


@compiled()
def compare_paint(difference, spread):  # type: ignore[no-untyped-def]
    """One plain colour, clearly different ones, or neither: a ``Paint``.

    Args:
        difference: distance of the regions' mean colours.
        spread: the greater of their standard deviations.
    """
    if difference > OTHER_PAINT_DIFFERENCE:
        return Paint.OTHER
    if difference < SAME_PAINT_DIFFERENCE and spread < _PLAIN:
        return Paint.SAME
    return Paint.UNCLEAR
