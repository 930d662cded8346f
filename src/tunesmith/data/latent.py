"""Vectors of texts without a language model, which tuned ones are compared with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.data.words import words

SIZE = 128  # numbers of a vector at most
TERMS = 50_000  # most frequent words that are kept


def latent_vectors(texts: Sequence[str], learned_from: Sequence[str]) -> npt.NDArray[np.float32]:
    """Vectors of length 1, (texts, at most ``SIZE``): the main directions of TF-IDF in the texts that they are learned from.

    A text without a known word is a vector of zeros.

    Source: Deerwester et al. 1990, doi:10.1002/(SICI)1097-4571(199009)41:6<391::AID-ASI1>3.0.CO;2-9 (latent semantic analysis).
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    terms = TfidfVectorizer(tokenizer=words, token_pattern=None, max_features=TERMS, sublinear_tf=True)
    if not any(map(words, learned_from)):
        return np.zeros((len(texts), 1), np.float32)
    features = terms.fit_transform(learned_from)
    size = min(SIZE, *features.shape) - 1
    if size < 1:
        return np.asarray(normalize(terms.transform(texts)).todense(), np.float32)
    directions = TruncatedSVD(size, random_state=0).fit(features)
    return np.asarray(normalize(directions.transform(terms.transform(texts))), np.float32)
