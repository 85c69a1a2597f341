"""The network that writes sentences as graphs of ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cvdl.exporting.parts import Feed, Part, graph_of
from cvdl.language.aligner import REGIONS
from cvdl.language.attention import FLAGS
from cvdl.language.caption_network import CaptionNetwork
from cvdl.language.captioner import Captioner
from cvdl.language.exporting import region_feeds, write_graphs
from cvdl.language.region_network import RELATED, SHARED
from cvdl.networks.onnx_files import MAIN

__all__ = ["captioner_of", "export_captions"]


def captioner_of(network: CaptionNetwork) -> Captioner:
    """A trained network, run by PyTorch."""
    parts = _parts(network)
    return Captioner(
        graph_of(parts[MAIN]),
        graph_of(parts[REGIONS]),
        network.vocabulary,
        network.embedding,
        network.attend,
        network.state_size,
    )


def export_captions(weights: Path) -> Path:
    """Write the ONNX files of a trained network, in float32, beside its weights.

    Raises:
        InputError: if the file of weights cannot be used, or a graph differs from PyTorch.
    """
    network = CaptionNetwork.load(weights)
    feeds = {REGIONS: region_feeds(network), MAIN: _word_feeds(network)}
    return write_graphs(weights, _parts(network), feeds, network.description())


def _parts(network: CaptionNetwork) -> dict[str, Part]:
    each, pairs = {0: "regions"}, {0: "regions", 1: "regions"}
    row, table = {0: "sentences"}, {0: "sentences", 1: "regions"}
    regions = Part(
        _Regions(network.eval()),
        {"features": each, "values": each, "pairs": pairs},
        {"vectors": each, "relations": pairs, "first": each, "attributes": each, "facts": pairs},
    )
    words = Part(
        _Words(network.eval()),
        {
            "words": row, "contexts": row, "vectors": each, "related": table, "flags": table,
            "states": row,
        },
        {"points": table, "chances": table, "after": row},
    )  # fmt: skip
    return {REGIONS: regions, MAIN: words}


def _word_feeds(network: CaptionNetwork) -> list[Feed]:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return [
        {
            "words": rng.integers(len(network.vocabulary) + 1, size=count),
            "contexts": normal(count, SHARED),
            "vectors": normal(regions, SHARED),
            "related": normal(count, regions, RELATED),
            "flags": normal(count, regions, FLAGS),
            "states": normal(count, network.state_size),
        }
        for count, regions in ((3, 5), (1, 1), (8, 12))
    ]


class _Regions(nn.Module):
    """Of one frame."""

    def __init__(self, network: CaptionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor, values: Tensor, pairs: Tensor) -> tuple[Tensor, ...]:
        objects = torch.ones_like(features[:, 0])
        objects = torch.cat([objects[:-1], torch.zeros_like(objects[-1:])])
        return tuple(self.network.encode(features, values, pairs, objects, 1 - objects))


class _Words(nn.Module):
    """The next word of some sentences about one frame."""

    def __init__(self, network: CaptionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        words: Tensor,
        contexts: Tensor,
        vectors: Tensor,
        related: Tensor,
        flags: Tensor,
        states: Tensor,
    ) -> tuple[Tensor, ...]:
        outputs, after = self.network.run(words[:, None], contexts[:, None], states)
        points = self.network.point(outputs[:, 0], vectors, related, flags)
        each = torch.zeros_like(related[..., :1])
        said = self.network.speak(outputs + each, vectors + each, related, flags)
        return points.log_softmax(dim=1), said.log_softmax(dim=2), after
