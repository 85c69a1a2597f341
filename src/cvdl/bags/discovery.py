"""Find the color, depth and camera_info topics of a bag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, product, takewhile
from typing import Any

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
    is_gray,
)
from cvdl.messages.points import POINTS, points_description, source_fault
from cvdl.messages.transform_tree import TransformTree

__all__ = ["ImageTopic", "RgbdTopics", "describe_topics", "find_topics", "image_topics"]

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_FIRST = 5  # messages of a topic that are checked for a valid one
_TRANSPORTS = ("compressed", "compressedDepth")


@dataclass(frozen=True)
class RgbdTopics:
    """The names of the topics that make frames.

    Attributes:
        color: topic of images, or of point clouds; then equal to ``depth``.
        depth: likewise.
        camera_info: that of color; empty for point clouds without one.
        depth_info: the camera_info of depth, for its registration to color; empty if depth has no
            camera_info of its own.
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
    """A topic of images or point clouds, as its first valid message describes it.

    Attributes:
        topic: of type Image, CompressedImage or PointCloud2.
        kind: "color", "depth", "points" for both, or "" for neither.
        encoding: of an Image, the format of a CompressedImage, or the fields of a PointCloud2.
        size: width and height, pixels; zeros if the image cannot be read.
        frame: its frame id, without a leading slash.
        fault: why a PointCloud2 cannot be used, or empty.
    """

    topic: Topic
    kind: str = ""
    encoding: str = ""
    size: tuple[int, int] = (0, 0)
    frame: str = ""
    fault: str = ""

    @property
    def is_compressed(self) -> bool:
        """Whether it is a CompressedImage."""
        return self.topic.type == _IMAGES[1]

    @property
    def description(self) -> str:
        """Encoding and size for people."""
        return f"{self.encoding} {self.size[0]}x{self.size[1]}" if any(self.size) else self.encoding


def image_topics(bag: BagReader) -> dict[str, ImageTopic]:
    """Every topic of images or point clouds that has messages, by its name."""
    found = {}
    for topic in bag.topics:
        if topic.type not in (*_IMAGES, POINTS) or not topic.count:
            continue
        image = ImageTopic(topic)
        for _, _, data in islice(bag.messages([topic.name]), _FIRST):
            with suppress(MessageError):  # reported when the topic is used
                image = _described(topic, bag.decode(topic, data))
            if image.fault or (image.kind and any(image.size)):
                break
        found[topic.name] = image
    return found


def _described(topic: Topic, message: Any) -> ImageTopic:
    frame = frame_of(message)
    if topic.type == POINTS:
        fault = source_fault(message)
        size = int(message.width), int(message.height)
        kind = "" if fault else "points"
        return ImageTopic(topic, kind, points_description(message), size, frame, fault)
    encoding = getattr(message, "encoding", "") or getattr(message, "format", "")
    size = 0, 0
    with suppress(MessageError):  # reported when the topic is used
        size = image_size(message)
    return ImageTopic(topic, image_kind(message, topic.name), encoding, size, frame)


def find_topics(
    bag: BagReader,
    color: str | None = None,
    depth: str | None = None,
    info: str | None = None,
    points: str | None = None,
) -> RgbdTopics:
    """Find the topics that make frames.

    Of several, those that fit together are preferred: of equal size and from one camera, or with
    depth that can be registered to color; color before gray; the camera_info next to color; depth
    registered to color; then raw before compressed. Without a pair of images, an organized point
    cloud with color is used.

    Args:
        bag: to search.
        color: name of the color topic, if known.
        depth: name of the depth topic, if known.
        info: name of the CameraInfo topic of color or of the point cloud, if known.
        points: name of the topic of point clouds; instead of color and depth.

    Raises:
        BagError: if one is missing, or several fit equally well; it lists the topics of the bag.
    """
    images = image_topics(bag)
    infos = _info_frames(bag)

    def fail(what: str) -> BagError:
        return BagError(f"{bag.path}: {what}. Its topics:\n{describe_topics(bag, images)}")

    def candidates(given: str | None, kind: str) -> list[str]:
        return [given] if given else [name for name, i in images.items() if i.kind == kind]

    with_messages = {name: image.topic.type for name, image in images.items()}
    with_messages |= dict.fromkeys(infos, CAMERA_INFO)
    for given, kinds in (
        (color, _IMAGES),
        (depth, _IMAGES),
        (points, (POINTS,)),
        (info, (CAMERA_INFO,)),
    ):
        if given is not None and with_messages.get(given) not in kinds:
            is_there = any(topic.name == given for topic in bag.topics)
            missing = f"{given} holds no messages of type {' or '.join(kinds)}"
            raise fail(missing if is_there else f"there is no topic {given}")
    if points is not None and (color is not None or depth is not None):
        raise fail("point clouds replace color and depth: give one or the other")

    colors, depths = candidates(color, "color"), candidates(depth, "depth")
    clouds, camera_infos = candidates(points, "points"), [info] if info else list(infos)
    is_pair = bool(color or depth or (colors and depths and camera_infos))
    if points or (clouds and not is_pair):
        if len(clouds) > 1:
            raise fail(f"several topics fit; choose one: --points-topic {' or '.join(clouds)}")
        (cloud,) = clouds
        near = (name for name in infos if _namespace(name) == _namespace(cloud))
        return RgbdTopics(cloud, cloud, info or next(near, ""))
    faults = "".join(f"; {n} cannot be used: {i.fault}" for n, i in images.items() if i.fault)
    encodings = " with one of the encodings {}, or {}" + faults
    for what, found, accepted in (
        ("color", colors, encodings.format(", ".join(COLOR_ENCODINGS), "compressed")),
        ("depth", depths, encodings.format(", ".join(DEPTH_ENCODINGS), "compressedDepth")),
        ("camera_info", camera_infos, ""),
    ):
        if not found:
            raise fail(f"there is no {what} topic in it{accepted}")
    transforms = known_transforms(bag)
    fitness = {
        RgbdTopics(c, d, i): _fitness(images[c], images[d], i, infos, transforms)
        for c, d, i in product(colors, depths, camera_infos)
    }
    highest = max(fitness.values())
    best = [topics for topics in fitness if fitness[topics] == highest]
    chosen = best[-1]
    if chosen.is_cloud:
        raise fail(f"{chosen.color} cannot be both color and depth")
    if len(best) > 1:
        options = {
            "--color-topic": {topics.color for topics in best},
            "--depth-topic": {topics.depth for topics in best},
            "--camera-info-topic": {topics.camera_info for topics in best},
        }
        doubtful = "; ".join(
            f"{option} {' or '.join(sorted(names))}"
            for option, names in options.items()
            if len(names) > 1
        )
        raise fail(f"several topics fit equally well; choose one: {doubtful}")
    depth_info = _depth_info(images[chosen.depth], chosen.camera_info, infos)
    return replace(chosen, depth_info=depth_info)


