"""Adapters of several runs on one base: loaded together and switched, or composed into one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.task import Task
from tunesmith.model.build import Model, build_for
from tunesmith.model.files import ADAPTER_CONFIG, base_of, read_json
from tunesmith.model.quiet import quiet
from tunesmith.tuned import Tuned, finished_run, recipe_of, tuned_for

ADAPTER_WEIGHTS = "adapter_model.safetensors"
COMPOSED = "composed"
OWN = (".lora_", ".ia3_")  # in the names of what an adapter adds; what else its file holds is the head


@dataclass(frozen=True)
class Way:
    """A way to compose adapters.

    ``peft``     how peft calls it: cat and svd work with the updates B A themselves, linear with A and B apart
    ``mean``     whether the weights are divided by their sum
    ``density``  the share of each update that is kept where nothing else is said; None where all is
    """

    peft: str
    mean: bool = False
    density: float | None = None


# add: Ilharco et al. 2023, "Editing Models with Task Arithmetic", the sum of the updates, which peft makes by stacking the ranks: another
# name of it; ties: Yadav et al. 2023, "TIES-Merging", section 3, which keeps the
# largest 20%; dare: Yu et al. 2024, "Language Models are Super Mario", section 3.2, which drops at random and scales what is left.
WAYS = {
    "add": Way("cat"),
    "stack": Way("cat"),
    "average": Way("cat", mean=True),
    "linear": Way("linear", mean=True),
    "ties": Way("ties_svd", density=0.2),
    "dare": Way("dare_linear_svd", mean=True, density=0.5),
    "dare_ties": Way("dare_ties_svd", density=0.5),
}
KINDS = {"LORA": tuple(WAYS), "IA3": ("average",)}  # kinds of adapters -> the ways in which they compose


@dataclass(frozen=True)
class Composition:
    """How several adapters become one: a name in ``WAYS``, the weight of each (all 1 when absent), and the share of each that is kept.

    Raises ``InputError`` for a way that does not exist, and for a density that nothing reads.
    """

    how: str = "average"
    weights: tuple[float, ...] = ()
    density: float | None = None

    def __post_init__(self) -> None:
        if self.how not in WAYS:
            raise InputError(Problem(f"there is no way '{self.how}' to compose adapters", f"Take one of {', '.join(WAYS)}"))
        if self.density is not None and WAYS[self.how].density is None:
            ways = ", ".join(name for name, way in WAYS.items() if way.density)
            raise InputError(Problem(f"{self.how} keeps everything, and reads no density", f"Leave it out, or take {ways}"))
        if self.density is not None and not 0 < self.density <= 1:
            raise InputError(Problem(f"a density of {self.density:g} is no share", "Give one above 0, up to 1"))

    def factors(self, number: int) -> list[float]:
        """What each of ``number`` updates is multiplied with. Raises ``InputError`` for weights that do not go with them."""
        weights = self.weights or (1.0,) * number
        if len(weights) != number:
            raise InputError(Problem(f"there are {len(weights)} weights for {number} adapters", "Give one for each: --weights 0.5,0.5"))
        if not all(map(math.isfinite, weights)) or (WAYS[self.how].mean and sum(weights) <= 0):
            raise InputError(Problem(f"the weights {weights} have no mean", "Give numbers above 0"))
        return [weight / sum(weights) for weight in weights] if WAYS[self.how].mean else list(weights)


@dataclass(frozen=True)
class Together:
    """One base in memory with the adapters of several runs: one of them answers at a time.

    ``tuned``  the model, which answers with the adapter that ``use`` named last; ``names``  of the adapters in peft, by run
    """

    tuned: Tuned
    names: dict[str, str]

    def use(self, run: str) -> Tuned:
        """Let the adapter, and the head, of ``run`` answer. Raises ``InputError`` for one that is not among those that were loaded."""
        if run not in self.names:
            raise InputError(Problem(f"the run '{run}' was not loaded", f"Take one of {', '.join(self.names)}"))
        module: Any = self.tuned.model.module
        module.set_adapter(self.names[run])
        return self.tuned


def load_together(which: Sequence[str | Path], runs: str | Path = "runs") -> Together:
    """The adapters of finished runs on their common base, which is loaded once; the first answers.

    Raises ``InputError`` for runs without an adapter, and for those that do not have base, kind of adapter and head in common.
    """
    folders = [finished_run(run, runs) for run in which]
    check_alike(folders)
    tuned = tuned_for(recipe_of(folders[0]), str(folders[0] / "model"))
    names = {str(run): f"adapter_{place}" if place else "default" for place, run in enumerate(which)}
    module: Any = tuned.model.module
    for run, folder in zip(list(which)[1:], folders[1:], strict=True):
        with quiet():
            module.load_adapter(str(folder / "model"), adapter_name=names[str(run)])
    return Together(tuned, names)


def compose(task: Task, folders: Sequence[Path], composition: Composition, rank: int | None = None) -> Model:
    """The common base of finished runs with their adapters composed into one, and with the mean of their heads.

    ``rank``  of what ties and dare leave, which is no product of small matrices: the nearest one of this rank; exact when absent.

    Raises ``InputError`` for adapters that do not belong together, or cannot be composed in this way.
    """
    check_alike(folders)
    check_way(folders, composition.how)
    factors = composition.factors(len(folders))
    way, kept = WAYS[composition.how], composition.density or WAYS[composition.how].density
    adapters = [load_file(folder / "model" / ADAPTER_WEIGHTS) for folder in folders]
    heads = mean_of_heads(adapters, factors, folders)
    model = build_for(task, base_of(folders[0] / "model"))
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # dare draws what it drops
        module, names = attached(model.module, folders, adapters)
        more: dict[str, Any] = {"density": kept} if kept else {}
        if module.peft_type == "LORA":
            more["combination_type"] = way.peft
        if way.peft.endswith("svd"):
            more |= {"svd_rank": rank or _widest(module), "svd_full_matrices": False}
        module.add_weighted_adapter(names, factors, COMPOSED, **more)
        module.set_adapter(COMPOSED)
    with torch.no_grad():
        for name, tensor in heads.items():
            module.get_parameter(name).copy_(tensor)
    return replace(model, module=module)


def attached(below: nn.Module, folders: Sequence[Path], adapters: Sequence[Mapping[str, Tensor]]) -> tuple[Any, list[str]]:
    """A base inside the adapters of several runs, without their heads: peft composes no adapters that have one. Returns their names too."""
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict

    module: Any = None
    names = [f"adapter_{place}" for place in range(len(folders))]
    for name, folder, tensors in zip(names, folders, adapters, strict=True):
        config: Any = PeftConfig.from_pretrained(str(folder / "model"))
        config.modules_to_save, config.inference_mode = None, False
        if module is None:
            module = get_peft_model(below, config, adapter_name=name)
        else:
            module.add_adapter(name, config)
        found = set_peft_model_state_dict(module, {key: value for key, value in tensors.items() if _is_own(key)}, adapter_name=name)
        if found.unexpected_keys or any(f".{name}" in key for key in found.missing_keys):
            raise InputError(Problem("the adapter lacks weights that its configuration describes", "Copy its folder again", str(folder)))
        if hasattr(config, "use_rslora"):
            config.use_rslora = False  # its scale is in the layers by now, and is none of what is composed
    return module, names


def mean_of_heads(adapters: Sequence[Mapping[str, Tensor]], factors: Sequence[float], folders: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of what the files of adapters hold beside the adapters, weighted where the weights have a sum; by name.

    Raises ``InputError`` where these are not alike.
    """
    heads = [{name: tensor for name, tensor in tensors.items() if not _is_own(name)} for tensors in adapters]
    shapes = [{name: tensor.shape for name, tensor in head.items()} for head in heads]
    if others := [folder for folder, shape in zip(folders, shapes, strict=True) if shape != shapes[0]]:
        message = f"its head has not the parts of that of {folders[0].name}"
        raise InputError(*(Problem(message, "Compose runs of one task", str(folder)) for folder in others))
    shares = [factor / sum(factors) for factor in factors] if sum(factors) > 0 else [1 / len(factors)] * len(factors)
    return {name: torch.stack([head[name] * share for head, share in zip(heads, shares, strict=True)]).sum(dim=0) for name in heads[0]}


