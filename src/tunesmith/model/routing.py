"""Which of several models answers a row: that whose training rows are nearest, as one frozen trunk sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.setting import setting
from tunesmith.model.files import open_up

ABOUT, WEIGHTS = "router.json", "router.safetensors"
LEAST = 1e-9  # a distance that counts as none

Numbers = npt.NDArray[np.float64]


@dataclass
class Routing:
    """How a row of a sequence finds the model of its stage.

    Each stage learns a model of its own, which begins with the base: with lora an adapter and a head. It is known by prototypes: the mean
    of the vectors that the frozen base has of its training rows, or the centres of several groups of them. A row goes to the stage whose
    prototype is nearest, in sum_d (x_d - m_d)^2 / (s_d + s)^2: s_d is how far rows are from their prototypes in a direction, and s the
    median of all s_d, so that no direction counts much where it is narrow by chance.

    Sources: a part of its own for each stage: Rusu et al. 2016, "Progressive Neural Networks", section 2, here without connections to
    earlier ones; the nearest mean: Rebuffi et al. 2017, "iCaRL"; centres that k-means finds in a stage: Wang et al. 2022, "S-Prompts
    Learning with Pre-trained Transformers"; the distance: Tibshirani et al. 2002, "Diagnosis of Multiple Cancer Types by Shrunken Centroids
    of Gene Expression", without shrinking them.
    """

    prototypes: int = setting(1, "prototypes of a stage: the mean of its rows, or so many centres that k-means finds", low=1)
    num_rows: int = setting(1000, "training rows of a stage that its prototypes are taken from", low=1)


@dataclass(frozen=True)
class Seen:
    """What a router keeps of the rows of a stage.

    ``prototypes``  (prototypes, hidden); ``spread`` (hidden,) the mean squared distance of ``count`` rows from their nearest prototype
    """

    prototypes: Numbers
    spread: Numbers
    count: int


@dataclass(frozen=True)
class Router:
    """The stages by name, in their order."""

    stages: Mapping[str, Seen]

    def nearest(self, vectors: npt.NDArray[Any]) -> list[str]:
        """The stage with the prototype that is nearest to each of ``vectors``, (rows, hidden); the first of several."""
        seen = list(self.stages.values())
        owners = np.repeat(np.arange(len(seen)), [len(stage.prototypes) for stage in seen])
        apart = np.sqrt(np.average([stage.spread for stage in seen], axis=0, weights=[stage.count for stage in seen]))
        scale = np.maximum(apart + np.median(apart), LEAST)
        names = list(self.stages)
        return [names[owners[place]] for place in closest(vectors / scale, np.concatenate([s.prototypes for s in seen]) / scale)]

    def write(self, folder: Path, trunk: str) -> None:
        """Keep the router in ``folder``, with the name of the model in whose vectors it looks."""
        from safetensors.numpy import save_file

        tensors: dict[str, Numbers] = {}
        for number, stage in enumerate(self.stages.values()):
            tensors |= {
                f"{number}.prototypes": stage.prototypes,
                f"{number}.spread": stage.spread,
                f"{number}.count": np.array(stage.count),
            }
        save_file(tensors, folder / WEIGHTS)
        open_up(folder)
        about = {"trunk": trunk, "stages": list(self.stages), "loads": "tunesmith.load, which sends each row to the model of a stage"}
        (folder / ABOUT).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> tuple[Router, str]:
        """The router that ``write`` kept, and the name of its trunk. Raises ``InputError`` for files that are none of its."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            found = load_file(folder / WEIGHTS)
            own = [[found[f"{number}.{part}"] for part in ("prototypes", "spread", "count")] for number in range(len(about["stages"]))]
            stages = {name: Seen(one, spread, int(count)) for name, (one, spread, count) in zip(about["stages"], own, strict=True)}
            return cls(stages), str(about["trunk"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(Problem(f"the router of the stages cannot be read ({error})", "Copy the folder again", str(folder))) from error


def seen(vectors: npt.NDArray[Any], number: int) -> Seen:
    """What is kept of ``vectors``, (rows, hidden): ``number`` prototypes, or as many as there are different rows."""
    rows = np.asarray(vectors, float)
    number = min(number, len(np.unique(rows, axis=0)))
    prototypes = rows.mean(axis=0, keepdims=True) if number == 1 else _centres(rows, number)
    return Seen(prototypes, np.square(rows - prototypes[closest(rows, prototypes)]).mean(axis=0), len(rows))


def closest(vectors: npt.NDArray[Any], prototypes: Numbers) -> npt.NDArray[np.int64]:
    """The place of the prototype nearest to each vector, (rows,), in the sum of squares."""
    apart = np.stack([np.square(vectors - prototype).sum(axis=1) for prototype in prototypes])
    found: npt.NDArray[np.int64] = apart.argmin(axis=0)
    return found


def _centres(rows: Numbers, number: int) -> Numbers:
    from sklearn.cluster import KMeans

    centres: Numbers = KMeans(number, n_init=4, random_state=0).fit(rows).cluster_centers_
    return centres


def evenly(rows: Sequence[Any], number: int) -> list[Any]:
    """``number`` of the rows, in equal distances; all where there are fewer."""
    return [rows[place] for place in np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(int).tolist()]