def describe_topics(
    bag: BagReader, images: Mapping[str, ImageTopic], marks: Mapping[str, str] | None = None
) -> str:
    """One line per topic: name, type, messages, rate, encoding and size of images, and its mark."""
    seconds = bag.duration_ns / 1e9
    rows = []
    for topic in bag.topics:
        rate = f"{(topic.count - 1) / seconds:.1f} Hz" if topic.count > 1 and seconds else ""
        image = images.get(topic.name)
        description = image.description if image else ""
        mark = f"<- {marks[topic.name]}" if marks and topic.name in marks else ""
        messages = counted(topic.count, "message")
        rows.append((topic.name, topic.type, messages, rate, description, mark))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(f"  {line}" for line in lines or ["(none)"])


def _fitness(
    color: ImageTopic,
    depth: ImageTopic,
    info: str,
    infos: Mapping[str, str],
    transforms: TransformTree,
) -> tuple[int, ...]:
    """How well topics fit together; larger is better, and the first difference decides."""
    color_name, depth_name = color.topic.name, depth.topic.name
    color_space, depth_space, info_space = map(_namespace, (color_name, depth_name, info))
    is_same_size = color.size == depth.size
    is_same_frame = color.frame == depth.frame
    is_registered = is_named_registered(depth_name)
    is_usable = is_same_size and (is_same_frame or is_registered)
    can_register = bool(_depth_info(depth, info, infos)) and (
        is_same_frame or transforms.lookup(color.frame, depth.frame) is not None
    )
    return (
        2 if is_usable or can_register else int(is_same_size),
        not is_gray(color.encoding),
        is_same_size,
        "depth" in depth_name.lower(),
        # The camera_info of color, else of depth that is registered to it, else any.
        2 * (info_space == color_space)
        + (info_space == depth_space and (is_same_frame or is_registered)),
        infos[info] == color.frame,
        _shared(info_space, color_space),
        is_registered,
        depth.encoding != "mono16",
        _shared(color_space, depth_space),
        not color.is_compressed,
        not depth.is_compressed,
        "compressedDepth" in depth.encoding,
        is_rectified(color_name),
    )


def _info_frames(bag: BagReader) -> dict[str, str]:
    """The frame id of every CameraInfo topic that has messages, by its name."""
    found = {}
    for topic in bag.topics:
        if topic.type == CAMERA_INFO and topic.count:
            found[topic.name] = ""
            for _, _, data in islice(bag.messages([topic.name]), 1):
                with suppress(MessageError):  # reported when the topic is used
                    found[topic.name] = frame_of(bag.decode(topic, data))
    return found


def _depth_info(depth: ImageTopic, color_info: str, infos: Mapping[str, str]) -> str:
    """The CameraInfo topic of depth: in its namespace, the only nearest by name, or of its frame.

    Empty if there is none, or more than one.

    Args:
        depth: the topic of depth.
        color_info: the CameraInfo topic of color.
        infos: frame ids of all CameraInfo topics, by name.
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
    """The parts of a topic before the name of the image or camera_info."""
    parts = name.strip("/").split("/")
    if parts[-1] in _TRANSPORTS:
        parts.pop()
    return tuple(parts[:-1])


def _shared(first: Iterable[str], second: Iterable[str]) -> int:
    """The number of equal parts at the start of two namespaces."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))))