def write(model: Model, folder: Path, like: Path) -> None:
    """Write what ``compose`` made into the new ``folder`` as a plain PEFT folder, with a head where the PEFT folder ``like`` has one."""
    from peft import get_peft_model_state_dict

    module: Any = model.module
    config = replace(module.peft_config[COMPOSED], modules_to_save=read_json(like / ADAPTER_CONFIG).get("modules_to_save"))
    config.base_model_name_or_path, config.inference_mode = base_of(like), True
    with quiet():
        state = get_peft_model_state_dict(module, adapter_name=COMPOSED, save_embedding_layers=False)
    tensors = {name: _padded(name, tensor, getattr(config, "r", 0)) for name, tensor in state.items()}
    tensors |= {name: module.get_parameter(name) for name in load_file(like / ADAPTER_WEIGHTS) if not _is_own(name)}
    folder.mkdir(parents=True)
    config.save_pretrained(folder)
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, folder / ADAPTER_WEIGHTS, {"format": "pt"})
    if model.tokenizer is not None:
        model.tokenizer.save_pretrained(folder)


def check_alike(folders: Sequence[Path]) -> None:
    """Raise ``InputError`` with every run that has no adapter, shares no base, or has not the kind of adapter or the head of the first."""
    if alone := [folder for folder in folders if not (folder / "model" / ADAPTER_CONFIG).exists()]:
        raise InputError(*(Problem("the run has no adapter of peft", "Name runs with lora", str(folder)) for folder in alone))
    first, *others = map(_about, folders)
    problems = []
    for folder, other in zip(folders[1:], others, strict=True):
        if part := next((part for part in first if other[part] != first[part]), None):
            message = f"it has not the {part} of the run {folders[0].name} ({first[part]}), but {other[part]}"
            problems.append(Problem(message, f"Name runs with the same {part}", str(folder)))
    for folder in folders if len(folders) > 1 else ():
        if str(_configuration(folder).get("init_lora_weights")).startswith("pissa"):
            message = "pissa changes the base below the adapter, which others do not share"
            problems.append(Problem(message, "Load or export it alone", str(folder)))
    if problems:
        raise InputError(*problems)


