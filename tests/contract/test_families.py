"""Every family of models on every task that it has a head for: a step, the layers by depth, and a folder that loads anywhere."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import tiny
from training import TRAINING
from tunesmith.core.errors import InputError
from tunesmith.core.task import Row, Task
from tunesmith.data.encode import Encoded
from tunesmith.engine.loop import fit
from tunesmith.model.backbone import describe
from tunesmith.model.build import build_for
from tunesmith.model.save import save
from tunesmith.recipes.find import find, names

# family -> where its first and its last layer are in the model without a head
LAYERS = {
    "bert": ("encoder.layer.0", "encoder.layer.2"),
    "roberta": ("encoder.layer.0", "encoder.layer.2"),
    "distilbert": ("transformer.layer.0", "transformer.layer.2"),
    "electra": ("encoder.layer.0", "encoder.layer.2"),
    "xlnet": ("layer.0", "layer.2"),
    "deberta": ("encoder.layer.0", "encoder.layer.2"),
    "modernbert": ("layers.0", "layers.2"),
    "gpt2": ("h.0", "h.2"),
    "gptneox": ("layers.0", "layers.2"),
    "llama": ("layers.0", "layers.2"),
    "qwen2": ("layers.0", "layers.2"),
    "t5": ("encoder.block.0", "decoder.block.2"),
    "bart": ("encoder.layers.0", "decoder.layers.2"),
    "marian": ("encoder.layers.0", "decoder.layers.2"),
}
SHARED = {"albert": "encoder.albert_layer_groups.0.albert_layers.0"}  # one layer that is used several times


def learned(name: str) -> tuple[Task, list[Row]]:
    """A task that knows what its example teaches, and the first of its rows."""
    task, rows = find("tasks", name).example()
    task.learn(rows)
    return task, [task.read(row) for row in rows[:4]]


TASKS = {name: task.head().auto for name in names("tasks") if "text" in (task := learned(name)[0]).offers}
# The heads are what differs from family to family: the first task of each class of transformers is tried always, the others are slow.
FIRST = {auto: name for name, auto in reversed(TASKS.items())}
OTHERS = {"clip", "vit", "whisper"}  # their tasks have tests of their own
CLM = "causal_language_modelling"
# A class of transformers takes them, and the task does not: they read one text to write another, or write none at all.
REFUSED = {("bart", "masked_language_modelling"), ("t5", "embedding")}
REFUSED |= {(family, "embedding") for family in ("bart", "marian")}
SEE_AHEAD = ("bert", "roberta", "electra", "xlnet")  # or have an encoder that does
REFUSED |= {(family, name) for family in (*SEE_AHEAD, "bart", "marian") for name in TASKS if TASKS[name] == "AutoModelForCausalLM"}
# What families were pre-trained with, as hubs hold them, where a class of transformers says so.
PRETRAINED = ("AutoModelForPreTraining", "AutoModelForSeq2SeqLM", "AutoModelForCausalLM", "AutoModelForMaskedLM")


def found() -> list[tuple[str, str]]:
    """Families with the tasks whose class knows them."""
    known = {auto: getattr(transformers, auto)._model_mapping for auto in FIRST}
    families = {family: type(config()) for family, config in tiny.configs.items() if family not in OTHERS}
    return [(family, name) for family, config in families.items() for name, auto in TASKS.items() if config in known[auto]]


def pairs() -> list[Any]:
    """Those of ``found``, the slow ones marked."""
    return [pytest.param(*pair, marks=[] if pair[1] in FIRST.values() else pytest.mark.slow) for pair in found()]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The tiny model of each family without a head, by family."""
    folder = tmp_path_factory.mktemp("families")
    return {family: str(tiny.folder(folder, family)) for family in sorted({family for family, _ in found()})}


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory, folders: dict[str, str]) -> dict[str, str]:
    """The tiny model of each family with the head of its pre-training, by family."""
    folder = tmp_path_factory.mktemp("pretrained")
    for family in folders:
        shutil.copytree(folders[family], folder / family)
        config = tiny.configs[family]()
        auto = next(auto for name in PRETRAINED if type(config) in (auto := getattr(transformers, name))._model_mapping)
        auto.from_config(config).save_pretrained(folder / family)
    return {family: str(folder / family) for family in folders}


