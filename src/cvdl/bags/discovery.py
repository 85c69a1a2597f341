"""Finds a bag's colour, depth and camera_info topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice, product

from cvdl.bags.reader import BagReader
from cvdl.bags.topic import BagError, Topic
from cvdl.ros.reading import (
    COLOR_ENCODINGS,
    DEPTH_ENCODINGS,
    MessageError,
    image_kind,
    image_size,
    is_rectified,
)
from cvdl.tally import counted

__all__ = ["ImageTopic", "RgbdTopics", "describe_topics", "find_topics", "image_topics"]

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_FIRST = 5  # messages of a topic among which one is sound, or none is
_TRANSPORTS = ("compressed", "compressedDepth")
_REGISTERED = ("aligned", "registered", "depth_to_rgb", "depth_to_color")


@dataclass(frozen=True)
class RgbdTopics:
    """The three topics that make frames, by name."""

    color: str
    depth: str
    camera_info: str


@dataclass(frozen=True)
class ImageTopic:
    """What the first sound message of an image topic says.

    Attributes:
        topic: of an Image or CompressedImage.
        kind: "color", "depth", or "" for what is neither.
        encoding: of an Image, or the format of a CompressedImage.
        size: width and height, pixels; zeros where the picture cannot be read.
    """

    topic: Topic
    kind: str
    encoding: str
    size: tuple[int, int]

    @property
    def is_compressed(self) -> bool:
        """Whether it is a CompressedImage."""
        return self.topic.type == _IMAGES[1]

    @property
    def description(self) -> str:
        """Encoding and size, in words."""
        return f"{self.encoding} {self.size[0]}x{self.size[1]}" if any(self.size) else self.encoding


def image_topics(bag: BagReader) -> dict[str, ImageTopic]:
    """Every image topic that has messages, by its name."""
    found = {}
    for topic in bag.topics:
        if topic.type not in _IMAGES or not topic.count:
            continue
        kind, encoding, size = "", "", (0, 0)
        for _, _, data in islice(bag.messages([topic.name]), _FIRST):
            try:
                message = bag.decode(topic, data)
                kind = image_kind(message)
                encoding = getattr(message, "encoding", "") or getattr(message, "format", "")
                size = image_size(message)
            except MessageError:
                continue  # said again, with its reason, when the topic is used
            if kind:
                break
        found[topic.name] = ImageTopic(topic, kind, encoding, size)
    return found


def find_topics(
    bag: BagReader, color: str | None = None, depth: str | None = None, info: str | None = None
) -> RgbdTopics:
    """The colour, depth and camera_info topics; those given are taken as they are.

    Of several, the ones that fit together are preferred: of one size and one camera, the
    camera_info next to colour, depth registered to colour; then raw before compressed, and
    colour before grey.

    Raises:
        BagError: if one is missing, or several fit equally well; it lists the bag's topics.
    """
    images = image_topics(bag)
    infos = [topic.name for topic in bag.topics if topic.type == CAMERA_INFO and topic.count]

    def fail(what: str) -> BagError:
        return BagError(f"{bag.path}: {what}. Its topics:\n{describe_topics(bag, images)}")

    names = {topic.name for topic in bag.topics}
    for given in (color, depth, info):
        if given is not None and given not in names:
            raise fail(f"there is no topic {given}")
    for given in (color, depth):
        if given is not None and given not in images:
            raise fail(f"{given} holds no messages of type {' or '.join(_IMAGES)}")
    if info is not None and info not in infos:
        raise fail(f"{info} holds no messages of type {CAMERA_INFO}")

    choices = {
        "colour": [color] if color else [n for n, i in images.items() if i.kind == "color"],
        "depth": [depth] if depth else [n for n, i in images.items() if i.kind == "depth"],
        "camera_info": [info] if info else infos,
    }
    accepted = {
        "colour": f" with one of the encodings {', '.join(COLOR_ENCODINGS)}, or compressed",
        "depth": f" with one of the encodings {', '.join(DEPTH_ENCODINGS)}, or compressedDepth",
        "camera_info": "",
    }
    for what, candidates in choices.items():
        if not candidates:
            raise fail(f"there is no {what} topic in it{accepted[what]}")
    ranked = sorted(
        (
            (_fitness(images[c], images[d], i), RgbdTopics(c, d, i))
            for c, d, i in product(*choices.values())
        ),
        key=lambda pair: pair[0],
    )
    best_fitness, best = ranked[-1]
    if best.color == best.depth:
        raise fail(f"{best.color} would be both colour and depth")
    equals = [topics for fitness, topics in ranked if fitness == best_fitness]
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
        raise fail(f"several topics fit equally well, so say which: {doubtful}")
    return best


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


def _fitness(color: ImageTopic, depth: ImageTopic, info: str) -> tuple[int, ...]:
    """The larger, the better do the three fit together; the first difference decides."""
    color_space, depth_space = _namespace(color.topic.name), _namespace(depth.topic.name)
    info_space = _namespace(info)
    return (
        color.size == depth.size,
        # The camera_info of colour, else of depth registered to it, else any.
        2 * (info_space == color_space) + (info_space == depth_space),
        _shared(info_space, color_space),
        _is_registered(depth.topic.name),
        _shared(color_space, depth_space),
        not color.is_compressed,
        not depth.is_compressed,
        not color.encoding.startswith("mono"),
        is_rectified(color.topic.name),
    )


def _namespace(name: str) -> tuple[str, ...]:
    """What comes before the image's or the camera_info's own name."""
    parts = name.strip("/").split("/")
    if parts[-1] in _TRANSPORTS:
        parts.pop()
    return tuple(parts[:-1])


def _is_registered(name: str) -> bool:
    return any(word in name for word in _REGISTERED)


def _shared(first: Iterable[str], second: Iterable[str]) -> int:
    """How many namespaces two names have in common, from the first on."""
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count
