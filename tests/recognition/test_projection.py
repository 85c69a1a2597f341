"""Projections of features: whitened, learnt from pairs of views, joined."""

import numpy as np
import pytest

from cvdl.recognition.projection import Projection, contrastive, joined, whitening

OBJECTS, VIEWS, CHANNELS = 100, 5, 24


@pytest.fixture(scope="module")
def views():
    """Eight channels tell objects apart; the other sixteen, which are louder, only views."""
    rng = np.random.default_rng(0)
    objects = np.repeat(np.arange(OBJECTS), VIEWS)
    features = rng.normal(0, 3, (len(objects), CHANNELS))
    features[:, :8] = rng.normal(0, 1, (OBJECTS, 8))[objects] + rng.normal(
        0, 0.2, (len(objects), 8)
    )
    return features + 1, objects


def recognized(projection, features, objects):
    """Share of the views whose most similar other view is of the same object."""
    values = projection(features)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    cosines = values @ values.T
    np.fill_diagonal(cosines, -np.inf)
    return np.mean(objects[cosines.argmax(axis=1)] == objects)


def test_whitened_values_are_uncorrelated_and_of_a_mean_square_of_one(views):
    features, _ = views
    values = whitening(features, 10)(features)
    covariance = np.cov(values.T)
    off = covariance - np.diag(np.diag(covariance))
    assert values.shape == (len(features), 10)
    assert np.abs(off).max() < 1e-8
    assert (values**2).sum(axis=1).mean() == pytest.approx(1)
    assert np.ptp(np.diag(covariance)) < 0.5 * np.diag(covariance).mean()


def test_pairs_of_views_teach_what_tells_objects_apart(views):
    features, objects = views
    taught = objects < OBJECTS // 2
    start = whitening(features, CHANNELS)
    learnt = contrastive(features[taught], objects[taught], start)
    unseen = features[~taught], objects[~taught]
    assert recognized(start, *unseen) < 0.3
    assert recognized(learnt, *unseen) > 0.8


def test_learning_repeats_itself_and_leaves_the_random_numbers_of_others(views):
    import torch

    features, objects = views
    start = whitening(features, CHANNELS)
    state = torch.random.get_rng_state()
    first, second = (contrastive(features, objects, start, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.weight, second.weight)
    assert torch.equal(state, torch.random.get_rng_state())


def test_an_object_with_one_view_teaches_nothing(views):
    features, objects = views
    start = whitening(features, CHANNELS)
    alone = np.vstack([features, np.full((1, CHANNELS), 100.0)])
    learnt = contrastive(alone, np.append(objects, OBJECTS), start)
    np.testing.assert_array_equal(learnt.weight, contrastive(features, objects, start).weight)


def test_products_of_joined_values_are_the_means_of_those_of_the_parts(views):
    features, _ = views
    rng = np.random.default_rng(1)
    parts = [Projection(rng.normal(size=(6, CHANNELS)), rng.normal(size=6)) for _ in range(2)]
    values = joined(parts, features, 12)(features)
    scaled = [part.scaled(features)(features) for part in parts]
    expected = (scaled[0] @ scaled[0].T + scaled[1] @ scaled[1].T) / 2
    np.testing.assert_allclose(values @ values.T, expected, atol=1e-9)
    assert joined(parts, features, 4)(features).shape == (len(features), 4)
