"""Generation: a typed door to the ``generate`` of transformers, whose answers do not depend on the batch that they were made in."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tunesmith.core.errors import InputError, Problem
from tunesmith.core.forward import Forward
from tunesmith.model.adapters import is_adapted
from tunesmith.model.attention import plain_attention
from tunesmith.model.decoding import GREEDY, Decoding
from tunesmith.model.tokenizer import positions_of

POSITIONS = 8192  # positions in one batch with what is written, beams counted: bounds the memory of keys and values
UNLIMITED = 1 << 30
# What a generation configuration says about the model rather than about the way of decoding.
_OF_THE_MODEL = frozenset(
    {"pad_token_id", "bos_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_decoder_ids"}
    | {"suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "is_assistant", "transformers_version"}
)


def generate(
    module: nn.Module,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding = GREEDY,
    rows: Sequence[int] | None = None,
    positions: int = POSITIONS,
    streamer: Any = None,
) -> list[list[int]]:
    """What the model writes to each prompt, in their order: token ids, the last of which is an end token unless the text was cut.

    ``prompts`` are token ids: the beginnings of texts for a decoder, the sources for an encoder-decoder, special tokens included.
    Those of like length go through the model together, up to ``positions`` positions with what is written. In float32 the answers
    are those that each prompt alone would have got, drawn ones too: row ``rows[i]``, by default i, has random numbers of its own.

    The model is in evaluation mode meanwhile. Works inside autocast; an adapter acts. ``streamer`` is one of transformers. Raises
    ``InputError`` for a prompt that leaves no room for an answer.
    """
    rows = range(len(prompts)) if rows is None else rows
    is_pair = bool(_whole(module).config.is_encoder_decoder)
    learned, apart = _learned_tokens(module)
    room = (positions_of(_whole(module)) or UNLIMITED) - (is_pair or learned)  # a decoder of its own begins with its start token
    limits = [min(decoding.max_new_tokens, room if is_pair else room - len(prompt)) for prompt in prompts]
    if min(limits, default=1) < 1:
        longest = max(map(len, prompts))
        raise InputError(Problem(f"A prompt of {longest:,} tokens leaves no room: the model takes {room:,}", "Shorten it"))
    device = next(module.parameters()).device
    found: list[list[int]] = [[] for _ in prompts]
    for batch in _batches([len(prompt) for prompt in prompts], limits, positions // decoding.num_beams, apart and not is_pair):
        inputs = _padded([prompts[i] for i in batch], tokenizer.pad_token_id, left=not is_pair)
        there: dict[str, Any] = {name: tensor.to(device) for name, tensor in inputs.items()}
        with _evaluating(module), plain_attention(module):
            if decoding.num_beams == 1:
                there |= _begun(module, there, limits[batch[0]])
            answers = respond(module, tokenizer, there, decoding, [rows[i] for i in batch], limits[batch[0]], streamer)
        for i, answer in zip(batch, answers, strict=True):
            found[i] = answer
    return found


def respond(
    module: nn.Module,
    tokenizer: Any,
    inputs: Mapping[str, Tensor],
    decoding: Decoding,
    rows: Sequence[int],
    limit: int | None = None,
    streamer: Any = None,
) -> list[list[int]]:
    """What the model writes to one batch of inputs, of any kind, images or sound among them; see ``generate`` for what is returned.

    ``inputs`` are the keywords of the model's ``generate``, on its device; texts for a decoder are padded on the left. At most
    ``limit`` tokens are written, by default ``decoding.max_new_tokens``. ``streamer`` is one of transformers.
    """
    from tunesmith.model.choosing import processors, stopping

    limit = decoding.max_new_tokens if limit is None else limit
    whole = _whole(module)
    written_from = 1 if whole.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    config = _configuration(whole, tokenizer, decoding, limit)
    with _evaluating(module), _configured(module, config), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Position ids are not supported")  # peft: behind learned tokens the model counts them itself
        ids = module.generate(  # type: ignore[operator]
            **inputs,
            **_cache(whole),
            generation_config=config,
            logits_processor=processors(decoding, rows, written_from, limit),
            stopping_criteria=stopping(tokenizer, decoding.stop, written_from),
            streamer=streamer,
        )
    return [trimmed(row, set(config.eos_token_id), config.pad_token_id) for row in ids[:, written_from:].tolist()]


def texts(tokenizer: Any, answers: Sequence[Sequence[int]], stop: Sequence[str] = ()) -> list[str]:
    """Answers of ``generate`` as texts, without special tokens, each up to the first of the ``stop`` texts in it."""
    return [before(text, stop) for text in tokenizer.batch_decode([list(ids) for ids in answers], skip_special_tokens=True)]


def replies(forward: Forward, tokenizer: Any, prompts: Sequence[Sequence[int]], decoding: Decoding = GREEDY) -> dict[int, str]:
    """What the model writes to each prompt that is not empty, as a text without blanks around it, by the place of the prompt."""
    asked = {place: prompt for place, prompt in enumerate(prompts) if prompt}
    if not asked:
        return {}
    with forward.precision():
        answers = generate(forward.module, tokenizer, list(asked.values()), decoding)
    return {place: text.strip() for place, text in zip(asked, texts(tokenizer, answers, decoding.stop), strict=True)}


def before(text: str, stop: Sequence[str]) -> str:
    """A text up to the first of the ``stop`` texts in it."""
    return text[: min((place for one in stop if (place := text.find(one)) >= 0), default=len(text))]


def trimmed(ids: list[int], ends: set[int], pad: int | None) -> list[int]:
    """Token ids up to the first end token, which stays, or without the padding at their end."""
    for place, token in enumerate(ids):
        if token in ends:
            return ids[: place + 1]
    length = len(ids)
    while length and ids[length - 1] == pad:
        length -= 1
    return ids[:length]


def _batches(lengths: Sequence[int], limits: Sequence[int], positions: int, equal: bool = False) -> Iterator[list[int]]:
    """Prompts that go through the model together: of like length, or of ``equal`` length, longest first, with room for as long answers.

    A row that is done must not stand beside one that goes on: it would run out of positions.
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        other = batch and (limits[i] != limits[batch[0]] or (equal and lengths[i] != lengths[batch[0]]))
        if batch and (other or (len(batch) + 1) * (lengths[batch[0]] + limits[i]) > positions):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _padded(prompts: Sequence[Sequence[int]], pad: int, left: bool) -> dict[str, Tensor]:
    """Prompts as ``input_ids`` and ``attention_mask``, each (batch, length)."""
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        place = slice(longest - len(prompt), None) if left else slice(0, len(prompt))
        ids[row, place], mask[row, place] = torch.tensor(prompt), 1
    return {"input_ids": ids, "attention_mask": mask}


