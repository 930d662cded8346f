"""Adapters of several runs: switched on one base, and composed into one as the papers say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft.utils import merge_utils
from safetensors.torch import load_file
from torch import Tensor

import tiny
from runs import TRAINING, rows
from tunesmith import export, load, load_together, train
from tunesmith.cli.app import run as command
from tunesmith.composing import WAYS, Composition
from tunesmith.core.errors import InputError

TEXTS = [row["text"] for row in rows()[:6]]
QUERY = "encoder.layer.0.attention.self.query"
RUNS: dict[str, dict[str, Any]] = {
    "one": {"strategies": [{"lora": {"rank": 2}}]},
    "two": {"strategies": [{"lora": {"rank": 2, "targets": "attention"}}], "seed": 1},
    "wide": {"strategies": [{"lora": {"rank": 3, "rank_stabilised": True}}], "seed": 2},
    "dora": {"strategies": [{"lora": {"rank": 2, "dora": True}}]},
    "pissa": {"strategies": [{"lora": {"rank": 2, "initialisation": "pissa"}}]},
    "ia3": {"strategies": [{"peft": {"kind": "ia3"}}]},
    "ia3_too": {"strategies": [{"peft": {"kind": "ia3"}}], "seed": 1},
    "labels": {"strategies": [{"lora": {"rank": 2}}], "data": {"train": [{**row, "label": row["label"].upper()} for row in rows(16)]}},
    "whole": {"strategies": []},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps for each entry of ``RUNS``, and one with another base."""
    folder = tmp_path_factory.mktemp("composing")
    models = {name: str(tiny.folder(folder / name)) for name in ("models", "elsewhere")}
    shared = {"model": models["models"], "task": "text_classification", "data": {"train": rows(16)}, "baselines": False}
    shared |= {"training": {**TRAINING, "epochs": 1, "learning_rate": 3e-2}}
    for name, own in (RUNS | {"base": RUNS["one"] | {"model": models["elsewhere"]}}).items():
        train({**shared, **own}, run=name, runs=folder / "runs")
    return folder / "runs"


def probabilities(which: Path) -> Tensor:
    return torch.tensor([list(found["probabilities"].values()) for found in load(which).predict(TEXTS)])


def update(runs: Path, name: str) -> Tensor:
    """What the adapter of a run adds to a matrix."""
    tensors = load_file(runs / name / "model" / "adapter_model.safetensors")
    a, b = (tensors[f"base_model.model.bert.{QUERY}.lora_{side}.weight"] for side in "AB")
    return b @ a * (16 / 3**0.5 if name == "wide" else 16 / 2)


def composed(runs: Path, folder: Path) -> Tensor:
    """What was added to the same matrix in a merged folder."""
    base = load_file(runs.parent / "models" / "bert" / "model.safetensors")[f"{QUERY}.weight"]
    return load_file(folder / "model.safetensors")[f"bert.{QUERY}.weight"] - base


@pytest.mark.parametrize(
    ("composition", "shares"),
    [
        (Composition("add"), (1, 1)),
        (Composition("add", (0.5, -0.25)), (0.5, -0.25)),
        (Composition("stack"), (1, 1)),
        (Composition(), (0.5, 0.5)),
        (Composition("average", (3, 1)), (0.75, 0.25)),
    ],
)
def test_sums_are_exact_whatever_the_ranks(runs: Path, tmp_path: Path, composition: Composition, shares: tuple[float, float]) -> None:
    done = export("one", tmp_path / "out", others=["wide"], composition=composition, runs=runs)
    assert (done.adapters, done.difference is not None and done.difference.small) == (2, True)
    expected = shares[0] * update(runs, "one") + shares[1] * update(runs, "wide")
    torch.testing.assert_close(composed(runs, tmp_path / "out"), expected, atol=1e-5, rtol=1e-3)


def test_ties_is_that_of_the_paper(runs: Path, tmp_path: Path) -> None:
    export("one", tmp_path / "out", others=["two"], composition=Composition("ties", density=0.4), runs=runs)
    kept = []
    for name in ("one", "two"):
        whole = update(runs, name)
        least = whole.abs().flatten().topk(int(0.4 * whole.numel())).values.min()
        kept.append(torch.where(whole.abs() >= least, whole, 0))
    sign = torch.where(kept[0] + kept[1] >= 0, 1.0, -1.0)
    agreeing = [torch.where(part.sign() == sign, part, 0) for part in kept]
    counts = sum((part != 0).float() for part in agreeing)
    expected = (agreeing[0] + agreeing[1]) / torch.as_tensor(counts).clamp_min(1)
    torch.testing.assert_close(composed(runs, tmp_path / "out"), expected, atol=1e-5, rtol=1e-3)