def check_way(folders: Sequence[Path], how: str) -> None:
    """Raise ``InputError`` with every adapter that cannot be composed in this way with the first."""
    first = _configuration(folders[0])
    kind = first["peft_type"]
    if how not in KINDS.get(kind, ()):
        remedy = f"Take --how {' or '.join(KINDS[kind])}" if kind in KINDS else f"Compose {' or '.join(KINDS).lower()}"
        raise InputError(Problem(f"adapters of kind {kind.lower()} are not composed by {how}", remedy, str(folders[0])))
    problems = []
    for folder in folders:
        config = _configuration(folder)
        if config.get("use_dora"):
            problems.append(Problem("dora learns norms, which are no updates that add up", "Export it alone", str(folder)))
        if WAYS[how].peft == "linear" and config.get("r") != first.get("r"):
            message = f"its rank is {config['r']}, and that of {folders[0].name} is {first['r']}: linear adds A and B apart"
            problems.append(Problem(message, "Take --how add or average", str(folder)))
        if kind == "IA3" and any(set(config[part]) != set(first[part]) for part in ("target_modules", "feedforward_modules")):
            problems.append(Problem(f"it scales other layers than {folders[0].name}", "Compose runs with the same targets", str(folder)))
    if problems:
        raise InputError(*problems)


def rank_of(folders: Sequence[Path]) -> int | None:
    """The sum of the ranks of adapters, that of their exact sum; None for kinds that have none."""
    return sum(_configuration(folder).get("r", 0) for folder in folders) or None


def _configuration(run: Path) -> dict[str, Any]:
    return read_json(run / "model" / ADAPTER_CONFIG)


def _about(run: Path) -> dict[str, Any]:
    """What runs must have in common, in the order in which it is told."""
    task = recipe_of(run).task
    head = task.head()
    labels = getattr(task, "labels", None)
    rest = {key: value for key, value in head.config.items() if key not in ("id2label", "label2id", "num_labels")}
    return {
        "base model": base_of(run / "model"),
        "kind of adapter": _configuration(run)["peft_type"].lower(),
        "labels": ", ".join(map(str, labels)) if labels else "none",
        "head": f"{head.auto} {rest or ''}".strip(),
    }


def _is_own(name: str) -> bool:
    return any(own in name for own in OWN)


def _widest(module: nn.Module) -> int:
    """The highest rank that the update of any adapted layer can have."""
    layers: list[Any] = [part for part in module.modules() if hasattr(part, "lora_A")]
    return max(int(min(layer.in_features, layer.out_features)) for layer in layers)


def _padded(name: str, tensor: Tensor, rank: int) -> Tensor:
    """A factor of an update with zeros up to ``rank``, where its layer is too small for it."""
    lacking = max(0, rank - tensor.shape[0 if "lora_A" in name else 1]) if ".lora_" in name else 0
    return torch.nn.functional.pad(tensor, (0, 0, 0, lacking) if "lora_A" in name else (0, lacking)) if lacking else tensor