def test_the_families_that_people_use_are_there() -> None:
    assert LAYERS.keys() | SHARED.keys() <= {family for family, _ in found()}
    assert len({task for _, task in found()}) >= 5


@pytest.mark.parametrize(("family", "name"), pairs())
def test_a_step_and_a_folder_that_loads_anywhere(folders: dict[str, str], family: str, name: str, tmp_path: Path) -> None:
    task, rows = learned(name)
    torch.manual_seed(0)
    if (family, name) in REFUSED:
        with pytest.raises(InputError):
            build_for(task, folders[family])
        return
    model = build_for(task, folders[family])
    assert model.module.config.model_type == tiny.configs[family]().model_type
    encoded = Encoded([task.encode(rows, model.tokenizer)])
    before = {key: weight.detach().clone() for key, weight in model.module.named_parameters()}
    fitted = fit(model, task, encoded, [], replace(TRAINING, steps=1), None, [])
    assert math.isfinite(fitted.run.loss)
    after = dict(fitted.model.module.named_parameters())
    assert any(not torch.equal(weight, after[key]) for key, weight in before.items())
    assert all(bool(torch.isfinite(weight).all()) for weight in after.values())
    save(fitted.model, tmp_path)
    auto = getattr(transformers, task.head().of(model.module.config.model_type).auto)
    loaded, info = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert all(torch.equal(weight, after[key]) for key, weight in loaded.named_parameters())


@pytest.mark.parametrize(("family", "name"), pairs())
def test_a_head_of_pre_training_makes_room_for_another(pretrained: dict[str, str], family: str, name: str) -> None:
    task, _ = learned(name)
    if (family, name) in REFUSED:
        with pytest.raises(InputError, match=r"read texts|encoder|decoder"):
            build_for(task, pretrained[family])
        return
    model = build_for(task, pretrained[family])
    params = describe(model.module)
    assert all(params[key].depth > params[key].layers for key in model.fresh)


@pytest.mark.parametrize("family", [family for family, name in found() if name == CLM and (family, name) not in REFUSED])
def test_nothing_that_learns_to_write_sees_the_future(pretrained: dict[str, str], family: str) -> None:
    task, _ = learned(CLM)
    module = build_for(task, pretrained[family]).module
    ids = torch.arange(5, 15)[None].repeat(2, 1)
    ids[1, -1] = 20
    with torch.no_grad():
        one, other = module(input_ids=ids).logits
    torch.testing.assert_close(one[:-1], other[:-1])
    assert not torch.allclose(one[-1], other[-1])


@pytest.mark.parametrize("family", LAYERS)
def test_layers_are_known_by_their_depth(family: str) -> None:
    params = describe(tiny.base(family))
    first, last = LAYERS[family]
    number = next(iter(params.values())).layers
    assert {param.depth for key, param in params.items() if key.startswith(f"{first}.")} == {1}
    assert {param.depth for key, param in params.items() if key.startswith(f"{last}.")} == {number}
    assert all(param.depth == 0 for key, param in params.items() if key.startswith("embeddings.word"))
    inside = {param.depth for key, param in params.items() if param.kind in ("attention", "mlp")}
    assert inside == set(range(1, number + 1))


@pytest.mark.parametrize("family", SHARED)
def test_a_layer_that_is_used_several_times_is_one(family: str) -> None:
    params = describe(tiny.base(family))
    shared = {param.depth for key, param in params.items() if key.startswith(f"{SHARED[family]}.")}
    assert shared == {next(iter(params.values())).layers} == {1}
