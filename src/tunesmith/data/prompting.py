"""Templates: how the texts of a row become the prompt that a model reads, and how a long text is cut so that the rest stays whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from string import Formatter
from typing import Any

from tunesmith.core.errors import InputError, Problem

# What goes around the source where the user gives no template: for an encoder-decoder, a decoder, a chat model.
_USUAL = {"plain": "{}", "continued": "{}\n\n{kind}:\n", "chat": "{asked}:\n\n{}"}
_ASKED = {"summary": "Summarize this text", "translation": "Translate this text", "answer": "Answer this question"}

Tokens = Callable[[Sequence[str]], list[list[int]]]  # the token ids of texts


def placeholders(template: str) -> list[str]:
    """The names in braces, each once. Raises ``InputError`` for braces that do not close, or that hold more than a name."""
    try:
        fields = [field for field in Formatter().parse(template) if field[1] is not None]
    except ValueError as error:
        raise InputError(Problem(f"The template cannot be read: {error}", "Write {{ and }} for braces in the text")) from None
    for _, name, form, conversion in fields:
        if form or conversion or not str(name).isidentifier():
            raise InputError(
                Problem(f"The template has {{{name}}}, which is no column", "Write a name in the braces, {source} for example")
            )
    return list(dict.fromkeys(str(name) for _, name, _, _ in fields))


def check_template(template: str, needed: str, others: Sequence[str]) -> None:
    """Raise ``InputError`` for a template without a place for ``needed``, or with one for what is neither that nor in ``others``."""
    names = placeholders(template)
    unknown = [f"{{{name}}}" for name in names if name not in (needed, *others)]
    known = ", ".join(f"{{{name}}}" for name in (needed, *others))
    if unknown:
        raise InputError(Problem(f"task.template has {' and '.join(unknown)}", f"Known: {known}"))
    if template and needed not in names:
        raise InputError(Problem(f"task.template does not say where the {needed} goes", f"Write {{{needed}}} in it"))


def check_columns(template: str, known: Collection[str]) -> None:
    """Raise ``InputError`` for a template with a place for what none of the ``known`` columns holds."""
    if absent := [f"{{{name}}}" for name in placeholders(template) if name not in known]:
        message = f"task.template has {' and '.join(absent)}, and no column is known as that"
        raise InputError(Problem(message, "Say which: data.columns", key="task.template"))


def usual_template(kind: str, form: str, beside: Sequence[str]) -> str:
    """The template where none is given, by what is written, by how the model reads, and by what there is beside the source.

    A model that was tuned elsewhere has seen no rows that tell its ``kind``, and is asked for an answer.
    """
    kind = kind if kind in _ASKED else "answer"
    context = "{context}\n\n" if "context" in beside else ""
    language = "{target_language}: " if "target_language" in beside else ""
    around = _USUAL[form].replace("{kind}", kind.capitalize()).replace("{asked}", _ASKED[kind])
    return around.replace("{}", f"{context}{language}{{source}}")


def prompts(template: str, rows: Sequence[Mapping[str, str]], tokens: Tokens, limit: int) -> tuple[list[list[int]], list[int]]:
    """The filled template of each row as token ids, ``limit`` at most, and how many tokens were cut.

    What is cut is the end of the longest text in it, or of several, down to one length; never the template. Raises ``InputError`` for a
    template that is too long.
    """
    found = tokens([template.format_map(row) for row in rows])
    cut = [max(0, len(ids) - limit) for ids in found]
    for i in [i for i, over in enumerate(cut) if over]:
        found[i] = _fitted(template, dict(rows[i]), tokens, limit)
    return found, cut


def _fitted(template: str, row: dict[str, str], tokens: Tokens, limit: int) -> list[int]:
    [ids] = tokens([template.format_map(row)])
    longest = sorted(placeholders(template), key=lambda name: len(row[name]), reverse=True)
    for count in range(1, len(longest) + 1):  # as few texts as will do
        names, others = longest[:count], longest[count:]
        [bare] = tokens([template.format_map(row | dict.fromkeys(names, ""))])
        kept = sum(len(row[name]) for name in names) * (limit - len(bare)) // max(1, len(ids) - len(bare)) // count
        if others and kept >= len(row[others[0]]):
            break
    if len(bare) > limit:
        raise InputError(Problem(f"The template takes {len(bare):,} tokens, and {limit:,} are allowed", "Shorten it, or allow more"))
    while len(ids) > limit:  # tokens are not equally long: once is seldom enough
        row |= {name: row[name][:kept] for name in names}
        [ids] = tokens([template.format_map(row)])
        kept = min(kept - 1, kept * (limit - len(bare)) // max(1, len(ids) - len(bare)))
    return ids


def plain(tokenizer: Any, ended: bool = False) -> Tokens:
    """Texts with the special tokens of the tokenizer: that of the end only where ``ended``, since a prompt goes on."""

    def tokens(texts: Sequence[str]) -> list[list[int]]:
        found: list[list[int]] = tokenizer(list(texts), return_attention_mask=False, verbose=False)["input_ids"]
        ends = {tokenizer.eos_token_id, tokenizer.sep_token_id} - {None}
        return found if ended else [ids[:-1] if ids and ids[-1] in ends else ids for ids in found]

    return tokens


def chatting(tokenizer: Any) -> Tokens:
    """Prompts as what a user says in the tokenizer's own chat template, up to where the assistant answers."""

    def tokens(texts: Sequence[str]) -> list[list[int]]:
        turns = [[{"role": "user", "content": text}] for text in texts]
        written = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        found: list[list[int]] = tokenizer(written, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        return found

    return tokens
