"""Families of depth cameras, and the ranges that their parameters are drawn from.

Base lines, ranges and disparity steps are those of the data sheets. The other ranges are chosen
against real frames, by eye and by the residuals of planes, and reach beyond them: a network that is
trained on all of them shall not depend on any.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

__all__ = ["FAMILIES", "DepthSensor", "Edges", "Holes", "Noise", "random_sensor"]

Rng = np.random.Generator


class Noise(NamedTuple):
    """Errors of readings. Inverse depths are in 1/meters: disparity / (focal length * baseline).

    Attributes:
        constant: standard deviation, meters.
        inverse: standard deviation of inverse depth.
        nguyen: factor of Nguyen's axial noise of the Kinect.
        light: standard deviation at 1 m on a white surface; grows with the square of the depth and
            with 1 / sqrt(reflectance), meters.
        step: resolution of inverse depth.
        wiggle: amplitude of an error that repeats with depth, meters.
        period: of this error, meters.
    """

    constant: float = 0.0
    inverse: float = 0.0
    nguyen: float = 0.0
    light: float = 0.0
    step: float = 0.0
    wiggle: float = 0.0
    period: float = 1.0


class Edges(NamedTuple):
    """What happens beside jumps in depth.

    Attributes:
        jump: smallest difference that counts, as a share of the depth.
        fat: share of the background beside objects that reads as the object.
        wobble: standard deviation of the outline, pixels.
        flying: share of pixels that read between foreground and background.
        lost: share of pixels without a reading.
    """

    jump: float = 0.03
    fat: float = 0.0
    wobble: float = 0.0
    flying: float = 0.0
    lost: float = 0.0


class Holes(NamedTuple):
    """Where there is no reading.

    Attributes:
        speckle: share of all pixels, at random.
        dark: light (reflectance times cosine, divided by the square of the depth) below which
            readings are lost.
        glare: highlight above which readings are lost.
        grazing: cosine of the angle of incidence below which readings are lost.
        plain: texture (gray values) below which readings are lost.
        shadow: share of the pixels hidden from the second eye.
        baseline: of the second eye, meters; positive: on the right.
        other: likewise for a third eye; 0: there is none.
        period: distance between the lines without readings of a registered image, pixels; 0: none.
        clear_itself, clear_lost, clear_odd: shares of transparent surfaces that read as
            themselves, that are lost, and that read as nonsense; the rest reads as what is behind.
        mirror_odd: share of highlights that read as nonsense.
        odd: share of otherwise lost readings that are wrong instead.
    """

    speckle: float = 0.0
    dark: float = 0.0
    glare: float = 2.0
    grazing: float = 0.0
    plain: float = 0.0
    shadow: float = 0.0
    baseline: float = 0.0
    other: float = 0.0
    period: float = 0.0
    clear_itself: float = 1.0
    clear_lost: float = 0.0
    clear_odd: float = 0.0
    mirror_odd: float = 0.0
    odd: float = 0.0


@dataclass(frozen=True)
class DepthSensor:
    """A depth camera.

    Lengths in pixels count pixels of the depth camera, which has ``resolution`` times those of the
    color image.

    Attributes:
        name: of the family.
        nearest, farthest: range, meters.
        noise, edges, holes: see there.
        resolution: pixels of the depth camera per pixel of the color image, along a line.
        grain: standard deviation of the spatial blur of the noise, pixels.
        waves: standard deviation of the waves, in inverse depth.
        wave_length: distance over which waves are correlated, pixels.
        wave_stretch: how many times longer waves are along a row than along a column.
        fattening: how far objects grow over the background, pixels.
        smoothing: radius of the matching window or filter, pixels; 0: none.
        smoothed_jump: jump that half survives the smoothing, as a share of the depth.
        multipath: share by which concave corners bulge.
        hole_grain: standard deviation of the spatial blur of the field that makes holes, pixels.
        hole_growth: how far holes grow, pixels.
        margins: share of the image without readings on the left, right, top and bottom.
        filling: "", "smooth", "left" or "background": what fills holes.
        filled: largest radius of a filled hole, pixels.
        shift: of depth against color, pixels of the color image, along columns and rows.
        scale: of depth against color.
        blended: whether the registration interpolates depth.
        unit: of the depth image, meters; 0: floating point.
    """

    name: str
    nearest: float = 0.1
    farthest: float = 20.0
    noise: Noise = field(default_factory=Noise)
    edges: Edges = field(default_factory=Edges)
    holes: Holes = field(default_factory=Holes)
    resolution: float = 1.0
    grain: float = 0.0
    waves: float = 0.0
    wave_length: float = 16.0
    wave_stretch: float = 1.0
    fattening: int = 0
    smoothing: int = 0
    smoothed_jump: float = 0.0
    multipath: float = 0.0
    hole_grain: float = 1.5
    hole_growth: int = 0
    margins: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    filling: str = ""
    filled: int = 0
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    blended: bool = False
    unit: float = 0.0


def random_sensor(rng: Rng) -> DepthSensor:
    """Draw a depth camera."""
    names = list(FAMILIES)
    name = names[int(rng.choice(len(names), p=[share for share, _ in FAMILIES.values()]))]
    return FAMILIES[name][1](rng)


def _perfect(rng: Rng) -> DepthSensor:
    if rng.uniform() < 0.3:
        return DepthSensor("perfect", unit=_unit(rng))
    return DepthSensor(
        "perfect",
        noise=Noise(constant=_log(rng, 0.0001, 0.0008), inverse=_log(rng, 0.0001, 0.001)),
        edges=Edges(lost=_maybe(rng, 0.3, 0.02, 0.3)),
        holes=_holes(rng, 0.3, shadow=0.0),
        grain=rng.uniform(0, 1) if rng.uniform() < 0.5 else 0.0,
        unit=_unit(rng),
    )


def _kinect(rng: Rng) -> DepthSensor:
    # Kinect v1, Xtion, Carmine, Structure: the projector is 65 to 75 mm beside the imager.
    baseline = float(rng.uniform(0.06, 0.08)) * _side(rng)
    focal = rng.uniform(520, 640)
    # Readings of devices are coarse; averaged or filtered ones are finer.
    step = 1 / rng.choice([8, 8, 16, 32]) / (focal * abs(baseline))
    has_gaps = rng.uniform() < 0.12
    return DepthSensor(
        "kinect",
        nearest=float(rng.uniform(0.3, 0.5)),
        farthest=float(rng.uniform(4, 10)),
        noise=Noise(nguyen=float(rng.uniform(0.3, 1.3)), step=step),
        edges=Edges(0.02, rng.uniform(0, 0.6), rng.uniform(0.5, 1.5), 0.0, rng.uniform(0, 0.35)),
        holes=_holes(rng, 1.0, shadow=rng.uniform(0.8, 1), baseline=baseline)._replace(
            period=float(rng.uniform(8, 60)) if has_gaps else 0.0
        ),
        resolution=float(rng.choice([1, 1, 0.8, 0.5])),
        grain=_log(rng, 0.6, 3),
        waves=_log(rng, 0.0003, 0.003),
        wave_length=_log(rng, 8, 60),
        fattening=int(rng.integers(1, 5)),
        smoothing=int(rng.integers(0, 3)),
        smoothed_jump=0.01,
        hole_grain=float(rng.uniform(1, 3)),
        hole_growth=int(rng.integers(0, 3)),
        **_finish(rng, fills=0.2),
    )


def _stereo(rng: Rng) -> DepthSensor:
    # RealSense D405, D415, D435, D455, larger stereo heads; with a projector or without.
    baseline = float(rng.choice([0.018, 0.018, 0.05, 0.05, 0.055, 0.055, 0.095, 0.12]))
    focal = rng.uniform(380, 950)
    reach = 1 / (focal * baseline)
    passive = rng.uniform() < 0.25
    fine = rng.uniform() < 0.3
    return DepthSensor(
        "stereo",
        nearest=float(min(max(2.5 * baseline, 0.07), 0.3) * rng.uniform(0.8, 1.5)),
        farthest=float(rng.uniform(1.5, 10)),
        noise=Noise(
            constant=_log(rng, 0.0001, 0.0005),
            inverse=reach * _log(rng, 0.005, 0.08),
            step=reach / 32 if rng.uniform() < 0.8 else reach / 8,
        ),
        edges=Edges(
            rng.uniform(0.015, 0.05),
            rng.uniform(0.4, 1),
            rng.uniform(0.5, 2.5),
            rng.uniform(0, 0.1),
            _maybe(rng, 0.6, 0.05, 0.8),
        ),
        holes=_holes(
            rng, 1.0, shadow=rng.uniform(0.3, 1), baseline=-baseline * _side(rng)
        )._replace(
            plain=_log(rng, 0.15, 1.5) if passive else 0.0,
            other=_maybe(rng, 0.3, 0.3, 0.9) * baseline,
        ),
        resolution=float(rng.choice([1, 1, 0.75, 0.5])),
        grain=_log(rng, 0.8, 4),
        waves=reach * (_log(rng, 0.01, 0.05) if fine else _log(rng, 0.05, 0.5)),
        wave_length=_log(rng, 5, 60),
        wave_stretch=float(rng.uniform(0.8, 2.5)),
        fattening=int(rng.integers(2, 9)),
        smoothing=int(_log(rng, 2, 13)),
        smoothed_jump=_log(rng, 0.005, 0.06),
        hole_grain=float(rng.uniform(1, 6)),
        hole_growth=int(rng.integers(0, 4)),
        **_finish(rng, fills=0.25),
    )


def _coded_light(rng: Rng) -> DepthSensor:
    # SR300, F200 and like cameras for short range.
    baseline = float(rng.uniform(0.03, 0.06)) * _side(rng)
    reach = 1 / (rng.uniform(450, 620) * abs(baseline))
    return DepthSensor(
        "coded_light",
        nearest=float(rng.uniform(0.1, 0.25)),
        farthest=float(rng.uniform(1.2, 2.5)),
        noise=Noise(
            constant=_log(rng, 0.00005, 0.0005),
            inverse=reach * _log(rng, 0.003, 0.06),
            light=_log(rng, 0.00005, 0.001),
        ),
        edges=Edges(
            rng.uniform(0.01, 0.03), rng.uniform(0, 0.5), rng.uniform(0.5, 1.5),
            rng.uniform(0, 0.5), rng.uniform(0.1, 0.6),
        ),
        holes=_holes(rng, 2.0, shadow=rng.uniform(0.7, 1), baseline=baseline),
        resolution=float(rng.choice([1, 1, 0.75])),
        grain=_log(rng, 0.5, 4),
        waves=reach * _log(rng, 0.01, 0.1),
        wave_length=_log(rng, 8, 60),
        wave_stretch=float(rng.uniform(0.5, 3)),
        fattening=int(rng.integers(1, 4)),
        smoothing=int(rng.integers(0, 4)),
        smoothed_jump=_log(rng, 0.004, 0.02),
        hole_grain=float(rng.uniform(1, 4)),
        hole_growth=int(rng.integers(0, 3)),
        **_finish(rng, fills=0.15),
    )  # fmt: skip


def _time_of_flight(rng: Rng) -> DepthSensor:
    # Kinect v2, Azure Kinect, Helios, L515, pico flexx.
    return DepthSensor(
        "time_of_flight",
        nearest=float(rng.uniform(0.1, 0.3)),
        farthest=float(rng.uniform(3, 8)),
        noise=Noise(
            constant=_log(rng, 0.0002, 0.001),
            light=_log(rng, 0.0003, 0.004),
            wiggle=_maybe(rng, 0.6, 0.0005, 0.004),
            period=float(rng.uniform(0.3, 1.5)),
        ),
        edges=Edges(
            rng.uniform(0.01, 0.03), 0.0, rng.uniform(0, 0.8),
            rng.uniform(0.3, 1), _maybe(rng, 0.5, 0.05, 0.5),
        ),
        holes=_holes(rng, 0.8, shadow=0.0)._replace(
            clear_itself=float(rng.uniform(0.05, 0.6)), clear_lost=float(rng.uniform(0, 0.3)),
            clear_odd=float(rng.uniform(0, 0.3)),
        ),
        resolution=float(rng.choice([1, 0.7, 0.5, 0.35])),
        grain=float(rng.uniform(0, 1.2)),
        smoothing=int(rng.integers(0, 3)),
        smoothed_jump=_log(rng, 0.003, 0.02),
        multipath=float(rng.uniform(0.1, 0.8)),
        hole_grain=float(rng.uniform(0.8, 3)),
        **_finish(rng, fills=0.15),
    )  # fmt: skip


def _scanner(rng: Rng) -> DepthSensor:
    # Zivid, Photoneo, Ensenso, Mech-Mind: many patterns or a laser line, large baselines.
    baseline = float(rng.uniform(0.1, 0.35)) * _side(rng)
    return DepthSensor(
        "scanner",
        nearest=float(rng.uniform(0.15, 0.4)),
        farthest=float(rng.uniform(2, 5)),
        noise=Noise(constant=_log(rng, 0.00005, 0.0004), light=_log(rng, 0.00005, 0.0004)),
        edges=Edges(0.01, 0.0, 0.3, _maybe(rng, 0.3, 0.02, 0.2), rng.uniform(0.1, 0.9)),
        holes=_holes(rng, 3.0, shadow=1.0, baseline=baseline),
        resolution=float(rng.choice([1, 1, 0.6])),
        grain=float(rng.uniform(0, 1)),
        smoothing=int(rng.integers(0, 2)),
        smoothed_jump=0.003,
        hole_grain=float(rng.uniform(1, 5)),
        hole_growth=int(rng.integers(0, 3)),
        **_finish(rng, fills=0.05),
    )


#: How often each family is drawn, and what draws one of its cameras.
FAMILIES: dict[str, tuple[float, Callable[[Rng], DepthSensor]]] = {
    "perfect": (0.22, _perfect),
    "kinect": (0.18, _kinect),
    "stereo": (0.32, _stereo),
    "coded_light": (0.1, _coded_light),
    "time_of_flight": (0.12, _time_of_flight),
    "scanner": (0.06, _scanner),
}


def _holes(rng: Rng, strength: float, shadow: float, baseline: float = 0.0) -> Holes:
    """Draw where readings are lost; ``strength`` 1 is usual, more means darker, less steep."""
    itself, lost, odd = rng.dirichlet([0.4, 1.0, 0.7, 2.5])[:3]
    return Holes(
        speckle=_maybe(rng, 0.7, 0.00005, 0.002),
        dark=_log(rng, 0.001, 0.012) * strength,
        glare=float(rng.uniform(0.3, 1.2)),
        grazing=float(rng.uniform(0.03, 0.2) * min(strength, 2)),
        shadow=float(shadow),
        baseline=baseline,
        clear_itself=float(itself),
        clear_lost=float(lost),
        clear_odd=float(odd),
        mirror_odd=float(rng.uniform(0, 0.6)),
        odd=_maybe(rng, 0.35, 0.02, 0.4),
    )


def _finish(rng: Rng, fills: float) -> dict[str, Any]:
    """Draw what drivers and data sets do to depth images; ``fills``: how often holes are filled."""
    filling = str(rng.choice(["smooth", "smooth", "left", "background"]))
    filled = int(_log(rng, 2, 200))
    is_off = rng.uniform() < 0.4
    shift = tuple((rng.uniform(-4, 4, 2) * rng.uniform()).tolist())
    cropped = rng.uniform() < 0.2
    margins = tuple((rng.uniform(0, 0.12, 4) * rng.integers(0, 2, 4)).tolist())
    return {
        "filling": filling if rng.uniform() < fills else "",
        "filled": filled,
        "shift": shift if is_off else (0.0, 0.0),
        "scale": float(1 + rng.uniform(-0.005, 0.005)) if is_off else 1.0,
        "blended": bool(rng.uniform() < 0.25),
        "margins": margins if cropped else (0.0, 0.0, 0.0, 0.0),
        "unit": _unit(rng),
    }


def _unit(rng: Rng) -> float:
    return float(rng.choice([0, 0.0001, 0.001, 0.002, 0.005], p=[0.1, 0.1, 0.7, 0.06, 0.04]))


def _side(rng: Rng) -> int:
    # Few cameras are mounted upside down or register to the other eye.
    return -1 if rng.uniform() < 0.3 else 1


def _log(rng: Rng, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _maybe(rng: Rng, share: float, low: float, high: float) -> float:
    value = _log(rng, low, high)
    return value if rng.uniform() < share else 0.0
