"""Soft prompts: learned tokens before a text, where a model takes them, and how they start."""

from __future__ import annotations

from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.run import Run, seed_of
from tunesmith.model.domains import judging

# How peft calls what a model is for, by the end of the name of its class.
KINDS = {
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    "ForMaskedLM": "FEATURE_EXTRACTION",  # peft has no name of its own for it
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "Model": "FEATURE_EXTRACTION",
}
ROWS = 64  # of the training data, whose words soft prompts start as


def virtual_tokens(model: nn.Module, count: int) -> dict[str, Any]:
    """What every configuration of peft with learned tokens is told: how many, how wide, and what the model is for."""
    config: Any = model.config
    embeddings = getattr(model, "get_input_embeddings", lambda: None)()
    kind = kind_of(model)
    if kind is None or embeddings is None:
        raise InputError(Problem(f"learned tokens cannot be put before the text of {type(model).__name__}", "Use lora"))
    text = config.get_text_config()
    return {
        "task_type": kind,
        "num_virtual_tokens": count,
        "token_dim": embeddings.weight.shape[1],
        "num_transformer_submodules": 2 if kind == "SEQ_2_SEQ_LM" else 1,
        "num_attention_heads": text.num_attention_heads,
        "num_layers": text.num_hidden_layers,
    }


