"""The trunk cache: layers below the frontier are computed once for each row, and kept.

``plan`` is a pure function of time, so the engine knows which layers will not learn again. These run in evaluation mode, in one pass
over the rows sorted by length, and what they give is kept by the content of the row. Later epochs, evaluations and runs start above them.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.batch import Batch
from tunesmith.core.clock import Clock
from tunesmith.core.forward import Forward
from tunesmith.core.run import Run
from tunesmith.core.waiting import waited
from tunesmith.data.encode import Encoded
from tunesmith.data.kept import tidy
from tunesmith.engine import distributed
from tunesmith.engine.hidden import HiddenStates, Key, padded, parted
from tunesmith.engine.stack import MOMENTS, Stack
from tunesmith.engine.training_rows import Told, TrainingRows
from tunesmith.model.four_bit import formats
from tunesmith.model.frontier import NotCacheableError, Tower, lower, standing_in, towers, train_above

LIMIT = 10 * 2**30  # bytes that all trunks in the cache folder take together
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 4e-2, torch.float16: 1e-2}  # of the largest value that the model puts out


@dataclass
class Trunk:
    """The frozen layers of each tower of a run's model, now, and what they gave for the rows that were met.

    ``folder`` keeps hidden states between runs; None for no cache, where frozen layers still run without dropout. With ``always`` they are
    kept even where this run alone saves nothing by it.
    """

    run: Run
    stack: Stack
    train: Encoded
    tokenizer: Any
    folder: Path | None
    always: bool = False
    towers: list[Tower] = field(default_factory=list)
    kept: dict[str, tuple[int, HiddenStates]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.towers = towers(self.run.model, self.run.params)
        self._rules: object = None
        self._resumed: Mapping[str, Any] | None = None
        self._frozen: dict[str, int] = {}
        self._sound: dict[str, tuple[object, str, bool]] = {}
        self.rows = TrainingRows(self.run, self.train, self.tokenizer)

    def follow(self) -> None:
        """Take the plan that is in force: which layers are frozen now, and for how long. Fills the cache where that saves time."""
        if self._rules is self.run.rules:
            return
        self._rules = self.run.rules
        self._frozen = {tower.path: self._frozen_at(tower, self.run.clock) for tower in self.towers}
        self.learning_mode()
        if self.folder is None or self.stack.perturbs or self.stack.rewrites:
            return
        before, self._resumed = self._resumed, None
        changed = before is None or before["rules"] != self._told()
        for tower in self.towers:
            held = (self._layers() if before is None else before["layers"]).get(tower.path, 0)
            layers = self._worth_keeping(tower, held) if changed else held  # a resumed run goes on with what was kept
            if layers != self._layers().get(tower.path, 0):
                self.kept.pop(tower.path, None)
                if layers:
                    message = self._fill(tower, layers)
                    if layers != held:
                        self.run.say(message)

    def state(self) -> dict[str, Any]:
        """How many layers of each tower are kept, and under which plan: a resumed run must keep the same, to compute the same."""
        return {"layers": self._layers(), "rules": self._told()}

    def load(self, state: Mapping[str, Any]) -> None:
        self._rules, self._resumed = None, state

    def _layers(self) -> dict[str, int]:
        return {path: layers for path, (layers, _) in self.kept.items()}

    def _told(self) -> str:
        """A digest of the plan in force: a strategy that decides as it goes may have another one when the run is resumed."""
        return hashlib.sha256(repr(sorted(self.run.rules.items())).encode()).hexdigest()[:16]

    def learning_mode(self) -> None:
        """Training mode for what learns."""
        self.run.model.train()
        for tower in self.towers if not self.stack.perturbs else []:
            train_above(self.run.model, tower, self._frozen[tower.path])

    @contextmanager
    def serving(self, module: nn.Module, batch: Batch) -> Iterator[None]:
        """Within, a model that is called with ``batch`` begins above the layers whose results are kept, if all its rows are."""
        with ExitStack() as entered:
            for tower in self.towers:
                if tower.path in self.kept and self._unchanged(tower):
                    layers, states = self.kept[tower.path]
                    keys, texts = told = self.rows.told_apart(tower, batch)
                    # Rows that will be judged again, in the same batches. To learn from, a resumed run would not have the same bits.
                    judged = not torch.is_grad_enabled() and not self.run.model.training
                    found = states.get(keys, remembered=judged)
                    if found is None and judged:
                        found, _ = self._given(tower, layers, batch, told, module)
                        states.remember(keys, found)
                    if found is not None:
                        hidden = padded(found, texts).to(batch.rows.device)
                        entered.enter_context(standing_in(self.run.model, tower, layers, hidden, states.parts, module))
            yield

    def _unchanged(self, tower: Tower) -> bool:
        """Whether the layers that are kept have the weights that they had: those of a checkpoint, or averages, may be in their place."""
        layers, _ = self.kept[tower.path]
        now = [(weight._version, weight.data_ptr()) for _, weight in self._below(tower, layers)]
        seen, of, _ = self._sound.get(tower.path, (None, "", False))
        if now != seen:
            digest = self._weights(tower, layers).hexdigest()
            self._sound[tower.path] = (now, of or digest, digest == (of or digest))
        return self._sound[tower.path][2]

    def _below(self, tower: Tower, layers: int) -> list[tuple[str, Tensor]]:
        """The weights of the lowest ``layers`` by name."""
        return sorted((name, weight) for name, weight in self.run.model.named_parameters() if tower.lowest.get(name, layers) < layers)

    def _weights(self, tower: Tower, layers: int) -> Any:
        """A digest of the weights of the lowest ``layers``: the same for those that training holds in bfloat16, which loses nothing."""
        digest = hashlib.sha256()
        for name, weight in self._below(tower, layers):
            values = weight.detach().float() if weight.is_floating_point() else weight.detach()
            digest.update(name.encode())
            digest.update(values.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        return digest

    def _frozen_at(self, tower: Tower, clock: Clock) -> int:
        rules = self.stack.plan(self.run, clock)
        return tower.frozen(lambda name: name in rules and rules[name].learns)

    def _worth_keeping(self, tower: Tower, held: int) -> int:
        """The number of layers whose results save most: how often they will be used, less once where they are not ``held``; or 0.

        What an earlier run left in the cache plays no part: a run has the same bits with it and without.
        """
        future = self._future(tower)
        best, most = 0, 0.0
        for layers in {frozen for _, frozen in future if 0 < frozen <= self._frozen[tower.path]}:
            saved = layers * (self._passes(layers, future) - (layers != held and not self.always))
            if saved > most:
                best, most = layers, saved
        return best

    def _future(self, tower: Tower) -> list[tuple[int, int]]:
        """Steps from now to the end, and how many layers are frozen at each."""
        clock = self.run.clock
        steps = range(clock.step, clock.total, max(1, (clock.total - clock.step) // MOMENTS))
        return [(step, self._frozen_at(tower, clock.at(step))) for step in steps]

    def _passes(self, layers: int, future: Sequence[tuple[int, int]]) -> float:
        """How often the rows come while so many layers stay frozen."""
        clock = self.run.clock
        until = next((step for step, frozen in future if frozen < layers), clock.total)
        return (until - clock.step) / clock.steps_per_epoch

    def _fill(self, tower: Tower, layers: int) -> str:
        """Keep what the lowest ``layers`` give, and check that the model puts out the same with it as without; returns what to say."""
        assert self.folder is not None
        refused = ""
        try:
            self.rows.check(tower)
            states = HiddenStates(self.folder / f"{self._digest(tower, layers)}.bin")
            if distributed.first() and not states:
                self._compute(tower, layers, states)
                tidy(states.file.parent, LIMIT)
        except (NotCacheableError, OSError) as error:
            refused = str(error)
        if not distributed.any_rank(bool(refused)):  # all processes keep it, or none
            try:
                self.kept[tower.path] = (layers, states if states else HiddenStates(states.file))
                self._sound.pop(tower.path, None)
                self._check(tower)
            except NotCacheableError as error:
                refused = str(error)
        if distributed.any_rank(bool(refused)):
            self.kept.pop(tower.path, None)
            return f"trunk: the lowest {layers} layers are computed each time: {refused or 'another process cannot keep them'}"
        size, passes = self.kept[tower.path][1].size / 1e6, self._passes(layers, self._future(tower))
        instead = f" instead of {passes:.3g} times" if passes > 1 else ""
        return f"trunk: the lowest {layers} of {tower.size} layers are computed once for each row{instead}, and kept ({size:,.0f} MB)"

    def _compute(self, tower: Tower, layers: int, states: HiddenStates) -> None:
        batches = self.rows.batches
        one = self.rows.batch(batches[0][:1])
        (first, *_), parts = self._given(tower, layers, one, self.rows.told_apart(tower, one))
        needed = int(self.train.lengths.sum()) * first.shape[1] * first.element_size()
        place = next(parent for parent in states.file.parents if parent.exists())
        if needed > min(LIMIT, shutil.disk_usage(place).free / 2):
            raise NotCacheableError(f"what they give would take {needed / 1e6:,.0f} MB, too much for {place}")

        def computed() -> Iterator[tuple[list[Key], list[Tensor]]]:
            for items in waited(batches, self.run.say, f"trunk: computing the lowest {layers} layers once for each row"):
                batch = self.rows.batch(items)
                told = self.rows.told_apart(tower, batch)
                yield told[0], self._given(tower, layers, batch, told)[0]

        states.write(computed(), parts)

    def _given(self, tower: Tower, layers: int, batch: Batch, told: Told, module: nn.Module | None = None) -> tuple[list[Tensor], int]:
        """What the lowest layers give for each text of a batch, when ``module`` or what the task calls is called, and its ``parts``.

        ``told`` is what ``told_apart`` returned for the batch. The layers run in evaluation mode. Raises ``NotCacheableError`` where
        they do not give hidden states for each row.
        """
        forward = self._plain(batch) if module is None else Forward(module, self.run.device, self.run.forward.dtype)
        hidden, parts = lower(self.run.model, tower, layers, lambda: forward(batch))
        keys, texts = told
        if texts is not None and texts.shape != hidden.shape[:2]:
            raise NotCacheableError("they give another number of positions than they read")
        states = parted(hidden, texts)
        if len(states) != len(keys):
            raise NotCacheableError("its layers do not keep rows apart")
        return states, parts

    def _plain(self, batch: Batch) -> Forward:
        """The forward pass of a batch that uses nothing that is kept."""
        return self.run.task.reached(batch, Forward(self.run.model, self.run.device, self.run.forward.dtype))

    @torch.no_grad()
    def _check(self, tower: Tower) -> None:
        """Raise ``NotCacheableError`` where the model gives something else with the kept results than without.

        It is asked with the shortest and the longest row of each task, so that one of them is padded.
        """
        run = self.run
        run.model.eval()
        try:
            kept, plain = [], []
            for batch in map(self.rows.batch, self.rows.ends):
                keys, texts = self.rows.told_apart(tower, batch)
                if self.kept[tower.path][1].get(keys, remembered=False) is None:
                    raise NotCacheableError("what it reads of a row depends on the rows beside it")
                forward = self._plain(batch)
                with self.serving(forward.module, batch):
                    kept.append(_output(forward(batch), texts))
                plain.append(_output(forward(batch), texts))
        except (RuntimeError, AttributeError, TypeError, ValueError) as error:
            raise NotCacheableError(f"the model cannot begin above them ({type(error).__name__})") from error
        finally:
            self.learning_mode()
        shares = [(one - other).abs().max() / other.abs().max().clamp_min(1e-6) for one, other in zip(kept, plain, strict=True)]
        off = float(torch.stack(shares).max())
        if not off <= TOLERANCE[run.forward.dtype]:
            raise NotCacheableError(f"with what they gave the model puts out something else (off by {off:.1%})")

    def _digest(self, tower: Tower, layers: int) -> str:
        """What the kept values depend on: the rows, the weights below the frontier, the depth, the number format and what computes.

        Rows are computed in batches of like length, and the last bit of a row may depend on its batch: other rows are kept apart.
        """
        model = self.run.model
        about = (tower.path, layers, self.run.forward.dtype, torch.__version__, torch.get_num_threads(), self.run.device.type)
        digest = hashlib.sha256(repr((about, type(model).__name__, getattr(model, "config", None), formats(model))).encode())
        digest.update(self._weights(tower, layers).digest())
        digest.update(self.rows.digest(tower))
        return digest.hexdigest()[:32]


@dataclass(frozen=True)
class TrunkForward(Forward):
    """A forward pass that begins above the layers whose results are kept."""

    trunk: Trunk | None = None

    def __call__(self, batch: Batch) -> Any:
        batch = batch.to(self.device)
        with ExitStack() as entered:
            if self.trunk is not None:
                entered.enter_context(self.trunk.serving(self.module, batch))
            return super().__call__(batch)


def _output(output: Any, texts: Tensor | None) -> Tensor:
    """The first floating-point tensor that a model puts out, the loss left out; of each position, only of those that are no padding."""
    found = next(value for name, value in output.items() if isinstance(value, Tensor) and value.is_floating_point() and name != "loss")
    return found.float() if texts is None or texts.shape != found.shape[:2] else found.float()[texts >= 0]
