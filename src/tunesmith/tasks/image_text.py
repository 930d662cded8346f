"""Images and texts: pictures and captions as vectors in one space, to find the one by the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F

from tunesmith.core.batch import Batch
from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.core.loss import Loss
from tunesmith.core.setting import setting
from tunesmith.core.task import Column, Head, Prediction, Row, Task
from tunesmith.data.captions import check_prompt, collate_captions, different, encode_captions, tokenized
from tunesmith.data.images import patches, read_image
from tunesmith.data.labels import count, label_id, summary
from tunesmith.data.media import called
from tunesmith.data.text import check_text
from tunesmith.metrics.matching import WAYS, both_ways, matches
from tunesmith.model.vision_text import compares, symmetric_info_nce, vectors, zero_shot

RECALLS = ("recall@1", "recall@5", "recall@10")


@dataclass
class ImageText(Task):
    """Brings the vectors of pictures and of their captions together (CLIP, or ``model: {vision: ..., text: ...}``).

    The loss is InfoNCE both ways with a learned temperature: each picture is to be nearest to its own caption among those of its
    micro-batch, each caption to its own picture, so that ``training.micro_batch`` says how many negatives there are; the same picture, or
    the same caption, in another row is none. Judged is whether the one is found by the other among all rows. Where rows have a label,
    pictures are also classified by the names of the labels alone. A prediction has the ``texts`` nearest to the picture among those that
    were asked together, and the rank of its own; pictures without any get their ``vector``.
    """

    labels: list[str] = setting(factory=list, text="names of classes to tell pictures apart by; those of a label column when empty")
    prompt: str = setting("a photo of {label}", "the text that stands for a label")
    max_length: int = setting(64, "longest caption in tokens, or what the model takes if less; longer ones are cut and counted", low=4)
    metric: str = setting("recall@1", "what decides; recalls are means of both ways", choices=(*RECALLS, "zero_shot_accuracy"))

    offers: ClassVar[frozenset[str]] = frozenset({"images"})
    compares: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_prompt(self.prompt)

    @property
    def primary(self) -> str:
        return self.metric

    @classmethod
    def example(cls) -> tuple[Self, list[Row]]:
        words = ("good", "bad", "sad", "dull", "slow", "fast", "small", "big", "new", "fine")
        shades = [[[25 * i] * 8] * 4 + [[255 - 25 * i] * 8] * 4 for i in range(len(words))]
        rows = [{"image": shade, "text": f"the {word} film"} for shade, word in zip(shades, words, strict=True)]
        return cls(), [{**row, "label": label} for row, label in zip(rows, ["film", "music"] * 5, strict=True)]

    def columns(self) -> tuple[Column, ...]:
        image = ("img", "picture", "photo", "image_path", "file", "file_name", "path")
        text = ("caption", "captions", "description", "sentence", "title", "alt")
        label = Column("label", ("class", "category", "group"), required=False, truth=True, label=True)
        return Column("image", image, file=True), Column("text", text, required=False), label

    def learn(self, rows: Iterable[Row]) -> list[str]:
        known = list(rows)
        if "text" not in known[0]:
            raise InputError(Problem("no column is known as the text", "Say which it is, for example data.columns: {text: caption}"))
        values = [row["label"] for row in known if row.get("label") not in (None, "")]
        self.labels = self.labels or list(count(values))
        told = f"task: {len(known):,} pictures with {different(row['text'] for row in known):,} different texts"
        return [told, *([summary(values, "single", self.labels)] if self.labels else [])]

    def read(self, row: Row) -> Row:
        if "text" in row:
            check_text(row["text"], "text")
        found = {role: row[role] for role in ("text",) if role in row} | {"image": read_image(row["image"])}
        return found | ({"label": label_id(row["label"], self.labels)} if row.get("label") not in (None, "") else {})

    def meet(self, module: Any, tokenizer: Any) -> None:
        if not compares(module):
            message = f"{module.config.model_type} models do not bring pictures and texts together"
            raise InputError(Problem(message, "Name a CLIP, or {vision: ..., text: ...}"))
        self._patches = patches(tokenizer.reader, module.config)

    def encode(self, rows: Sequence[Row], tokenizer: Any) -> list[Row]:
        return encode_captions(rows, tokenizer.tokenizer, self.max_length, self._patches)

    def collate(self, features: Sequence[Row], tokenizer: Any) -> Batch:
        return collate_captions(features, tokenizer)

    def head(self) -> Head:
        return Head("AutoModelForZeroShotImageClassification", {}, otherwise=("AutoModel",))

    def objective(self, batch: Batch, forward: Forward) -> Loss:
        scores = forward(batch).logits_per_image.float()  # (batch, batch)
        losses = symmetric_info_nce(scores, batch.targets["image_key"], batch.targets["text_key"])
        return Loss(losses.sum(), len(batch))

    def answer(self, batch: Batch, forward: Forward, tokenizer: Any) -> list[Prediction]:
        if "texts" in batch.notes:
            found = self.decode(batch, forward(batch))
        else:
            found = [{"vector": vector} for vector in vectors(forward, "image", batch.inputs).tolist()]
        prompts = [self.prompt.format(label=label.replace("_", " ")) for label in self.labels]
        if not prompts:
            return found
        read = vectors(forward, "text", tokenized(prompts, tokenizer.tokenizer, self.max_length))
        table = zero_shot(forward.module, torch.tensor([item["vector"] for item in found]), read).tolist()
        named = [dict(zip(self.labels, row, strict=True)) for row in table]
        return [{**item, "label": max(row, key=row.__getitem__), "probabilities": row} for item, row in zip(found, named, strict=True)]

    def decode(self, batch: Batch, output: Any) -> list[Prediction]:
        seen, read = (F.normalize(side.float(), dim=1).tolist() for side in (output.image_embeds, output.text_embeds))
        rows = zip(seen, read, batch.notes["image_keys"], batch.notes["texts"], strict=True)
        return [{"vector": image, "text_vector": text, "keys": [key, written]} for image, text, key, written in rows]

    def together(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        if not all("keys" in prediction for prediction in predictions):
            return list(predictions)
        images, texts = ([p[side] for p in predictions] for side in ("vector", "text_vector"))
        found = matches(images, texts, [(image, text) for image, text in (p["keys"] for p in predictions)])
        return [one | {key: p[key] for key in ("label", "probabilities") if key in p} for one, p in zip(found, predictions, strict=True)]

    def metrics(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> dict[str, Any]:
        found: dict[str, Any] = dict(both_ways(predictions)) if all("texts" in p for p in predictions) else {}
        classed = [(p["label"], row["label"]) for p, row in zip(predictions, truths, strict=True) if "label" in row]
        right = [float(label == self.labels[truth]) for label, truth in classed]
        return found | ({"zero_shot_accuracy": fmean(right)} if right else {})

    def correct(self, predictions: Sequence[Prediction], truths: Sequence[Row]) -> list[float]:
        """The share of both ways on which the row's own is among the first, as many as ``metric`` counts; or whether the label is right."""
        pairs = zip(predictions, truths, strict=True)
        if self.metric not in RECALLS:
            return [float("label" in row and p["label"] == self.labels[row["label"]]) for p, row in pairs]
        depth = int(self.metric.rpartition("@")[2])
        return [fmean(p.get(rank, depth + 1) <= depth for rank in WAYS.values()) for p, _ in pairs]

    def shown(self, row: Row, prediction: Prediction) -> dict[str, Any]:
        classed = "label" in prediction
        found = {"text": called(row["image"], "image"), "predicted": prediction["label"] if classed else prediction.get("texts", [""])[0]}
        if ("label" if classed else "text") in row:
            found["truth"] = self.labels[row["label"]] if classed else row["text"]
        return found | {name: prediction[name] for name in ("texts", *WAYS.values()) if name in prediction}
