"""Photographs: mild on average, never broken, and reproducible."""

import numpy as np
import pytest

from cvdl.simulation import SimulatedScene
from cvdl.simulation.world.photo import photograph


@pytest.fixture(scope="module")
def photos(scenes: list[SimulatedScene]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of an image and its photograph."""
    return [
        (image, photograph(image, np.random.default_rng(seed)))
        for seed in range(120)
        for image in [scenes[seed % len(scenes)].frame.color]
    ]


def test_photographs_are_images_of_the_same_size(
    photos: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    for image, photo in photos:
        assert photo.shape == image.shape
        assert photo.dtype == np.uint8
        assert photo.std() > 3


def test_photographs_are_mostly_mild(photos: list[tuple[np.ndarray, np.ndarray]]) -> None:
    brightness = [photo.mean() / image.mean() for image, photo in photos]
    assert 0.8 < np.median(brightness) < 1.2
    assert np.mean(np.abs(np.log(brightness)) < 0.4) > 0.6
    assert max(brightness) > 1.3
    assert min(brightness) < 0.7


def test_the_scene_stays_where_it_is(photos: list[tuple[np.ndarray, np.ndarray]]) -> None:
    alike = [
        np.corrcoef(image.mean(axis=2).ravel(), photo.mean(axis=2).ravel())[0, 1]
        for image, photo in photos
    ]
    assert np.median(alike) > 0.95
    assert min(alike) > 0.3


def test_few_photographs_are_gray() -> None:
    image = np.full((60, 80, 3), 90, np.uint8)
    image[:30], image[30:, :40] = (160, 60, 60), (60, 60, 160)

    def is_gray(seed: int) -> bool:
        # Colors of the same hue: the parts differ in brightness only.
        photo = photograph(image, np.random.default_rng(seed)).astype(float)
        red, blue = photo[5:25].mean(axis=(0, 1)), photo[40:, :30].mean(axis=(0, 1))
        return bool(abs(red[0] - red[2] - blue[0] + blue[2]) < 25)

    assert 0.02 < np.mean([is_gray(seed) for seed in range(200)]) < 0.15


@pytest.mark.parametrize("shape", [(240, 320), (320, 240), (31, 47)])
def test_any_size_and_the_same_seed(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    for seed in range(20):
        first, second = (photograph(image, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert first.shape == image.shape


def test_the_given_image_stays_the_same() -> None:
    image = np.full((60, 80, 3), 100, np.uint8)
    for seed in range(30):
        photograph(image, np.random.default_rng(seed))
    assert (image == 100).all()
