"""Embedding: texts as vectors, near to each other where the texts are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, Statistic, Task
from tunesmith.data import similar
from tunesmith.data.latent import latent_vectors
from tunesmith.data.sentence_folder import Prompts, beside_the_model, prompts_of, told
from tunesmith.metrics.neighbours import agreement, order, order_over, ranks_of, retrieval
from tunesmith.model.contrastive import check_pooling, cosent, info_nce, pooled


@dataclass
class Embedding(Task):
    """Turns texts into vectors of length 1 whose cosine says how alike the texts are, for search and clustering.

    Pairs of texts that belong together, and triplets with a text that does not, are learned by InfoNCE: each anchor is to be nearest to its
    own positive among all texts of its micro-batch (van den Oord et al. 2018), so that ``training.micro_batch`` says how many negatives
    there are. Scored pairs are learned by their order (CoSENT; Su 2022) or by the squared error of their cosine. Of texts alone, two
    passes with dropout make the pair (SimCSE; Gao et al. 2021); they are judged by whether one half of a text finds the other. A prediction
    has the ``vector`` of a text, and where texts are compared ``vectors`` and ``similarities``. sentence-transformers loads the model.
    """

    kind: str = setting("auto", "what rows are; auto looks at the columns", choices=("auto", *similar.KINDS))
    pooling: str = setting("mean", "what the vector is of: all tokens, the first one, or the last", choices=("mean", "cls", "last"))
    temperature: float = setting(0.05, "what cosines are divided by in the loss", above=0)
    loss: str = setting("cosent", "scored pairs: what is learned, their order or their score", choices=("cosent", "cosine_mse"))
    max_length: int = setting(256, "longest text in tokens, or what the model takes if less; longer ones are cut and counted", low=8)

    query_prompt: str | None = setting(None, "what an anchor begins with; when not said: as the files of the model, or the name of E5, say")
    passage_prompt: str | None = setting(None, "what texts begin with that it is compared with; when not said: likewise")
    _known = Prompts()
    offers: ClassVar[frozenset[str]] = frozenset({"text"})
    compares: ClassVar[bool] = True
    applies: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
        "loss": ("kind", ("auto", "scored")),
        "temperature": ("loss", ("cosent",)),
    }

    @property
    def primary(self) -> str:
        return "spearman" if self.kind == "scored" else "mrr"

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        anchors = ["film", "music", "story", "cat", "day", "woman", "best", "great", "fast", "boring"]
        positives = ["movie", "song", "plot", "dog", "paris", "man", "worst", "bad", "slow", "dull"]
        return cls(max_length=16), [{"anchor": f"the {a}", "positive": f"a {p}"} for a, p in zip(anchors, positives, strict=True)]

    def columns(self) -> tuple[Column, ...]:
        return similar.columns_of(self.kind)

    def learn(self, rows: Iterable[Row]) -> list[str]:
        self.kind, ends, told = similar.learn_similar(rows, self.kind)
        if self.loss != "cosent":
            similar.check_cosines(self.kind, ends)
        return told

    def read(self, row: Row) -> Row:
        scored = self.kind == "scored" and "score" in row
        return {"texts": similar.texts_of(row, self.kind)} | ({"score": similar.score_of(row)} if scored else {})

    def asked(self, row: Row) -> Row:
        return row if self.kind == "scored" else {"texts": row["texts"][:1]}

    def meet(self, module: Any, tokenizer: Any) -> list[str]:
        check_pooling(module.config, self.pooling)
        self._known = prompts_of(Path(tokenizer.name_or_path), [Path(module.name_or_path).name])
        return told(self.prompts)

    @property
    def prompts(self) -> tuple[str, str]:
        """What the first text of a row begins with, and what the others."""
        return self._known.of(self.kind in ("pairs", "triplets"), self.query_prompt, self.passage_prompt)

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        return similar.encode_similar(rows, tokenizer, self.max_length, self.prompts)

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        inputs, targets, tokens, sizes = similar.pad_similar(features, tokenizer, self.kind)
        return Batch(inputs, targets, torch.tensor([item["row"] for item in features]), tokens, {"sizes": sizes})

    def head(self) -> Head:
        return Head("AutoModel", {})

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        firsts = batch.targets["firsts"]
        if self.kind == "unsupervised":  # each text twice: dropout tells the two apart
            batch = replace(batch, inputs={name: tensor[firsts].repeat(2, 1) for name, tensor in batch.inputs.items()})
            anchors, others = self._vectors(batch, forward(batch)).chunk(2)  # (batch, hidden) both
        else:
            vectors = self._vectors(batch, forward(batch))
            later = torch.ones(len(vectors), dtype=torch.bool, device=vectors.device).index_fill(0, firsts, False)
            anchors, others = vectors[firsts], vectors[later]  # (batch, hidden), (candidates, hidden)
        if self.kind != "scored":
            losses = info_nce(anchors, others, batch.targets["own"], batch.targets["barred"], self.temperature)
            return Loss(losses.sum(), len(batch))
        cosines, scores = (anchors * others).sum(dim=1), batch.targets["score"]
        total = cosent(cosines, scores, self.temperature) * len(batch) if self.loss == "cosent" else (cosines - scores).square().sum()
        return Loss(total, len(batch))

    def _vectors(self, batch: Batch, output: Any) -> Tensor:
        return pooled(output.last_hidden_state, batch.inputs.get("attention_mask"), self.pooling)

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        return [similar.prediction(part.tolist()) for part in torch.split(self._vectors(batch, output), batch.notes["sizes"])]

    def baselines(self, train: Iterable[Row], asked: Sequence[Row]) -> Mapping[str, Sequence[Prediction]]:
        known, texts = ([text for row in rows for text in row["texts"]] for rows in (train, asked))
        vectors = iter(latent_vectors(texts, known).tolist())
        return {"lsa": [similar.prediction([next(vectors) for _ in row["texts"]]) for row in asked]}

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        if self.kind == "scored":
            return order(*similar.compared(predictions, truths))
        nearer = [float(p["similarities"][0] > p["similarities"][-1]) for p in predictions if self.kind == "triplets"]
        return retrieval(self._ranks(predictions, truths)) | ({"triplet_accuracy": sum(nearer) / len(nearer)} if nearer else {})

    def _ranks(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Any:
        """The rank of each row's positive, or of its second half, among those of all rows and all negatives."""
        begin = int(self.kind == "unsupervised")
        return ranks_of([row["texts"][begin:] for row in truths], [[p["vector"], *p["vectors"]][begin:] for p in predictions])

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        """One by the rank of what is to be found; of scored pairs how well their place among all agrees."""
        if self.kind == "scored":
            return agreement(*similar.compared(predictions, truths))
        return list(1 / self._ranks(predictions, truths))

    def over(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> Statistic | None:
        return order_over(*similar.compared(predictions, truths)) if self.kind == "scored" else None

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        return similar.shown(row["texts"], prediction, row.get("score"), self.kind)

    def files(self, module: nn.Module) -> Mapping[str, Any]:
        config: Any = module.config
        return beside_the_model(self.pooling, config.hidden_size, self.max_length, self.prompts)
