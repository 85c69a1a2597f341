"""Grasps by name: the objects that ``grasp.only`` asks for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches

from cvdl.core.scene import Scene, SceneObject

__all__ = ["NOT_ASKED", "asked_objects", "name_doubts"]

#: Why an object that is not asked for has no grasp.
NOT_ASKED = "not in grasp.only"


def asked_objects(objects: Sequence[SceneObject], only: Collection[str]) -> list[SceneObject]:
    """Return the objects that have one of the names, in any case; all if there are no names."""
    asked = {name.casefold() for name in only}
    return [item for item in objects if not asked or item.class_name.casefold() in asked]


def name_doubts(scene: Scene, only: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return doubts, as in ``Scene.doubts``, about names that no object can have.

    Args:
        scene: with the names of the objects, and all that they can have, ``classes``. A
            segmentation of another node may have brought others.
        only: the names that are asked for.
    """
    if not only:
        return ()
    known = list(dict.fromkeys([*scene.classes, *(item.class_name for item in scene.objects)]))
    known = [name for name in known if name]
    if not known:
        sentence = (
            f"grasp.only asks for {', '.join(only)}, but nothing names the objects here, so there "
            "are no grasps; names need the detector (detector.enable), in this node or in a "
            "detection_node"
        )
        return (("grasp.only without names", sentence),)
    folded = [name.casefold() for name in known]
    doubts = []
    for name in only:
        if name.casefold() not in folded:
            like = get_close_matches(name.casefold(), folded, 1)
            meant = f" (did you mean {known[folded.index(like[0])]}?)" if like else ""
            sentence = f"grasp.only asks for {name!r}, which is no known name{meant}"
            doubts.append((f"grasp.only: {name}", f"{sentence}; known: {', '.join(known)}"))
    return tuple(doubts)