def test_dare_drops_and_scales_what_is_left(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Composition("dare", density=1.0)
    export("one", tmp_path / "all", others=["two"], composition=whole, runs=runs)
    expected = (update(runs, "one") + update(runs, "two")) / 2
    torch.testing.assert_close(composed(runs, tmp_path / "all"), expected, atol=1e-5, rtol=1e-3)
    seen: list[float] = []
    real = merge_utils.random_pruning

    def watched(tensor: Tensor, density: float, rescale: bool) -> Tensor:
        pruned: Tensor = real(tensor, density, rescale)
        seen.append(float((pruned / tensor)[pruned != 0].mean()))
        return pruned

    monkeypatch.setattr(merge_utils, "random_pruning", watched)
    for name in ("first", "again"):
        export("one", tmp_path / name, others=["two"], composition=Composition("dare", density=0.25), runs=runs)
    assert seen
    assert seen == pytest.approx([4.0] * len(seen))
    assert torch.equal(composed(runs, tmp_path / "first"), composed(runs, tmp_path / "again"))  # drawn, and the same each time


@pytest.mark.parametrize("how", WAYS)
def test_every_way_gives_an_adapter_too(runs: Path, tmp_path: Path, how: str) -> None:
    export("one", tmp_path / "out", form="adapter", others=["two"], composition=Composition(how), runs=runs)
    assert not torch.allclose(probabilities(tmp_path / "out"), probabilities(runs / "one"))
    if how in ("add", "average"):
        export("one", tmp_path / "merged", others=["two"], composition=Composition(how), runs=runs)
        torch.testing.assert_close(probabilities(tmp_path / "out"), probabilities(tmp_path / "merged"), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("how", "other"), [("add", "wide"), ("average", "two"), ("linear", "two"), ("dare", "two")])
def test_all_the_weight_on_one_is_that_one_with_its_head(runs: Path, tmp_path: Path, how: str, other: str) -> None:
    composition = Composition(how, (1.0, 0.0), 1.0 if WAYS[how].density else None)
    export("one", tmp_path / "out", others=[other], composition=composition, runs=runs)
    torch.testing.assert_close(probabilities(tmp_path / "out"), probabilities(runs / "one"), atol=1e-4, rtol=1e-3)


def test_scales_are_averaged(runs: Path, tmp_path: Path) -> None:
    done = export("ia3", tmp_path / "out", others=["ia3_too"], runs=runs)
    assert done.difference is not None
    assert done.difference.small
    scales = [load_file(runs / name / "model" / "adapter_model.safetensors") for name in ("ia3", "ia3_too")]
    name = f"base_model.model.bert.{QUERY}.ia3_l"
    base = load_file(runs.parent / "models" / "bert" / "model.safetensors")[f"{QUERY}.weight"]
    mean = (scales[0][name] + scales[1][name]) / 2
    torch.testing.assert_close(composed(runs, tmp_path / "out") + base, base * mean, atol=1e-5, rtol=1e-3)
    with pytest.raises(InputError, match=r"kind ia3 are not composed by add\. Take --how average"):
        export("ia3", tmp_path / "no", others=["ia3_too"], composition=Composition("add"), runs=runs)


def test_adapters_are_switched_on_one_base(runs: Path) -> None:
    together = load_together(["one", "two", "wide"], runs)
    module: Any = together.tuned.model.module
    assert len(module.peft_config) == 3
    for name in ("two", "wide", "one"):
        found = torch.tensor([list(p["probabilities"].values()) for p in together.use(name).predict(TEXTS)])
        torch.testing.assert_close(found, probabilities(runs / name), atol=1e-5, rtol=1e-4)
    with pytest.raises(InputError, match=r"'three' was not loaded\. Take one of one, two, wide"):
        together.use("three")


def test_an_adapter_that_changed_the_base_is_not_loaded_with_others(runs: Path) -> None:
    with pytest.raises(InputError, match=r"pissa changes the base .* Load or export it alone"):
        load_together(["one", "pissa"], runs)
    alone = load_together(["pissa"], runs).use("pissa").predict(TEXTS)
    found = torch.tensor([list(p["probabilities"].values()) for p in alone])
    torch.testing.assert_close(found, probabilities(runs / "pissa"), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("first", "other", "how", "message"),
    [
        ("one", "base", "add", r"not the base model of the run one \("),
        ("one", "wide", "linear", "its rank is 3, and that of one is 2"),
        ("one", "ia3", "add", r"not the kind of adapter of the run one \(lora\), but ia3"),
        ("one", "labels", "add", r"not the labels of the run one \(bad, good\), but BAD, GOOD"),
        ("one", "whole", "add", "no adapter of peft"),
        ("whole", "one", "add", "no adapter: its weights are whole"),
        ("one", "dora", "add", "dora learns norms"),
        ("one", "pissa", "add", "pissa changes the base"),
        ("one", "nothing", "add", "There is no run 'nothing'"),
    ],
)
def test_what_does_not_belong_together(runs: Path, tmp_path: Path, first: str, other: str, how: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        export(first, tmp_path / "out", others=[other], composition=Composition(how), runs=runs)
    assert len(caught.value.problems) == 1
    assert not list(tmp_path.iterdir())


def test_compositions_that_make_no_sense(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no way 'luck'"):
        Composition("luck")
    with pytest.raises(InputError, match="add keeps everything"):
        Composition("add", density=0.5)
    with pytest.raises(InputError, match="a density of 2 is no share"):
        Composition("ties", density=2)
    with pytest.raises(InputError, match="3 weights for 2 adapters"):
        Composition("add", (1, 1, 1)).factors(2)
    with pytest.raises(InputError, match="have no mean"):
        Composition("average", (1, -1)).factors(2)
    assert Composition("dare", (3, 1)).factors(2) == [0.75, 0.25]
    with pytest.raises(InputError, match="nothing to compose it with"):
        export("one", tmp_path / "out", composition=Composition(), runs=runs)


def test_the_command(runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = ["--runs", str(runs), "--out", str(tmp_path / "out")]
    assert command(["export", "one", "--with", "two", "--with", "wide", "--how", "add", "--weights", "0.5,0.3,0.2", *given]) == 0
    said = capfd.readouterr().err
    assert "3 adapters are composed by add" in said
    assert "Outputs before and after differ by at most" in said
    expected = 0.5 * update(runs, "one") + 0.3 * update(runs, "two") + 0.2 * update(runs, "wide")
    torch.testing.assert_close(composed(runs, tmp_path / "out"), expected, atol=1e-5, rtol=1e-3)


def test_a_decoder_whose_matrices_are_transposed(tmp_path: Path) -> None:
    model = str(tiny.folder(tmp_path, "gpt2"))
    texts = tmp_path / "texts.txt"
    texts.write_text("".join(f"{row['text']}\n" for row in rows(16)), encoding="utf-8")
    for seed, name in enumerate(("one", "two")):
        train(
            model=model,
            task="causal_language_modelling",
            data={"train": str(texts), "validation": str(texts)},
            baselines=False,
            strategies=[{"lora": {"rank": 2, "targets": ["c_fc"]}}],
            training={**TRAINING, "epochs": 1, "learning_rate": 3e-2},
            seed=seed,
            run=name,
            runs=tmp_path / "runs",
        )
    matrix = "h.0.mlp.c_fc"
    adapters = [load_file(tmp_path / "runs" / name / "model" / "adapter_model.safetensors") for name in ("one", "two")]
    updates = [
        8 * (found[f"base_model.model.transformer.{matrix}.lora_B.weight"] @ found[f"base_model.model.transformer.{matrix}.lora_A.weight"])
        for found in adapters
    ]
    base = load_file(Path(model) / "model.safetensors")[f"{matrix}.weight"]
    for how, expected in (("add", updates[0] + updates[1]), ("dare", (updates[0] + updates[1]) / 2)):
        composition = Composition(how, density=1.0 if how == "dare" else None)
        done = export("one", tmp_path / how, others=["two"], composition=composition, runs=tmp_path / "runs")
        assert done.tried == "4 training rows"
        merged = load_file(tmp_path / how / "model.safetensors")[f"transformer.{matrix}.weight"]
        torch.testing.assert_close((merged - base).T, expected, atol=1e-5, rtol=1e-3)
    assert load(tmp_path / "add").task == load(tmp_path / "runs" / "one").task
