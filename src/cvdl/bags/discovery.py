"""Finds a bag's colour, depth and camera_info topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, product

from cvdl.bags.reader import BagReader
from cvdl.bags.topic import BagError, Topic
from cvdl.bags.transforms import known_transforms
from cvdl.core.tally import counted
from cvdl.messages.camera_info import is_rectified
from cvdl.messages.depth_registration import frame_of, is_named_registered
from cvdl.messages.images import (
    COLOR_ENCODINGS,
    DEPTH_ENCODINGS,
    MessageError,
    image_kind,
    image_size,
    is_grey,
)
from cvdl.messages.points import POINTS, points_description, source_fault
from cvdl.messages.transform_tree import TransformTree

__all__ = ["ImageTopic", "RgbdTopics", "describe_topics", "find_topics", "image_topics"]

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_FIRST = 5  # messages of a topic among which one is sound, or none is
_TRANSPORTS = ("compressed", "compressedDepth")


@dataclass(frozen=True)
class RgbdTopics:
    """The topics that make frames, by name.

    Attributes:
        color: of images, or of point clouds: then the same as ``depth``.
        depth: likewise.
        camera_info: of color; empty where point clouds have none.
        depth_info: the camera_info of depth, for its registration to color; empty where there is
            none of its own.
    """

    color: str
    depth: str
    camera_info: str
    depth_info: str = ""

    @property
    def is_cloud(self) -> bool:
        """Whether point clouds are both color and depth."""
        return self.color == self.depth


@dataclass(frozen=True)
class ImageTopic:
    """What the first sound message of a topic of images or point clouds says.

    Attributes:
        topic: of an Image, a CompressedImage or a PointCloud2.
        kind: "color", "depth", "points" for both, or "" for what is neither.
        encoding: of an Image, the format of a CompressedImage, or the fields of a PointCloud2.
        size: width and height, pixels; zeros where the picture cannot be read.
        frame: its frame id, without a leading slash.
        fault: why a PointCloud2 is neither, or empty.
    """

    topic: Topic
    kind: str
    encoding: str
    size: tuple[int, int]
    frame: str = ""
    fault: str = ""

    @property
    def is_compressed(self) -> bool:
        """Whether it is a CompressedImage."""
        return self.topic.type == _IMAGES[1]

    @property
    def description(self) -> str:
        """Encoding and size, in words."""
        return f"{self.encoding} {self.size[0]}x{self.size[1]}" if any(self.size) else self.encoding


def image_topics(bag: BagReader) -> dict[str, ImageTopic]:
    """Every topic of images or point clouds that has messages, by its name."""
    found = {}
    for topic in bag.topics:
        if topic.type not in (*_IMAGES, POINTS) or not topic.count:
            continue
        kind, encoding, size, frame, fault = "", "", (0, 0), "", ""
        for _, _, data in islice(bag.messages([topic.name]), _FIRST):
            try:
                message = bag.decode(topic, data)
                frame = frame_of(message)
                if topic.type == POINTS:
                    fault = source_fault(message)
                    kind = "" if fault else "points"
                    encoding = points_description(message)
                    size = int(message.width), int(message.height)
                    break
                kind = image_kind(message, topic.name)
                encoding = getattr(message, "encoding", "") or getattr(message, "format", "")
                size = image_size(message)
            except MessageError:
                continue  # said again, with its reason, when the topic is used
            if kind:
                break
        found[topic.name] = ImageTopic(topic, kind, encoding, size, frame, fault)
    return found


def find_topics(
    bag: BagReader,
    color: str | None = None,
    depth: str | None = None,
    info: str | None = None,
    points: str | None = None,
) -> RgbdTopics:
    """The topics that make frames; those given are taken as they are.

    Of several, the ones that fit together are preferred: of one size and one camera, or such that
    depth can be registered to color; colour before grey; the camera_info next to colour; depth
    registered to colour; then raw before compressed. Where there is no pair of images, it is an
    organised point cloud with color.

    Args:
        bag: to look into.
        color: name of the color topic.
        depth: name of the depth topic.
        info: name of the CameraInfo topic of color, or of the point cloud.
        points: name of the topic of point clouds; instead of color and depth.

    Raises:
        BagError: if one is missing, or several fit equally well; it lists the bag's topics.
    """
    images = image_topics(bag)
    infos = _info_frames(bag)

    def fail(what: str) -> BagError:
        return BagError(f"{bag.path}: {what}. Its topics:\n{describe_topics(bag, images)}")

    names = {topic.name for topic in bag.topics}
    for given, kinds in ((color, _IMAGES), (depth, _IMAGES), (points, (POINTS,))):
        if given is None:
            continue
        if given not in names:
            raise fail(f"there is no topic {given}")
        if given not in images or images[given].topic.type not in kinds:
            raise fail(f"{given} holds no messages of type {' or '.join(kinds)}")
    if info is not None and info not in infos:
        missing = f"{info} holds no messages of type {CAMERA_INFO}"
        raise fail(missing if info in names else f"there is no topic {info}")
    if points is not None and (color is not None or depth is not None):
        raise fail("point clouds replace colour and depth: give one or the other")

    choices = {
        "colour": [color] if color else [n for n, i in images.items() if i.kind == "color"],
        "depth": [depth] if depth else [n for n, i in images.items() if i.kind == "depth"],
        "camera_info": [info] if info else list(infos),
    }
    clouds = [points] if points else [n for n, i in images.items() if i.kind == "points"]
    is_pair = bool(choices["colour"] and choices["depth"] and choices["camera_info"])
    if points or (clouds and not is_pair and color is None and depth is None):
        if len(clouds) > 1:
            raise fail(f"several topics fit; choose one: --points-topic {' or '.join(clouds)}")
        return RgbdTopics(clouds[0], clouds[0], info or _info_beside(clouds[0], infos))
    faults = "".join(f"; {n} does not serve: {i.fault}" for n, i in images.items() if i.fault)
    accepted = {
        "colour": f" with one of the encodings {', '.join(COLOR_ENCODINGS)}, or compressed"
        + faults,
        "depth": f" with one of the encodings {', '.join(DEPTH_ENCODINGS)}, or compressedDepth"
        + faults,
        "camera_info": "",
    }
    for what, candidates in choices.items():
        if not candidates:
            raise fail(f"there is no {what} topic in it{accepted[what]}")
    fitness = _Fitness(images, infos, known_transforms(bag))
    ranked = sorted(
        ((fitness(c, d, i), RgbdTopics(c, d, i)) for c, d, i in product(*choices.values())),
        key=lambda pair: pair[0],
    )
    best_fitness, best = ranked[-1]
    if best.is_cloud:
        raise fail(f"{best.color} would serve as both colour and depth")
    equals = [topics for each, topics in ranked if each == best_fitness]
    if len(equals) > 1:
        options = {
            "--color-topic": {topics.color for topics in equals},
            "--depth-topic": {topics.depth for topics in equals},
            "--camera-info-topic": {topics.camera_info for topics in equals},
        }
        doubtful = "; ".join(
            f"{option} {' or '.join(sorted(found))}"
            for option, found in options.items()
            if len(found) > 1
        )
        raise fail(f"several topics fit equally well; choose one: {doubtful}")
    depth_info = _depth_info(images[best.depth], best.camera_info, infos)
    return RgbdTopics(best.color, best.depth, best.camera_info, depth_info)


def describe_topics(
    bag: BagReader, images: Mapping[str, ImageTopic], marks: Mapping[str, str] | None = None
) -> str:
    """One line a topic: name, type, messages, rate, encoding and size of pictures, and its mark."""
    seconds = bag.duration_ns / 1e9
    rows = []
    for topic in bag.topics:
        rate = f"{(topic.count - 1) / seconds:.1f} Hz" if topic.count > 1 and seconds else ""
        image = images.get(topic.name)
        picture = image.description if image else ""
        mark = f"<- {marks[topic.name]}" if marks and topic.name in marks else ""
        rows.append((topic.name, topic.type, counted(topic.count, "message"), rate, picture, mark))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(f"  {line}" for line in lines or ["(none)"])


@dataclass(frozen=True)
class _Fitness:
    """Tells how well topics fit together."""

    images: Mapping[str, ImageTopic]
    infos: Mapping[str, str]
    transforms: TransformTree

    def __call__(self, color_name: str, depth_name: str, info: str) -> tuple[int, ...]:
        """The larger, the better do the three fit together; the first difference decides."""
        color, depth = self.images[color_name], self.images[depth_name]
        color_space, depth_space = _namespace(color_name), _namespace(depth_name)
        info_space = _namespace(info)
        is_same_size = color.size == depth.size
        is_same_frame = color.frame == depth.frame
        is_registered = is_named_registered(depth_name)
        is_usable = is_same_size and (is_same_frame or is_registered)
        return (
            2 if is_usable or self._can_register(color, depth, info) else int(is_same_size),
            not is_grey(color.encoding),
            is_same_size,
            "depth" in depth_name.lower(),
            # The camera_info of colour, else of depth registered to it, else any.
            2 * (info_space == color_space)
            + (info_space == depth_space and (is_same_frame or is_registered)),
            self.infos[info] == color.frame,
            _shared(info_space, color_space),
            is_registered,
            depth.encoding != "mono16",
            _shared(color_space, depth_space),
            not color.is_compressed,
            not depth.is_compressed,
            "compressedDepth" in depth.encoding,
            is_rectified(color_name),
        )

    def _can_register(self, color: ImageTopic, depth: ImageTopic, info: str) -> bool:
        """Whether there is all that it takes to register depth to color."""
        return bool(_depth_info(depth, info, self.infos)) and (
            color.frame == depth.frame
            or self.transforms.lookup(color.frame, depth.frame) is not None
        )


def _info_beside(name: str, infos: Iterable[str]) -> str:
    """The CameraInfo topic in the namespace of an image or a point cloud; empty if none is."""
    return next((info for info in infos if _namespace(info) == _namespace(name)), "")


def _info_frames(bag: BagReader) -> dict[str, str]:
    """The frame id of every CameraInfo topic that has messages, by its name."""
    found = {}
    for topic in bag.topics:
        if topic.type == CAMERA_INFO and topic.count:
            found[topic.name] = ""
            for _, _, data in islice(bag.messages([topic.name]), 1):
                with suppress(MessageError):  # said when the topic is used
                    found[topic.name] = frame_of(bag.decode(topic, data))
    return found


def _depth_info(depth: ImageTopic, color_info: str, infos: Mapping[str, str]) -> str:
    """The CameraInfo topic of depth: beside it, alone the nearest by name, or of its frame.

    Empty if none is, or if several are.

    Args:
        depth: the topic of depth.
        color_info: the CameraInfo topic of color.
        infos: frame ids by the names of all.
    """
    space = _namespace(depth.topic.name)
    likely = [info for info in infos if _namespace(info) == space]
    if len(likely) > 1:
        likely = [info for info in likely if info != color_info]
    elif not likely:
        shared = {info: _shared(_namespace(info), space) for info in infos}
        most = max(shared.values(), default=0)
        likely = [info for info, count in shared.items() if 0 < count == most]
    of_frame = [info for info in infos if infos[info] == depth.frame != infos[color_info]]
    for found in (likely, of_frame):
        if len(found) == 1 and found != [color_info]:
            return found[0]
    return ""


def _namespace(name: str) -> tuple[str, ...]:
    """What comes before the image's or the camera_info's own name."""
    parts = name.strip("/").split("/")
    if parts[-1] in _TRANSPORTS:
        parts.pop()
    return tuple(parts[:-1])


def _shared(first: Iterable[str], second: Iterable[str]) -> int:
    """How many namespaces two names have in common, from the first on."""
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count
