"""Ranking: which of several texts are relevant to a query, the most relevant first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, Task
from tunesmith.data.candidates import by_query, candidates_of, differ, learn_candidates
from tunesmith.data.sequences import in_rows, joined, parted
from tunesmith.data.text import check_text, encode_texts, pad_texts
from tunesmith.data.words import bm25
from tunesmith.metrics.retrieval import DEPTH, by_score, ndcg, ranking
from tunesmith.model.rank_losses import LISTWISE, POINTWISE


@dataclass
class Ranking(Task):
    """Scores how relevant each text is to a query, reading both together (a cross-encoder), and so ranks the texts of a query.

    A row has one text with its relevance (pointwise), a positive and a negative one (pairwise), or a list of candidates with their
    relevances (listwise). The loss is the squared error (``mse``) or ``bce`` of each text, the logistic loss of each pair of a row
    (``ranknet``; Burges et al. 2005), or the cross-entropy of a row's scores with the softmax of its relevances (``listnet``; Cao et al.
    2007) or with their shares (``softmax``). Candidates of one query in several rows are judged together. A prediction has the ``scores``
    of a row's texts, and their ``ranking``, numbers from 0, the most relevant first.
    """

    loss: str = setting(
        "auto",
        "auto: bce or mse for one text, ranknet for pairs, softmax for lists",
        choices=("auto", "mse", "bce", "ranknet", "listnet", "softmax"),
    )
    max_length: int = setting(256, "longest query with a text in tokens, or what the model takes if less; longer ones are cut", low=8)

    offers: ClassVar[frozenset[str]] = frozenset({"text"})

    @property
    def primary(self) -> str:
        return "ndcg@10"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        texts = {"a good movie": 2, "the music was great": 1, "a sad song": 0, "the plot was dull": 0}
        rows = [
            {"query": f"{number} best {query}", "candidates": list(texts)[number:], "relevance": list(texts.values())[number:]}
            for number in range(2)
            for query in ("film", "music", "story", "day", "song", "plot")
        ]
        return cls(max_length=16), rows

    def columns(self) -> tuple[Column, ...]:
        return (
            Column("query", ("question", "search_query", "keywords", "topic"), group=True),
            Column("candidates", ("passages", "documents", "texts", "responses"), required=False, usual=["...", "..."]),
            Column("positive", ("pos", "positives", "positive_passage", "relevant"), required=False),
            Column("negative", ("neg", "negatives", "negative_passage", "irrelevant"), required=False),
            Column("text", ("candidate", "passage", "document", "doc", "response"), required=False),
            Column("relevance", ("relevances", "rel", "grade", "label", "labels", "score", "scores", "rating"), required=False, truth=True),
        )

    def learn(self, rows: Iterable[Row]) -> list[str]:
        found = learn_candidates(rows)
        single, shares = found.most <= 1, found.highest <= 1
        if self.loss == "auto":
            self.loss = ("bce" if shares else "mse") if single else "ranknet" if found.forms == {"pairwise"} else "softmax"
        if (single and self.loss not in POINTWISE) or (self.loss == "bce" and not shares):
            why = "compares the texts of a row, and each has one" if single else "takes relevances from 0 to 1, and there are higher ones"
            raise InputError(Problem(f"task.loss: {self.loss} {why}", "Leave it out, or take mse", key="task.loss"))
        return [*found.lines, f"task: loss {self.loss}"]

    def read(self, row: Row) -> Row:
        check_text(row["query"], "query")
        found = candidates_of(row)
        return {"query": row["query"], "texts": found.texts} | ({"relevances": found.relevances} if found.relevances else {})

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        queries, texts = [row["query"] for row in rows for _ in row["texts"]], [text for row in rows for text in row["texts"]]
        coded = iter(encode_texts(queries, texts, tokenizer, self.max_length))
        items = [joined([next(coded) for _ in row["texts"]]) for row in rows]
        return [item | {name: row[name] for name in ("relevances",) if name in row} for item, row in zip(items, rows, strict=True)]

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, tokens = pad_texts([sequence for item in features for sequence in parted(item)], tokenizer)
        known = "relevances" in features[0]
        targets = {"relevances": torch.tensor([float(r) for item in features for r in item["relevances"]])} if known else {}
        sizes = [len(item["sizes"]) for item in features]
        return Batch(inputs, targets, torch.tensor([item["row"] for item in features]), tokens, {"sizes": sizes})

    def head(self) -> Head:
        return Head("AutoModelForSequenceClassification", {"num_labels": 1})

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        scores, relevances = forward(batch).logits.float().flatten(), batch.targets["relevances"]  # (texts,) both
        if self.loss in POINTWISE:
            return Loss(POINTWISE[self.loss](scores, relevances), len(scores))
        sizes = batch.notes["sizes"]
        there = in_rows(torch.ones_like(scores), sizes, 0.0) > 0  # (batch, most texts)
        losses = LISTWISE[self.loss](in_rows(scores, sizes, 0.0), in_rows(relevances, sizes, 0.0), there)  # (batch,)
        return Loss(losses.sum(), len(batch))

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return [prediction(part.tolist()) for part in output.logits.float().flatten().split(batch.notes["sizes"])]

    def baselines(self, train: Iterable[Row], asked: Sequence[Row]) -> Mapping[str, Sequence[Prediction]]:
        others = (text for row in train for text in row["texts"])
        scores = bm25([row["query"] for row in asked], [row["texts"] for row in asked], others)
        return {"bm25": list(map(prediction, scores))}

    def check_judged(self, truths: Iterable[Row]) -> None:
        if not differ((row["query"], row.get("relevances", [])) for row in truths):
            message = "no query has two candidates of different relevance, so no ranking can be judged"
            raise InputError(Problem(message, "Give more candidates of a query", column="relevance"))

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        relevances, scores, _ = by_query(truths, [p["scores"] for p in predictions])
        return ranking(relevances, scores)

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        """The nDCG of the query that a row is of."""
        relevances, scores, numbers = by_query(truths, [p["scores"] for p in predictions])
        found = [ndcg(by_score(*of_query), DEPTH) for of_query in zip(relevances, scores, strict=True)]
        return [found[number] for number in numbers]

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        texts, relevances = row["texts"], row.get("relevances")
        if len(texts) == 1:
            truth = {} if relevances is None else {"truth": relevances[0]}
            return {"text": f"{row['query']} | {texts[0]}", "predicted": prediction["scores"][0], **truth}
        first = prediction["ranking"][0]
        found = {"text": row["query"], "predicted": texts[first], "ranking": [texts[number] for number in prediction["ranking"]]}
        if relevances is None:
            return found
        best = first if relevances[first] == max(relevances) else relevances.index(max(relevances))
        return found | {"truth": texts[best]}


def prediction(scores: Sequence[float]) -> Prediction:
    """Scores and the order that they make, the first of equal ones first."""
    return {"scores": list(scores), "ranking": sorted(range(len(scores)), key=lambda number: -scores[number])}
