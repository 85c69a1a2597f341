"""``cvdl export``: writes a network as ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cvdl.cli.options import ReplaceOutputs
from cvdl.core.errors import InputError
from cvdl.core.extras import require
from cvdl.core.files import keep_outputs

__all__ = ["command"]


def command(
    model: Annotated[
        str,
        typer.Argument(
            help="rgbd_rcnn, yolo, instances or cascade, for the weights of the package; or a file "
            "of your own weights of them (.safetensors)."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, NAME.onnx.")],
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantize to 8 bits: two to three times as fast.")
    ] = False,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            help="With --int8: a folder of RGB-D images like those that the network will see, "
            "besides simulated scenes."
        ),
    ] = None,
    overwrite: ReplaceOutputs = False,
) -> None:
    """Write a network as ONNX files, for ONNX Runtime and other engines.

    cvdl train writes these files for its own weights. Here with scales from
    the camera of a robot. Beside the weights, under their name, the files are
    used wherever the weights are given (engine: auto):

        cvdl export runs/mine/rgbd_rcnn.safetensors -o runs/mine/rgbd_rcnn.onnx
        --int8 --calibrate my_views --overwrite

        cvdl replay BAG -o OUT --set detector.weights=runs/mine/rgbd_rcnn.safetensors

    The files alone are enough, too: --set detector.weights=runs/mine/rgbd_rcnn.onnx

    The network of the package in float32, for TensorRT or OpenVINO:

        cvdl export rgbd_rcnn -o rgbd_rcnn.onnx

    A network has several files: what comes first is in NAME.backbone.onnx,
    NAME.proposals.onnx or NAME.dense.onnx. Images may have any size. The
    metadata of NAME.onnx name model and classes, and tell what the input is;
    docs/detection.md lists the inputs of all files.

    The files in float32 are compared with PyTorch on random frames. --int8
    quantizes all layers but the last ones: to check its accuracy on your own
    views, use cvdl evaluate with --weights NAME.onnx, or with --engine.

    Needs PyTorch and onnx, which no robot needs: pip install 'cvdl[export]'
    """
    if out.suffix != ".onnx":
        raise InputError(f"--out is {out}; expected a file that ends in .onnx")
    if calibrate is not None and not int8:
        raise InputError("--calibrate is for --int8; without it nothing is quantized")
    require("export", "cvdl export")
    from cvdl.exporting.calibration import calibration_frames
    from cvdl.exporting.export import export
    from cvdl.exporting.networks import find_network
    from cvdl.networks.onnx_files import part_path

    known, weights = find_network(model)
    network = known.exportable(weights)
    keep_outputs([part_path(out, part) for part in network.parts], overwrite)
    frames = calibration_frames(calibrate) if int8 else None
    export(network, weights, out, frames, typer.echo)
