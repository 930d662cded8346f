"""Simple models beside the tuned one, so that it shows whether the transformer, and the tuning, were needed.

Each returns a table for the rows that are judged: probabilities (rows, labels), or values (rows, 1) where the targets are numbers.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

TFIDF_ROWS = 20_000  # training rows at most
TFIDF_CHARACTERS = {"word": 8_000_000, "char": 800_000}  # characters of training text at most: under ten seconds on one core
TFIDF_LABELS = 20  # labels for which that holds; with more of them, fewer characters are read
TFIDF_LENGTH = 5_000  # characters of one text that are read
TFIDF_TERMS = 50_000  # most frequent terms that are kept
PROBE_ROWS = 2_000  # training rows at most: their features cost a pass through the base model
PROBE_CHARACTERS = 100_000  # characters that these rows have together at most, but ...
PROBE_FEWEST = 500  # ... so many rows are read however long they are

UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")  # Thai, Lao, Burmese, Khmer, kana, Chinese


@dataclass(frozen=True)
class Plain:
    """Training rows without a task: texts (a pair joined into one), targets and the labels' names.

    ``targets`` (rows,) integer label ids, (rows, labels) of 0 and 1, or (rows,) float values.
    """

    texts: Sequence[str]
    targets: npt.NDArray[Any]
    labels: Sequence[str]

    @property
    def numeric(self) -> bool:
        return self.targets.ndim == 1 and self.targets.dtype.kind == "f"

    def select(self, rows: Indices) -> Plain:
        return replace(self, texts=[self.texts[row] for row in rows], targets=self.targets[rows])


def majority(train: Plain, num_rows: int) -> Table:
    """The same answer for every row, whatever it says: shares of the classes, the most frequent set of labels, or the mean value."""
    if train.numeric:
        answer = train.targets.mean(keepdims=True, dtype=float)
    elif train.targets.ndim == 2:
        sets, counts = np.unique(train.targets, axis=0, return_counts=True)
        answer = sets[counts.argmax()].astype(float)
    else:
        answer = np.bincount(train.targets, minlength=len(train.labels)) / len(train.targets)
    return np.tile(answer, (num_rows, 1))


def tfidf(train: Plain, texts: Sequence[str]) -> Table:
    """TF-IDF of words and word pairs with logistic regression, or ridge regression; of 1 to 3 characters where words have no spaces.

    Training rows beyond a budget of time are left out by hash, the same ones every time.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.multiclass import OneVsRestClassifier

    if not any(map(str.strip, train.texts)):
        return majority(train, len(texts))
    unit, longest = ("word", 2) if spaced(train.texts) else ("char", 3)
    characters = TFIDF_CHARACTERS[unit] * TFIDF_LABELS // max(TFIDF_LABELS, len(train.labels))
    train = train.select(sample(train.texts, TFIDF_ROWS, characters))
    terms = TfidfVectorizer(
        analyzer=unit,
        ngram_range=(1, longest),
        token_pattern=r"\w+|[^\w\s]" if unit == "word" else None,  # punctuation carries tone
        preprocessor=lambda text: text[:TFIDF_LENGTH].lower(),
        max_features=TFIDF_TERMS,
        sublinear_tf=True,
    )
    features = terms.fit_transform(train.texts)
    classifier = OneVsRestClassifier(LogisticRegression(C=10.0, solver="liblinear"))
    return _linear(train, features, terms.transform(texts), classifier, Ridge(alpha=1.0))


def linear_probe(train: Plain, features: Callable[[Indices], npt.NDArray[Any]], judged: npt.NDArray[Any], rows: int = PROBE_ROWS) -> Table:
    """A linear model of what the frozen base already says: logistic regression, or ridge regression, of its features.

    ``features`` gives the vectors of training rows, (rows, hidden), and is asked once, for at most ``rows`` of them chosen by hash, and
    fewer where they are long. ``judged`` (rows, hidden) are those of the rows that are judged. Vectors are standardised.

    Source: Alain & Bengio 2017, "Understanding intermediate layers using linear classifier probes".
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    affordable = PROBE_CHARACTERS * len(train.texts) // max(1, sum(map(len, train.texts)))
    chosen = sample(train.texts, min(rows, max(PROBE_FEWEST, affordable)))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    regressor = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(0, 4, 9)))
    return _linear(train.select(chosen), np.asarray(features(chosen), float), np.asarray(judged, float), classifier, regressor)


def nearest_label(text_vectors: npt.NDArray[Any], label_vectors: npt.NDArray[Any], temperature: float = 0.05) -> Table:
    """An encoder without training as a classifier: the closer a text is to a label's name, the likelier the label.

    ``softmax(cosine(text, label) / temperature)``: (rows, hidden) and (labels, hidden) to (rows, labels). A vector of zeros is
    equally far from all.

    Source: Yin et al. 2019, "Benchmarking Zero-shot Text Classification", arXiv:1909.00161, label names in the text's space.
    """
    scores = _directions(text_vectors) @ _directions(label_vectors).T / temperature
    odds = np.exp(scores - scores.max(1, keepdims=True))
    chances: Table = odds / odds.sum(1, keepdims=True)
    return chances


def sample(texts: Sequence[str], rows: int, characters: int | None = None) -> Indices:
    """At most ``rows`` rows and about ``characters`` characters, one row at least, chosen by hash of the text: (rows,) in order."""
    digests = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest() for text in texts]
    order = np.array(sorted(range(len(texts)), key=digests.__getitem__), np.int64)[:rows]
    if characters is not None:
        costs = np.cumsum([min(len(texts[row]), TFIDF_LENGTH) for row in order])
        order = order[: max(1, int(np.searchsorted(costs, characters, "right")))]
    return np.sort(order)


def spaced(texts: Sequence[str]) -> bool:
    """Whether spaces part words: not in Chinese, Japanese or Thai, nor where every text is one word. The first 1,000 texts tell."""
    words = " ".join(texts[:1000]).split()
    unspaced = len(UNSPACED.findall("".join(words)))
    return len(words) >= 2 * len(texts[:1000]) and unspaced <= sum(map(len, words)) / 3


def _linear(train: Plain, features: Any, judged: Any, classifier: Any, regressor: Any) -> Table:
    """Fit the estimator that the targets need, and ask it for the table of the judged rows."""
    from sklearn.exceptions import ConvergenceWarning

    def chances(targets: Indices, num_labels: int) -> Table:
        """Probabilities (rows, labels); a label that was not seen in training has none."""
        table = np.zeros((judged.shape[0], num_labels))
        seen = np.unique(targets)
        table[:, seen] = classifier.fit(features, targets).predict_proba(judged) if len(seen) > 1 else 1.0
        return table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline that stops a little early is as good
        if train.numeric:
            return np.asarray(regressor.fit(features, train.targets).predict(judged), float)[:, None]
        if train.targets.ndim == 2:
            return np.stack([chances(column.astype(np.int64), 2)[:, 1] for column in train.targets.T], axis=1)
        return chances(train.targets, len(train.labels))


def _directions(vectors: npt.NDArray[Any]) -> Table:
    """The vectors at length 1; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Table = np.divide(vectors, lengths, out=np.zeros(vectors.shape), where=lengths > 0)
    return directions
