"""The packaged embedder."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from cvdl.networks.metadata import WeightsError
from cvdl.recognition.colors import BINS
from cvdl.recognition.embedder import FEATURES, ObjectEmbedder, load_embedder
from cvdl.simulation import SimulationConfig, simulate_scene

#: Scenes of one camera with six things each.
SCENES = SimulationConfig(width=320, height=240, min_objects=6, max_objects=6, max_elevation=60)


@pytest.fixture(scope="module")
def scene():
    return simulate_scene(12, 0, SCENES)


def other_light(frame):
    """The same colors in dimmer and warmer light, with noise."""
    noise = np.random.default_rng(0).normal(0, 4, frame.color.shape)
    color = frame.color * np.array([0.75, 0.7, 0.62]) + noise
    return replace(frame, color=np.clip(color, 0, 255).astype(np.uint8))


def moved(frame, truth, pixels):
    """The frame as seen by a camera that is turned a little."""
    color, labels = (np.roll(each, pixels, (0, 1)) for each in (frame.color, truth.labels))
    objects = tuple(
        replace(item, box2d=item.box2d + [pixels[1], pixels[0]] * 2) for item in truth.objects
    )
    return replace(frame, color=color), replace(truth, labels=labels, objects=objects)


def test_each_object_has_a_view(scene):
    views = load_embedder()(scene.frame, scene.truth)
    count = len(scene.truth.objects)
    assert count >= 5
    assert views.features.shape == (count, FEATURES)
    assert views.colors.shape == (count, BINS)
    np.testing.assert_allclose(np.linalg.norm(views.features, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(views.colors.sum(axis=1), 1, atol=1e-4)
    assert (np.diff(views.size, axis=1) <= 0).all()


def test_objects_are_recognized_in_other_light(scene):
    embed = load_embedder()
    similarity = embed(other_light(scene.frame), scene.truth).similarity(
        embed(scene.frame, scene.truth)
    )
    assert (similarity.argmax(axis=1) == np.arange(len(similarity))).all()
    assert similarity.diagonal().min() > 0.5


def test_a_view_is_independent_of_its_place_and_of_the_other_objects(scene):
    embed = load_embedder()
    views = embed(scene.frame, scene.truth)
    # That one stays in the image.
    number = max(range(len(views)), key=lambda index: scene.truth.objects[index].box2d[0])
    one = replace(scene.truth, objects=scene.truth.objects[number : number + 1])
    frame, truth = moved(scene.frame, one, (0, -16))
    alone = embed(frame, truth)
    np.testing.assert_allclose(alone.colors, views[number : number + 1].colors)
    assert alone.similarity(views[number : number + 1])[0, 0] == pytest.approx(
        views.similarity(views)[number, number], abs=1e-4
    )


def test_objects_of_one_frame_are_embedded_once_whatever_their_names(scene):
    runs = []

    def graph(crops):
        runs.append(len(crops))
        return (np.ones((len(crops), FEATURES), np.float32),)

    embed, count = ObjectEmbedder(graph, "kind"), len(scene.truth.objects)
    named = replace(
        scene.truth,
        objects=tuple(replace(item, class_name="mine") for item in scene.truth.objects),
    )
    first = embed(scene.frame, scene.truth)
    assert embed(scene.frame, named) is first
    embed(scene.frame, replace(named, objects=named.objects[:2]))
    embed(other_light(scene.frame), named)
    assert runs == [count, 2, count]


def test_an_empty_scene_has_no_views(scene):
    views = load_embedder()(scene.frame, replace(scene.truth, objects=()))
    assert len(views) == 0
    full = load_embedder()(scene.frame, scene.truth)
    assert views.similarity(full).shape == (0, len(full))


def test_a_photograph_is_like_the_object_in_it(scene):
    embed = load_embedder()
    views = embed(scene.frame, scene.truth)
    for number, item in enumerate(scene.truth.objects):
        x, y, x_end, y_end = item.box2d.astype(int)
        part = slice(y, y_end), slice(x, x_end)
        photograph = embed.photograph(
            scene.frame.color[part], scene.truth.labels[part] == item.label
        )
        assert np.isnan(photograph.size).all()
        assert views.similarity(photograph).argmax() == number


def test_a_photograph_without_a_mask_is_the_whole_picture():
    color = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    embed = load_embedder()
    whole = embed.photograph(color, np.ones((60, 80), bool))
    assert embed.photograph(color).similarity(whole)[0, 0] > 0.95


def test_a_file_of_another_model_is_refused(tmp_path):
    path = tmp_path / "embedding.onnx"
    with pytest.raises(WeightsError, match="no such file"):
        ObjectEmbedder.load(path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match="expected one of EmbeddingNetwork"):
        ObjectEmbedder.load(path)


def test_it_runs_without_torch():
    code = (
        "import sys; from cvdl.recognition.embedder import load_embedder; load_embedder(); "
        "print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
