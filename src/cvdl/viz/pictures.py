"""Pictures of results: overlays, colored depth, contact sheets. All are (H, W, 3) uint8 RGB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cvdl.core.files import write_atomically
from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import (
    BOX_EDGES,
    FIRST_OBJECT_LABEL,
    PLANE_LABEL,
    Detection,
    Grasp,
    Region,
    Scene,
    SceneObject,
)
from cvdl.viz.captions import DARK_COLOR, FONT, Captions

__all__ = [
    "PLATE_COLOR",
    "UNMATCHED_COLOR",
    "contact_sheet",
    "depth_picture",
    "object_color",
    "overlay",
    "thickest_place",
    "tinted",
    "write_png",
]

Picture = NDArray[np.uint8]
#: The ends of a line (2, 2), in sixteenths of a pixel.
Line = NDArray[np.int32]

PLATE_COLOR = (255, 255, 255)  #: Of the plates of a gripper.
_OPENING_COLOR = (255, 225, 0)  # of the sides between the plates
UNMATCHED_COLOR = (225, 225, 225)  #: Of a detection without a segmented object.
_REGION_COLOR = (255, 140, 255)
_OFF_SUPPORT_COLOR = (130, 130, 130)
_PLANE_SHARE, _OBJECT_SHARE = 0.15, 0.45  # of the tint in the mixture
_FAINT_SHARE = 0.55
_DASH = 6  # pixels
_GAP = 4  # pixels: gaps in the plane narrower than two of these have no outline
_PIECE_SHARE = 0.002  # of the picture: smaller pieces of the plane have no outline
_SHIFT = 4  # lines of OpenCV end at sixteenths of a pixel
_PIECES = 32  # of an edge of the region
_FAR = 10_000  # pixels: OpenCV clips lines to the picture, but only in the range of its integers


def _palette() -> Picture:
    """(256, 1, 3) RGB, one color per label, as a color map of OpenCV.

    Hues advance by the golden angle, so that neighboring labels never look alike; saturation and
    lightness alternate, so that hues that recur differ.
    """
    number = np.arange(256)
    hue = (5 + (number - FIRST_OBJECT_LABEL) * 180 * 0.618034) % 180
    saturation = np.where(number % 3 == 1, 150, 235)
    value = np.where(number % 2 == 1, 205, 255)
    hsv = np.stack([hue, saturation, value], axis=-1).astype(np.uint8)
    rgb = cv2.cvtColor(hsv[:, None], cv2.COLOR_HSV2RGB)
    rgb[PLANE_LABEL] = (90, 170, 255)
    return np.asarray(rgb, np.uint8)


_PALETTE = _palette()
#: Colors of lines: dark outside of objects.
_LINES = _PALETTE.copy()
_LINES[:FIRST_OBJECT_LABEL] = DARK_COLOR
#: Row of the palette for every uint16 label: labels above the last color start again.
_ROW = np.arange(65536)
_ROW[256:] = FIRST_OBJECT_LABEL + (_ROW[256:] - 256) % (256 - FIRST_OBJECT_LABEL)
_ROW = _ROW.astype(np.uint8)


def object_color(label: int) -> tuple[int, int, int]:
    """The RGB color of a label in all pictures."""
    red, green, blue = _PALETTE[_ROW[label], 0]
    return int(red), int(green), int(blue)


def overlay(frame: RgbdFrame, scene: Scene) -> Picture:
    """Draws a scene on the color image of its frame, (H, W, 3) uint8 RGB.

    The support plane is tinted faintly and outlined, and its kind is written in the corner, with
    the notices below it; without a plane, the picture says so, with the amount of depth. Each
    object has its own color and outline, its box drawn thin, and its caption (see `Scene.caption`)
    at the thickest place of its mask. A detection without an object has a dashed box, gray if it is
    off the support, with its caption above. The best grasp of an object has thick plates and thin
    sides along the opening; the other grasps have faint plates only. The region of interest has a
    thin outline.

    Raises:
        ValueError: if frame and scene differ in size.
    """
    if scene.labels.shape != frame.depth.shape:
        raise ValueError(
            f"labels are {scene.labels.shape[1]}x{scene.labels.shape[0]}, "
            f"the frame {frame.camera.width}x{frame.camera.height}"
        )
    labels = scene.labels
    # Taking rows of the palette is slow, and hardly a scene has so many labels.
    is_many = labels.max() >= len(_PALETTE)
    rows = (np.take(_ROW, labels) if is_many else labels).astype(np.uint8)
    picture = tinted(frame.color, rows)
    if scene.region is not None:
        _draw_region(picture, frame, scene.region)
    for item in scene.objects:
        _draw_box(picture, frame, item)
    unmatched = [detection for detection in scene.detections if not detection.label]
    for detection in unmatched:
        _draw_dashed(picture, detection)
    _draw_grasps(picture, scene)
    captions = Captions(picture)  # after all lines, so that no line crosses them
    corner = [f"support: {scene.support_kind}"] if scene.support_kind else []
    corner += scene.notices
    if not scene.labels.any():
        corner += ["no support plane: no grasps", _depth_in_words(frame.depth)]
    captions.list(corner)
    for item in scene.objects:
        _write_inside(captions, scene, item)
    for detection in unmatched:
        x_min, y_min, *_ = detection.box2d
        captions.write(scene.caption(detection), x_min, y_min - 5, align=0)
    return picture


def depth_picture(depth: NDArray[np.float32]) -> Picture:
    """Depth (H, W), meters, in colors from near (red) to far (blue); dark for no reading.

    The colors span the 1st to the 99th percentile of the readings.
    """
    valid = np.isfinite(depth)
    if not valid.any():
        return np.full((*depth.shape, 3), DARK_COLOR, np.uint8)
    near, far = np.percentile(depth[valid], [1, 99])
    span = max(float(far - near), 1e-6)
    level = 255 * np.clip((far - np.where(valid, depth, far)) / span, 0, 1)
    picture = cv2.cvtColor(
        cv2.applyColorMap(level.astype(np.uint8), cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB
    )
    picture[~valid] = DARK_COLOR
    return picture


def contact_sheet(
    pictures: Sequence[Picture], captions: Sequence[str], columns: int = 4, width: int = 480
) -> Picture:
    """Arranges pictures in a grid, row by row, each below its caption.

    Args:
        pictures: (H, W, 3) uint8 RGB each, of any sizes; scaled to fit the shape of the first.
        captions: one line per picture; long captions are written smaller, then cut.
        columns: largest number of pictures in a row.
        width: of one cell, pixels.

    Raises:
        ValueError: if there are no pictures, or not as many captions.
    """
    if not pictures or len(pictures) != len(captions):
        raise ValueError(
            f"need as many captions as pictures, and at least one; "
            f"got {len(pictures)} pictures and {len(captions)} captions"
        )
    columns = max(1, min(columns, len(pictures)))
    bar, gap = 22, 4
    height = max(1, round(pictures[0].shape[0] * width / pictures[0].shape[1]))
    rows = -(-len(pictures) // columns)
    step_x, step_y = width + gap, height + bar + gap
    sheet = np.full((rows * step_y + gap, columns * step_x + gap, 3), DARK_COLOR, np.uint8)
    for index, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(index, columns)
        x, y = gap + column * step_x, gap + row * step_y
        (text_width, _), _ = cv2.getTextSize(caption, FONT, 0.45, 1)
        size = 0.45 * min(max((width - 8) / max(text_width, 1), 0.7), 1.0)
        strip = sheet[y : y + bar, x : x + width]  # cuts captions that are still too long
        cv2.putText(strip, caption, (4, 15), FONT, size, (235,) * 3, 1, cv2.LINE_AA)
        fit = min(width / picture.shape[1], height / picture.shape[0])
        w, h = max(1, round(picture.shape[1] * fit)), max(1, round(picture.shape[0] * fit))
        small = cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA)
        sheet[y + bar : y + bar + h, x : x + w] = small
    return sheet


def tinted(color: Picture, labels: NDArray[np.uint8]) -> Picture:
    """A picture (H, W, 3) with the pixels of each label tinted and outlined.

    Labels (H, W) are as in ``Scene``, up to 255.
    """
    picture = color.copy()
    if labels.size == 1:  # OpenCV treats a single pixel as a number
        return picture
    tint = cv2.applyColorMap(labels, _PALETTE)
    for mask, share in (
        (cv2.compare(labels, PLANE_LABEL, cv2.CMP_EQ), _PLANE_SHARE),
        (cv2.compare(labels, FIRST_OBJECT_LABEL, cv2.CMP_GE), _OBJECT_SHARE),
    ):
        cv2.copyTo(cv2.addWeighted(color, 1 - share, tint, share, 0), mask, picture)
    if (labels == PLANE_LABEL).any():
        _outline_plane(picture, labels)
    # A line in the color of the object just inside its rim and a dark line just outside: one of
    # the two is visible on any background.
    lowest, highest = cv2.erode(labels, None), cv2.dilate(labels, None)
    rim = cv2.bitwise_and(
        cv2.compare(lowest, highest, cv2.CMP_NE),
        cv2.compare(highest, FIRST_OBJECT_LABEL, cv2.CMP_GE),
    )
    cv2.copyTo(cv2.applyColorMap(labels, _LINES), rim, picture)
    return picture


def thickest_place(mask: NDArray[np.uint8]) -> tuple[int, int]:
    """Column and row of the pixel of a mask (H, W) that is farthest from its outline."""
    # A border of zeros: the edge of the picture is also an outline.
    bordered = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    _, _, _, (x, y) = cv2.minMaxLoc(cv2.distanceTransform(bordered, cv2.DIST_L2, 3))
    return x - 1, y - 1


def write_png(path: Path, picture: Picture) -> None:
    """Writes an RGB picture as PNG, atomically, and creates its folder.

    Raises:
        OSError: if the file cannot be written.
    """
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    write_atomically(path, data.tobytes())


def _line_width(picture: Picture) -> int:
    return max(1, round(picture.shape[1] / 640))


def _depth_in_words(depth: NDArray[np.float32]) -> str:
    """The share of pixels (H, W) with a depth, and the median depth."""
    some = depth[::2, ::2]
    readings = some[np.isfinite(some)]
    if not len(readings):
        return "no depth"
    return f"depth: {len(readings) / some.size:.0%} of pixels, median {np.median(readings):.3g} m"


def _outline_plane(picture: Picture, labels: NDArray[np.uint8]) -> None:
    """Outlines the plane together with its objects, across gaps in the depth."""
    covered = cv2.compare(labels, PLANE_LABEL, cv2.CMP_GE)
    gap = np.ones((2 * _GAP + 1,) * 2, np.uint8)
    covered = cv2.morphologyEx(covered, cv2.MORPH_CLOSE, gap)
    outlines, _ = cv2.findContours(covered, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    large = [line for line in outlines if cv2.contourArea(line) > _PIECE_SHARE * labels.size]
    width = _line_width(picture)
    cv2.polylines(picture, large, True, DARK_COLOR, 3 * width)
    cv2.polylines(picture, large, True, object_color(PLANE_LABEL), width)


def _draw_region(picture: Picture, frame: RgbdFrame, region: Region) -> None:
    """Draws the rectangle, if it is not the whole image, and the edges of the box."""
    height, width = frame.depth.shape
    x_min, y_min, x_max, y_max = region.rectangle
    lines = np.zeros((0, 2, 2))
    if region.rectangle != (0, 0, width, height):
        x_max, y_max = x_max - 1, y_max - 1
        corners = np.array([[x_min, y_min], [x_max, y_min], [x_max, y_max], [x_min, y_max]])
        lines = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    if region.box is not None:
        start, end = region.box.corners()[np.array(BOX_EDGES).T]
        # In pieces, as an edge may begin behind the camera.
        points = frame.camera.project(np.linspace(start, end, _PIECES + 1, axis=1))
        pieces = np.stack([points[:, :-1], points[:, 1:]], axis=2).reshape(-1, 2, 2)
        seen = (np.abs(pieces) < _FAR).all(axis=(1, 2))  # False for NaN
        lines = np.concatenate([lines, pieces[seen]])
    width = _line_width(picture)
    sides = list(lines.round().astype(np.int32))
    cv2.polylines(picture, sides, False, DARK_COLOR, 3 * width)
    cv2.polylines(picture, sides, False, _REGION_COLOR, width)


def _draw_box(picture: Picture, frame: RgbdFrame, item: SceneObject) -> None:
    """Draws the 3D box, or the 2D box if a corner is not in front of the camera."""
    color = object_color(item.label)
    corners = frame.camera.project(item.box3d.corners())
    if np.isfinite(corners).all():
        points = corners.clip(-_FAR, _FAR).round().astype(np.int32)
        lines = list(points[np.array(BOX_EDGES)])
        cv2.polylines(picture, lines, False, color, 1, cv2.LINE_AA)
    else:
        x_min, y_min, x_max, y_max = (int(value) for value in item.box2d)
        cv2.rectangle(picture, (x_min, y_min), (x_max - 1, y_max - 1), color, 1)


def _draw_dashed(picture: Picture, detection: Detection) -> None:
    """Draws the 2D box in dashes, light with a dark rim: visible on any background."""
    box = detection.box2d.clip(-_FAR, _FAR)
    x_min, y_min, x_max, y_max = box - [0, 0, 1, 1]  # to the last pixels
    corners = np.array([[x_min, y_min], [x_max, y_min], [x_max, y_max], [x_min, y_max]])
    dashes = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        # An odd number of pieces, every second one drawn: each side begins and ends with a dash.
        count = 2 * int(np.linalg.norm(end - start) // (2 * _DASH)) + 1
        cuts = start + np.linspace(0, 1, count + 1)[:, None] * (end - start)
        dashes += list(np.stack([cuts[:-1], cuts[1:]], axis=1)[::2].round().astype(np.int32))
    width = _line_width(picture)
    cv2.polylines(picture, dashes, False, DARK_COLOR, 3 * width)
    color = _OFF_SUPPORT_COLOR if detection.off_support else UNMATCHED_COLOR
    cv2.polylines(picture, dashes, False, color, width)


def _draw_grasps(picture: Picture, scene: Scene) -> None:
    """Draws grasp rectangles: the best grasp of each object above all others."""
    best = scene.best_grasps()
    others = [grasp for grasp in scene.grasps if grasp is not best[grasp.label]]
    width = _line_width(picture)
    if others:
        faint = picture.copy()
        for plates, _ in _sides(others):
            _draw_lines(faint, plates, DARK_COLOR, 3 * width)
            _draw_lines(faint, plates, PLATE_COLOR, width)
        cv2.addWeighted(faint, _FAINT_SHARE, picture, 1 - _FAINT_SHARE, 0, dst=picture)
    for plates, openings in _sides(list(reversed(best.values()))):
        _draw_lines(picture, openings, DARK_COLOR, 4 * width)
        _draw_lines(picture, openings, _OPENING_COLOR, 2 * width)
        _draw_lines(picture, plates, DARK_COLOR, 7 * width)
        _draw_lines(picture, plates, PLATE_COLOR, 4 * width)


def _sides(grasps: Sequence[Grasp]) -> Iterator[tuple[list[Line], list[Line]]]:
    """Of each grasp, two sides along the plates and two along the opening."""
    if not grasps:
        return
    angle, opening, plate = np.array([(each.angle, each.opening, each.plate) for each in grasps]).T
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    along = direction * opening[:, None] / 2
    across = np.stack([-direction[:, 1], direction[:, 0]], axis=1) * plate[:, None] / 2
    center = np.array([grasp.center for grasp in grasps])
    plates = [-along - across, -along + across, along - across, along + across]
    openings = [-across - along, -across + along, across - along, across + along]
    corners = np.stack(plates + openings, axis=1)
    points = ((center[:, None] + corners).clip(-_FAR, _FAR) * 2**_SHIFT).round().astype(np.int32)
    for of_plates, of_openings in points.reshape(-1, 2, 2, 2, 2):
        yield list(of_plates), list(of_openings)


def _draw_lines(
    picture: Picture, lines: list[Line], color: tuple[int, int, int], width: int
) -> None:
    cv2.polylines(picture, lines, False, color, width, cv2.LINE_AA, _SHIFT)


def _write_inside(captions: Captions, scene: Scene, item: SceneObject) -> None:
    """Writes the caption at the thickest place of the mask: inside even a bent object."""
    x_min, y_min, x_max, y_max = (max(int(value), 0) for value in item.box2d)
    mask = (scene.labels[y_min:y_max, x_min:x_max] == item.label).view(np.uint8)
    if mask.any():
        x, y = thickest_place(mask)
        captions.write(scene.caption(item), x_min + x, y_min + y, align=0.5)
