"""Calibrates the packaged chance that a grasp holds, on published grasps that were executed.

    cvdl evaluate grasp --physics --parts published --scenes 100 --seed SEED --json held.json
    python scripts/calibrate_holding.py held.json...
    python scripts/package_weights.py holding

The best of many candidates is chosen by its score, so it holds less often than candidates with
this score on average. The scenes must not be those that figures are reported of.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from cvdl.grasping.holding.network import HoldingNetwork
from cvdl.grasping.holding.predictor import WEIGHTS
from cvdl.grasping.holding.training import platt
from cvdl.networks.weights import load_weights

_TINY = 1e-4  # from 0 and 1


def main() -> None:
    """Calibrate it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures", nargs="+", type=Path, help="of cvdl evaluate grasp --physics")
    files = [json.loads(path.read_text()) for path in parser.parse_args().figures]
    firsts = [trial for file in files for trial in file["trials"] if trial["try"] == 1]
    score = np.clip([trial["score"] for trial in firsts], _TINY, 1 - _TINY)
    held = np.array([trial["result"] == "held" for trial in firsts])
    scale, shift = platt(np.log(score / (1 - score)), held)
    weights = WEIGHTS.with_suffix(".safetensors")
    network = HoldingNetwork.load(weights)
    _, metadata = load_weights(weights, HoldingNetwork.__name__)
    network.calibrate(scale, shift)
    network.save(weights, metadata)
    print(f"{len(firsts)} first grasps: logits times {scale:.3f} plus {shift:+.3f}")


if __name__ == "__main__":
    main()
