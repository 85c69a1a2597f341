"""The network of words as graphs of ONNX."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from cvdl.core.files import write_atomically
from cvdl.exporting.parts import Feed, Part, checked_graph, graph_of
from cvdl.language.aligner import REGIONS, Aligner
from cvdl.language.network import AlignmentNetwork
from cvdl.language.region_network import RegionNetwork
from cvdl.networks.onnx_files import MAIN, part_path

__all__ = ["aligner_of", "export_words", "region_feeds", "write_graphs"]

#: Largest difference from PyTorch.
_MOST = 1e-3


def aligner_of(network: AlignmentNetwork) -> Aligner:
    """A trained network, run by PyTorch."""
    parts = _parts(network)
    return Aligner(
        graph_of(parts[MAIN]), graph_of(parts[REGIONS]), network.vocabulary, network.embedding
    )


def export_words(weights: Path) -> Path:
    """Write the ONNX files of a trained network, in float32, beside its weights.

    Raises:
        InputError: if the file of weights cannot be used, or a graph differs from PyTorch.
    """
    network = AlignmentNetwork.load(weights)
    feeds = {REGIONS: region_feeds(network), MAIN: _word_feeds(network)}
    return write_graphs(weights, _parts(network), feeds, network.description())


def write_graphs(
    weights: Path,
    parts: Mapping[str, Part],
    feeds: Mapping[str, list[Feed]],
    metadata: Mapping[str, str],
) -> Path:
    """Write the two graphs of a network, for regions and for words, beside its weights.

    Raises:
        InputError: if a graph differs from PyTorch.
    """
    out = weights.with_suffix(".onnx")
    contents = {REGIONS: checked_graph(parts[REGIONS], feeds[REGIONS], {}, weights, _MOST)}
    digests = {REGIONS: sha256(contents[REGIONS]).hexdigest()}
    metadata = {**metadata, "parts": json.dumps(digests)}
    contents[MAIN] = checked_graph(parts[MAIN], feeds[MAIN], metadata, weights, _MOST)
    for name, content in contents.items():
        write_atomically(part_path(out, name), content)
    return out


def _parts(network: AlignmentNetwork) -> dict[str, Part]:
    each = {0: "regions"}
    pairs = {0: "regions", 1: "regions"}
    regions = Part(
        _Regions(network.eval()),
        {"features": each, "values": each, "pairs": pairs},
        {"vectors": each, "relations": pairs},
    )
    words = Part(
        _Words(network.eval()),
        {"words": {0: "words"}},
        {"vectors": {0: "words"}, "subject": {}, "anchor": {}, "relation": {}, "offsets": {}},
    )
    return {REGIONS: regions, MAIN: words}


def region_feeds(network: RegionNetwork) -> list[Feed]:
    """Inputs of a graph for regions, of several numbers."""
    rng, (features, values, pairs) = np.random.default_rng(0), network.sizes
    return [
        {
            "features": rng.normal(size=(count, features)).astype(np.float32),
            "values": rng.normal(size=(count, values)).astype(np.float32),
            "pairs": rng.normal(size=(count, count, pairs)).astype(np.float32),
        }
        for count in (5, 1, 12)
    ]


def _word_feeds(network: AlignmentNetwork) -> list[Feed]:
    rng = np.random.default_rng(0)
    return [{"words": rng.integers(len(network.vocabulary), size=count)} for count in (7, 1, 40)]


class _Regions(nn.Module):
    """Of one frame."""

    def __init__(self, network: AlignmentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor, values: Tensor, pairs: Tensor) -> tuple[Tensor, ...]:
        return self.network.regions(features, values, pairs)


class _Words(nn.Module):
    """Of one sentence."""

    def __init__(self, network: AlignmentNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, words: Tensor) -> tuple[Tensor, ...]:
        return tuple(each[0] for each in self.network.words(words[None]))