def laid_out(model: nn.Module) -> dict[str, int]:
    """What peft is told of a prefix: how many layers have one, its heads, and how wide these are together; a decoder's, if there is one.

    Raises ``InputError`` for a model whose layers would not attend to it.
    """
    if "past_key_values" not in signature(getattr(model, "base_model", model).forward).parameters:
        raise InputError(Problem(f"the layers of {type(model).__name__} attend to the keys and values of the text alone", "Use lora"))
    config: Any = model.config.get_text_config()  # type: ignore[union-attr, operator]

    def of(*names: str) -> Any:
        return next((found for name in names if (found := getattr(config, name, None))), None)

    heads = of("decoder_attention_heads", "num_attention_heads")
    return {
        "num_layers": of("num_decoder_layers", "decoder_layers", "num_hidden_layers"),
        "num_attention_heads": heads,
        "token_dim": heads * (of("d_kv", "head_dim") or config.hidden_size // heads),
    }


def read_after(adapted: nn.Module) -> nn.Module:
    """Let a model that answers for each position leave out those of the learned tokens before the text.

    One for whose work peft has no name of its own gets no token types: peft would drop them, too, and warn each time.
    """
    kind = kind_of(adapted.get_base_model())  # type: ignore[operator]
    if kind in ("TOKEN_CLS", "QUESTION_ANS"):
        adapted.register_forward_hook(_of_the_text, with_kwargs=True)
    if kind == "FEATURE_EXTRACTION":
        adapted.register_forward_pre_hook(_without_types, with_kwargs=True)
    return adapted


def _without_types(adapted: nn.Module, given: Any, inputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    return given, {name: value for name, value in inputs.items() if name != "token_type_ids"}


def _of_the_text(adapted: nn.Module, given: Any, inputs: dict[str, Any], output: Any) -> Any:
    length = inputs["input_ids"].shape[1]
    for name in ("logits", "start_logits", "end_logits"):
        if name in output:
            output[name] = output[name][:, -length:]
    return output


def room_for(count: int, run: Run) -> None:
    """Raise ``InputError`` where a text with ``count`` learned tokens before it is longer than the model's positions."""
    config: Any = run.model.config
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    longest = max(_lengths(run), default=0)
    if positions and longest + count > positions:
        remedy = f"Give task.max_length: {positions - count} or less, or fewer tokens" if positions > count else "Give fewer tokens"
        raise InputError(Problem(f"{count} learned tokens and {longest} of the longest text are more than {positions} positions", remedy))


def _lengths(run: Run) -> list[int]:
    """The positions of each training item; encoded ones tell them all at once."""
    known = getattr(run.train, "lengths", None)
    return [item["length"] for item in run.train] if known is None else list(map(int, known))


def tried(run: Run, name: str) -> None:
    """Call the adapted model once. Raises ``InputError`` where its family cannot do what the adapter asks of it.

    Nor can any where texts share a row of a batch: learned tokens before the row would stand before the first of them alone. Where no
    setting of the task says so, they do not share any from now on.
    """
    if not run.train:
        return
    lengths = _lengths(run)
    by_length = sorted(range(len(lengths)), key=lengths.__getitem__)
    together = run.task.collate([run.train[item] for item in {*by_length[:2], by_length[-1]}], run.tokenizer)
    mask = together.inputs.get("attention_mask")
    if mask is not None and mask.dim() > 2 and "pack" not in run.task.settings():
        run.task.unpack()
    elif mask is not None and mask.dim() > 2:
        raise InputError(Problem(f"{name} puts tokens before a row of the batch, and several texts share one", "Set task.pack to false"))
    try:
        with torch.no_grad():
            run.forward(run.task.collate([run.train[0]], run.tokenizer))
    except (ValueError, RuntimeError, NotImplementedError, TypeError, LookupError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0]
        model = getattr(run.model, "base_model", run.model)
        raise InputError(Problem(f"{name} does not work with {type(model).__name__} ({reason})", "Use lora")) from error


def kind_of(model: nn.Module) -> str | None:
    """What peft calls the work of a model; None where it has no name for it."""
    name = type(model).__name__
    return next((kind for ending, kind in KINDS.items() if name.endswith(ending)), None)


def encoder_of(model: nn.Module) -> Any:
    """The part that holds, or makes, the learned tokens."""
    return next(part for name, part in model.named_modules() if name.endswith("prompt_encoder.default"))


def words_of(run: Run, count: int) -> Tensor:
    """Which tokens soft prompts start as, (count,): what all rows begin with, then words of the training rows, drawn by chance.

    A classifier that reads the first position so finds there what it found before.
    """
    rows = [run.train[place] for place in range(0, len(run.train), max(1, len(run.train) // ROWS))][:ROWS]
    batch = run.task.collate(rows, run.tokenizer).inputs
    ids, mask = batch["input_ids"], batch.get("attention_mask")
    there = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
    own = [row[kept] for row, kept in zip(ids, there, strict=True)]
    firsts = {int(row[0]) for row in own}
    marks = torch.tensor(run.tokenizer.all_special_ids)
    words = torch.cat(own)
    words = words if torch.isin(words, marks).all() else words[~torch.isin(words, marks)]
    chance = torch.Generator().manual_seed(seed_of(run.seed, "soft prompts"))
    drawn = words[torch.randint(len(words), (count,), generator=chance)]
    return torch.tensor([*firsts, *drawn[1:].tolist()]) if len(firsts) == 1 else drawn


@torch.no_grad()
def vectors_of(run: Run, count: int) -> Tensor:
    """The embeddings of those tokens: (vectors, width), ``count`` for each half of an encoder-decoder."""
    vectors: Tensor = run.model.get_input_embeddings()(words_of(run, count).to(run.device))  # type: ignore[operator]
    return vectors.repeat(encoder_of(run.model).embedding.num_embeddings // count, 1)


@torch.no_grad()
def make(encoder: nn.Module, vectors: Tensor) -> None:
    """Set the last layer of a prompt encoder so that the encoder makes ``vectors``, (tokens, width), as nearly as it can."""
    last: Any = [part for part in encoder.modules() if isinstance(part, nn.Linear)][-1]
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    encoder(torch.arange(len(vectors), device=vectors.device))
    hook.remove()
    inputs = torch.cat([seen[0].double(), seen[0].new_ones(len(vectors), 1).double()], dim=1)
    found = torch.linalg.lstsq(inputs.cpu(), vectors.double().cpu(), driver="gelsd").solution.to(last.weight)  # (hidden + 1, width)
    last.weight.copy_(found[:-1].T)
    last.bias.copy_(found[-1])


@torch.no_grad()
def keys_and_values(model: nn.Module, ids: Tensor) -> Tensor:
    """What every layer of a model without an adapter keeps of a text: (tokens, layers * 2 * heads * size), as peft lays prefixes out."""
    from transformers import DynamicCache

    cache, device = DynamicCache(), next(model.parameters()).device
    with judging(model):
        model(input_ids=ids[None].to(device), attention_mask=torch.ones_like(ids)[None].to(device), past_key_values=cache)
    kept = torch.stack([tensor[0] for layer in cache.layers for tensor in (layer.keys, layer.values)])  # (layers * 2, heads, tokens, size)
    return kept.permute(2, 0, 1, 3).reshape(len(ids), -1)
