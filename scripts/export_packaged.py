"""Writes the ONNX files of the package beside its weights.

    python scripts/export_packaged.py [--calibrate DIR] [NAME...]

To be run after the weights of a network have changed. The networks are quantized to 8 bits, by the
ranges of the activations on simulated scenes and on the images of a folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cvdl.exporting.calibration import calibration_frames
from cvdl.exporting.export import export
from cvdl.exporting.networks import NETWORKS

DATA = Path(__file__).parents[2] / "shared" / "data" / "osd"


def main() -> None:
    """Export them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--calibrate", type=Path, default=DATA, help="folder of RGB-D images")
    arguments = parser.parse_args()
    frames = list(calibration_frames(arguments.calibrate))
    for name in arguments.names or NETWORKS:
        weights = NETWORKS[name].weights
        assert weights is not None
        network = NETWORKS[name].exportable(weights)
        export(network, weights, weights.with_suffix(".onnx"), frames, print)


if __name__ == "__main__":
    main()
