"""Whether taught things are recognised in real frames, by marks and `data/identities.yaml`.

    python benchmarks/recognition.py [--data DIR] [--half reporting|tuning] [--plain] [--wrong]

The frames are segmented by the default pipeline. A view of a thing is the mask with most of its
marks, unless that has a mark of another thing. Galleries are drawn at random: of each thing of the
half, one or three views by one camera. All its views in other frames are queries: by the same
camera, or by another one. A mean over galleries counts once for each query. Strangers are marked
things that are not taught.

"all": every listed view is a query; without a mask of its own it counts as not recognised.
"masked": only views with a mask of their own are queries. "whole": only views, taught ones too, all
of whose marks lie in the mask: what the embedding does with a right segmentation.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from cvdl.core.frame import RgbdFrame
from cvdl.core.scene import FIRST_OBJECT_LABEL, Scene
from cvdl.datasets.image_folder import ImageFolder
from cvdl.pipeline import Perception, PerceptionConfig
from cvdl.recognition.config import RecognitionConfig
from cvdl.recognition.embedder import load_embedder
from cvdl.recognition.embedding import Embeddings
from measuring import DATA, new_table, timed

HERE = Path(__file__).parent
DEMO = "tabletop_demo"
GALLERIES = 200
SETTINGS = RecognitionConfig()
ACCEPTED = 0.95  # of the recognised views, at the threshold for strangers
PLAIN_SIDE, PLAIN_MARGIN = 224, 1.2

Marks = Mapping[str, list[tuple[int, int]]]


@dataclass(frozen=True)
class View:
    """A marked thing in a frame.

    Attributes:
        name: SOURCE/FRAME/NAME.
        whole: whether all of its marks lie in its mask.
        row: of its embedding; -1 without a mask of its own.
    """

    name: str
    whole: bool
    row: int

    @property
    def source(self) -> str:
        return self.name.split("/")[0]

    @property
    def frame(self) -> str:
        return self.name.rsplit("/", 1)[0]


def marks_of(data: Path, source: str) -> dict[str, tuple[Marks, Marks]]:
    """By frame: the marks on things, and on what is no thing."""
    if source == DEMO:
        read = yaml.safe_load((HERE / "data/tabletop_demo_clicks.yaml").read_text())
        return {frame: (things, {}) for frame, things in read.items()}
    read = yaml.safe_load((data / "real/clicks" / f"{source}.yaml").read_text())
    return {
        frame: (marks.get("objects") or {}, marks.get("not_objects") or {})
        for frame, marks in read.items()
        if not marks.get("skip")
    }


def labels_of_marks(scene: Scene, things: Marks, others: Marks) -> dict[str, tuple[int, bool]]:
    """By thing: the label of the mask that shows it, 0 if none does, and whether all of it."""
    rows, cols = scene.labels.shape
    at = {
        name: [int(scene.labels[min(int(v), rows - 1), min(int(u), cols - 1)]) for u, v in pixels]
        for name, pixels in [*things.items(), *others.items()]
    }
    found = {}
    for name in things:
        elsewhere = {label for other, mine in at.items() if other != name for label in mine}
        masks = [label for label in at[name] if label >= FIRST_OBJECT_LABEL]
        if not masks or set(masks) & elsewhere:
            found[name] = 0, False
        else:
            found[name] = max(sorted(set(masks)), key=masks.count), len(set(at[name])) == 1
    return found


def all_views(data: Path, plain: bool) -> tuple[list[View], NDArray[np.float64], float]:
    """The views of marked things, the similarity of all with rows, milliseconds for ten objects."""
    perception = Perception(PerceptionConfig().segmentation_only())
    embed = PlainEmbedder() if plain else load_embedder()
    views, parts, rows, times = list[View](), list[Embeddings](), 0, list[float]()
    for source in [DEMO, *sorted(file.stem for file in (data / "real/clicks").glob("*.yaml"))]:
        folder = data / source if source == DEMO else data / "real" / source
        frames, marks = ImageFolder(folder), marks_of(data, source)
        for name, frame in track(zip(frames.names, frames, strict=True), source, len(frames.names)):
            if name not in marks:
                continue
            scene = perception(frame)
            by_label = {item.label: item for item in scene.objects}
            shown = labels_of_marks(scene, *marks[name])
            items = [by_label[label] for label, _ in shown.values() if label in by_label]
            if items:
                parts.append(embed(frame, replace(scene, objects=tuple(items))))
            for thing, (label, whole) in shown.items():
                has_mask = label in by_label
                views.append(View(f"{source}/{name}/{thing}", whole, rows if has_mask else -1))
                rows += has_mask
            ten = replace(scene, objects=scene.objects[:10])
            if len(ten.objects) == 10:
                times += [timed(embed, frame, ten)[1] for _ in range(3)]
    joined = Embeddings.joined(parts)
    similarity = plain_similarity(joined) if plain else joined.similarity(joined)
    return views, similarity, min(times)


class PlainEmbedder:
    """The baseline: mean last features of ImageNet of square crops with their background."""

    def __init__(self) -> None:
        import torch

        from cvdl.networks.efficientnet_lite0 import EfficientNetLite0

        self._network, self._torch = EfficientNetLite0().load_published(), torch

    def __call__(self, frame: RgbdFrame, scene: Scene) -> Embeddings:
        crops = []
        for item in scene.objects:
            x, y, x_end, y_end = item.box2d
            side = max(x_end - x, y_end - y) * PLAIN_MARGIN
            crop = cv2.getRectSubPix(
                frame.color, (round(side),) * 2, ((x + x_end) / 2, (y + y_end) / 2)
            )
            crops.append(cv2.resize(crop, (PLAIN_SIDE,) * 2, interpolation=cv2.INTER_AREA))
        tensor = self._torch.from_numpy((np.stack(crops) - np.float32(127)) / 128)
        with self._torch.inference_mode():
            features = self._network(tensor.permute(0, 3, 1, 2)).numpy()
        features /= np.linalg.norm(features, axis=1, keepdims=True)
        none = np.zeros((len(crops), 1), np.float32)
        return Embeddings(features, none, np.full((len(crops), 3), np.nan, np.float32))


def plain_similarity(views: Embeddings) -> NDArray[np.float64]:
    """The cosines."""
    cosines: NDArray[np.float64] = views.features.astype(np.float64) @ views.features.T
    return cosines


def has_name(scores: NDArray[np.float64]) -> bool:
    """Whether the most similar thing gives its name, by the usual settings."""
    second, first = np.sort(scores)[-2:]
    return bool(first >= SETTINGS.min_score and first - second >= SETTINGS.min_lead)


class Trials:
    """Random galleries of the things of a half, and how their views are recognised."""

    def __init__(
        self, things: Mapping[str, list[View]], strangers: list[View], similarity: NDArray
    ) -> None:
        self.things, self.strangers, self.similarity = things, strangers, similarity
        self.right = {kind: defaultdict[str, list[bool]](list) for kind in ("same", "other")}
        self.scores = {"same": list[float](), "other": list[float]()}
        self.unknown: list[float] = []
        self.named = {kind: defaultdict[str, int](int) for kind in ("same", "other", "unknown")}
        self.mistaken = defaultdict[tuple[str, str], int](int)

    def draw(self, rng: np.random.Generator, count: int, wholes: bool, missing: bool) -> None:
        """Teach ``count`` views of each thing, and ask for the others."""
        usable = {
            name: [v for v in views if v.row >= 0 and (v.whole or not wholes)]
            for name, views in self.things.items()
        }
        usable = {name: views for name, views in usable.items() if views}
        names, gallery = list(usable), list[list[View]]()
        for views in usable.values():
            sources = sorted({view.source for view in views})
            source = sources[rng.integers(len(sources))]
            mine = [view for view in views if view.source == source]
            gallery.append([mine[i] for i in rng.permutation(len(mine))[:count]])
        for number, name in enumerate(names):
            if len(gallery[number]) < count:
                continue
            taught = {view.frame for view in gallery[number]}
            asked = self.things[name] if missing else usable[name]
            for view in asked:
                if view.frame in taught:
                    continue
                kind = "same" if view.source == gallery[number][0].source else "other"
                if view.row < 0:
                    self.right[kind][view.name].append(False)
                    continue
                scores = self.best(view, gallery)
                best = int(scores.argmax())
                self.right[kind][view.name].append(best == number)
                outcome = "right" if best == number else "wrong"
                self.named[kind][outcome if has_name(scores) else "none"] += 1
                if best == number:
                    self.scores[kind].append(scores[best])
                else:
                    self.mistaken[view.name, names[best]] += 1
        for view in self.strangers:
            scores = self.best(view, gallery)
            self.unknown.append(float(scores.max()))
            self.named["unknown"]["wrong" if has_name(scores) else "none"] += 1

    def best(self, view: View, gallery: list[list[View]]) -> NDArray[np.float64]:
        """The similarity to the most similar view of each thing, in other frames."""
        return np.array(
            [
                max(
                    (self.similarity[view.row, v.row] for v in views if v.frame != view.frame),
                    default=-1.0,
                )
                for views in gallery
            ]
        )

    def accuracy(self, kind: str) -> str:
        """Share that is recognised, and the number of queries."""
        right = [np.mean(each) for each in self.right[kind].values()]
        return f"{np.mean(right):.1%} ({len(right)})" if right else "-"

    def outcomes(self, kind: str) -> str:
        """Shares of views that get the right, a wrong and no name."""
        counts = self.named[kind]
        shares = (
            counts[each] / max(sum(counts.values()), 1) for each in ("right", "wrong", "none")
        )
        return " / ".join(f"{share:.0%}" for share in shares)

    def rejected(self, *kinds: str) -> str:
        """Share of the strangers below the threshold."""
        scores = [score for kind in kinds for score in self.scores[kind]]
        if not scores:
            return "-"
        return f"{np.mean(self.unknown < np.quantile(scores, 1 - ACCEPTED)):.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--half", choices=("reporting", "tuning"), default="reporting")
    parser.add_argument("--plain", action="store_true", help="the baseline instead")
    parser.add_argument("--wrong", action="store_true", help="list the mistakes, too")
    args = parser.parse_args()
    identities = yaml.safe_load((HERE / "data/identities.yaml").read_text())
    views, similarity, ten = all_views(args.data, args.plain)
    by_name = {view.name: view for view in views}
    half = identities[args.half]
    things = {name: [by_name[each] for each in own] for name, own in half["things"].items()}
    known = {
        each for part in identities.values() for own in part["things"].values() for each in own
    }
    known |= set(half["unused"])
    strangers = [
        view
        for view in views
        if view.source in half["strangers"] and view.row >= 0 and view.name not in known
    ]

    table = new_table(
        "queries", "views taught", "same camera", "another camera", "strangers rejected", words=1,
        title=f"{len(things)} things taught, {len(strangers)} strangers",
    )  # fmt: skip
    for title, wholes, missing in (
        ("all", False, True), ("masked", False, False), ("whole", True, False)
    ):  # fmt: skip
        for count in (1, 3):
            trials, rng = Trials(things, strangers, similarity), np.random.default_rng(0)
            for _ in range(GALLERIES):
                trials.draw(rng, count, wholes, missing)
            table.add_row(
                title,
                str(count),
                trials.accuracy("same"),
                trials.accuracy("other"),
                f"{trials.rejected('same')}, {trials.rejected('same', 'other')} of both",
            )
            if title == "masked" and not args.plain:  # whose similarities have another scale
                print(f"{count} taught; named right / wrong / not:", end=" ")
                print("same camera", trials.outcomes("same"), end="; ")
                print("another", trials.outcomes("other"), end="; ")
                print("strangers", trials.outcomes("unknown"))
            if args.wrong and title == "masked":
                for (name, instead), times in sorted(trials.mistaken.items(), key=lambda i: -i[1]):
                    print(f"{count} taught: {name} taken for {instead}: {times}")
    Console().print(table)
    print(f"ten objects: {ten:.1f} ms")


if __name__ == "__main__":
    main()
