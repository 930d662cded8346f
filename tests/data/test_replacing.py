"""Which tokens are to be replaced: by tokens and draw, none of a whole text, and how often texts have each token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

import tiny
from tunesmith.data.masking import encode_masked
from tunesmith.data.replacing import UNIGRAMS, chances_of, collate_asked, read_unigrams, unigrams

TEXTS = ["the film was very good and the plot was dull", "a cat"]


def items(**features: Any) -> list[dict[str, Any]]:
    found = encode_masked(TEXTS, tiny.tokenizer(), 32, whole_words=False)
    return [{"whole": 0, **item, **features} for item in found]


def test_real_tokens_alone_are_asked_for() -> None:
    inputs, targets, tokens = collate_asked(items(), 0.5, tiny.tokenizer())
    assert tokens == int(inputs["attention_mask"].sum())
    special = torch.isin(inputs["input_ids"], torch.tensor(tiny.tokenizer().all_special_ids))
    assert torch.equal(targets["real"], ~special)
    assert not (targets["asked"] & special).any()
    assert bool(targets["asked"].any(dim=1).all())
    none = collate_asked(items(whole=1), 0.5, tiny.tokenizer())[1]
    assert not none["asked"].any()


def test_the_draw_decides_and_neighbours_do_not() -> None:
    given = items(draw=7)
    both, [first] = collate_asked(given, 0.3, tiny.tokenizer())[1], [collate_asked(given[:1], 0.3, tiny.tokenizer())[1]]
    length = given[0]["length"]
    for name, values in first.items():
        assert torch.equal(values[0], both[name][0, :length])
    other = collate_asked(items(draw=8), 0.3, tiny.tokenizer())[1]
    assert not torch.equal(both["draws"], other["draws"])


def test_a_tokenizer_that_pads_on_the_left() -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.padding_side = "left"
    inputs, targets, _ = collate_asked(items(), 0.5, tokenizer)
    assert torch.equal(targets["real"], ~torch.isin(inputs["input_ids"], torch.tensor(tokenizer.all_special_ids)))


def test_the_share_that_is_asked_for() -> None:
    asked = sum(int(collate_asked(items(draw=draw)[:1], 0.3, tiny.tokenizer())[1]["asked"].sum()) for draw in range(300))
    assert 0.27 < asked / (300 * 10) < 0.34  # one at least


def test_frequencies_of_tokens(tmp_path: Path) -> None:
    tokenizer = tiny.tokenizer()
    counts = unigrams(["a good film", "a unheard film"], tokenizer)
    assert {tokenizer.convert_ids_to_tokens(int(token)): number for token, number in counts.items()} == {"a": 2, "good": 1, "film": 2}
    (tmp_path / UNIGRAMS).write_text(json.dumps(counts))
    assert read_unigrams(str(tmp_path)) == counts
    assert read_unigrams(str(tmp_path / "elsewhere")) == read_unigrams("") == {}
    chances = chances_of(counts, tokenizer)
    assert chances.shape == (1, len(tokenizer))
    assert float(chances.sum()) == 5
    even = chances_of({}, tokenizer)
    assert float(even.sum()) == len(tokenizer) - len(tokenizer.all_special_ids)
    assert not even[0, tokenizer.all_special_ids].any()