def _begun(module: nn.Module, inputs: Mapping[str, Tensor], limit: int) -> dict[str, Any]:
    """The cache of keys and values that is written into, where the family has a plain one."""
    from tunesmith.model.past import past

    cache = past(module, inputs["input_ids"], inputs["attention_mask"], limit)
    return {} if cache is None else {"past_key_values": cache}


def _whole(module: Any) -> Any:
    """The model of transformers inside an adapter."""
    return getattr(module, "get_base_model", lambda: module)()


def _learned_tokens(module: Any) -> tuple[int, bool]:
    """How many learned tokens an adapter puts before the text, and whether padding must not stand between: the model counts over all."""
    config: Any = module.active_peft_config if is_adapted(module) else None
    if config is None or not config.is_prompt_learning:
        return 0, False
    return config.num_virtual_tokens, config.peft_type.value != "PREFIX_TUNING"


def _configuration(whole: Any, tokenizer: Any, decoding: Decoding, limit: int) -> Any:
    """A generation configuration that says nothing about decoding but what ``decoding`` does."""
    from transformers import GenerationConfig

    config, plain = copy.deepcopy(whole.generation_config), GenerationConfig()
    for name in vars(config):
        if name in vars(plain) and name not in _OF_THE_MODEL:
            setattr(config, name, getattr(plain, name))
    said = [whole.generation_config.eos_token_id, tokenizer.eos_token_id]
    ends = {end for one in said if one is not None for end in (one if isinstance(one, list) else [one])}
    named = tokenizer.get_added_vocab()
    config.eos_token_id = sorted(ends | {named[text] for text in decoding.stop if text in named})
    config.pad_token_id = tokenizer.pad_token_id
    config.max_new_tokens, config.num_beams, config.use_cache = limit, decoding.num_beams, True
    config.length_penalty = decoding.length_penalty if decoding.num_beams > 1 else None
    return config


def _cache(whole: Any) -> dict[str, Any]:
    """An empty cache for T5, where ``generate`` makes one with as many layers as the encoder has: the decoder may have more."""
    from transformers import DynamicCache, EncoderDecoderCache

    return {"past_key_values": EncoderDecoderCache(DynamicCache(), DynamicCache())} if hasattr(whole.config, "num_decoder_layers") else {}


@contextmanager
def _configured(module: nn.Module, config: Any) -> Iterator[None]:
    """``config`` in the place of every generation configuration in the module: whatever it leaves open is taken from there."""
    before = {part: part.generation_config for part in module.modules() if "generation_config" in vars(part)}
    try:
        for part in before:
            part.generation_config = config
        yield
    finally:
        for part, own in before.items():
            part.generation_config = own


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """The module without dropout."""
    training = [part for part in module.modules() if part.training]
    try:
        module.eval()
        yield
    finally:
        for part in training:
            part.training = True
