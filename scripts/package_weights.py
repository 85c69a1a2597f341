"""Prepares the weights of the package: stores them in 16 bits, and writes their ONNX files.

    python scripts/package_weights.py [--calibrate DIR] [NAME...]

To be run after the weights of a network have changed. Kernels and matrices are stored in float16,
which halves the files; vectors, such as the statistics of batch norms, stay in float32. The graphs
of ONNX are quantized to 8 bits, by the ranges of the activations on simulated scenes and on the
images of a folder; those of `holding`, the chance that a grasp holds, of `words` and of `captions`
are small and stay in float32.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors import safe_open

from cvdl.detection.registry import DETECTORS
from cvdl.exporting.calibration import calibration_frames
from cvdl.exporting.export import export
from cvdl.exporting.networks import NETWORKS
from cvdl.grasping.holding.exporting import export_holding
from cvdl.grasping.holding.predictor import WEIGHTS as HOLDING
from cvdl.grasping.registry import GRASP_DETECTORS
from cvdl.language.aligner import WEIGHTS as WORDS
from cvdl.language.caption_exporting import export_captions
from cvdl.language.captioner import WEIGHTS as CAPTIONS
from cvdl.language.exporting import export_words
from cvdl.networks.weights import load_weights, save_weights
from cvdl.segmentation.instances.loading import WEIGHTS

DATA = Path(__file__).parents[2] / "shared" / "data" / "osd"
PACKAGED = {
    "instances": WEIGHTS,
    "holding": HOLDING.with_suffix(".safetensors"),
    "words": WORDS.with_suffix(".safetensors"),
    "captions": CAPTIONS.with_suffix(".safetensors"),
    **{
        name: Path(models[name].weights)
        for models in (DETECTORS, GRASP_DETECTORS)
        for name in models.names
        if models[name].weights
    },
}

#: Networks whose files in float32 their own functions write.
SMALL = {"holding": export_holding, "words": export_words, "captions": export_captions}


def halve(path: Path) -> None:
    """Store the kernels and matrices of a file of weights in float16."""
    with safe_open(path, framework="pt") as file:
        model = file.metadata()["model"]
    state, metadata = load_weights(path, model)
    halves = {
        name: tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor
        for name, tensor in state.items()
    }
    for name, tensor in halves.items():
        if not torch.isfinite(tensor).all():
            raise SystemExit(f"{path}: {name} does not fit float16")
    save_weights(path, halves, metadata)


def main() -> None:
    """Prepare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PACKAGED)}")
    parser.add_argument("--calibrate", type=Path, default=DATA, help="folder of RGB-D images")
    arguments = parser.parse_args()
    frames = list(calibration_frames(arguments.calibrate))
    for name in arguments.names or PACKAGED:
        weights = PACKAGED[name]
        halve(weights)
        if name in NETWORKS:
            network = NETWORKS[name].exportable(weights)
            export(network, weights, weights.with_suffix(".onnx"), frames, print)
        if name in SMALL:
            SMALL[name](weights)


if __name__ == "__main__":
    main()
