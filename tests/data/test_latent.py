"""Latent semantic analysis: texts that share words, or whose words share texts, are near."""

from __future__ import annotations

import numpy as np

from tunesmith.data.latent import latent_vectors

TEXTS = ["the film was good", "a good film", "a good movie", "the movie was bad", "cats and dogs", "a dog and a cat", "dogs like cats"]


def test_texts_of_one_topic_are_nearer_than_others() -> None:
    vectors = latent_vectors(["good film", "film", "dogs", ""], TEXTS)
    assert vectors.shape == (4, 6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 0], atol=1e-6)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]


def test_it_repeats() -> None:
    assert np.array_equal(latent_vectors(TEXTS, TEXTS), latent_vectors(TEXTS, TEXTS))


def test_too_little_to_learn_from() -> None:
    assert latent_vectors(["a", "!"], ["?"]).tolist() == [[0.0], [0.0]]
    assert latent_vectors(["word", "other"], ["word"]).tolist() == [[1.0], [0.0]]
