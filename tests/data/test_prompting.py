"""Templates: what is filled in, what is cut, and what is refused."""

from __future__ import annotations

import pytest

import tiny
from tunesmith.core.errors import InputError
from tunesmith.data.prompting import chatting, check_columns, check_template, placeholders, plain, prompts, usual_template

CHAT = "{% for m in messages %}yes {{ m.content }} {% endfor %}{% if add_generation_prompt %}like{% endif %}"


def test_placeholders() -> None:
    assert placeholders("{source} in {target_language}: {source}") == ["source", "target_language"]
    assert placeholders("no {{braces}}") == []


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("summarize:", "does not say where the source goes. Write {source} in it"),
        ("{sorce}", "has {sorce}. Known: {source}, {context}"),
        ("{source", "cannot be read: expected '}' before end of string. Write {{ and }} for braces"),
        ("{source:>9}", "has {source}, which is no column"),
        ("{0}", "has {0}, which is no column"),
    ],
)
def test_mistakes_are_named(template: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        check_template(template, "source", ["context"])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_template_is_fine() -> None:
    check_template("", "source", [])


@pytest.mark.parametrize(
    ("kind", "form", "beside", "found"),
    [
        ("summary", "plain", [], "{source}"),
        ("summary", "continued", [], "{source}\n\nSummary:\n"),
        ("translation", "chat", ["target_language"], "Translate this text:\n\n{target_language}: {source}"),
        ("answer", "plain", ["context"], "{context}\n\n{source}"),
    ],
)
def test_the_usual_template(kind: str, form: str, beside: list[str], found: str) -> None:
    assert usual_template(kind, form, beside) == found


def test_of_what_is_not_known_an_answer_is_asked() -> None:
    assert usual_template("auto", "plain", []) == "{source}"
    assert usual_template("auto", "chat", []) == usual_template("answer", "chat", [])


def test_a_template_without_its_column_is_refused() -> None:
    check_columns("{source}", ["source"])
    with pytest.raises(InputError, match=r"task.template has \{context\}, and no column is known as that"):
        check_columns("{context} {source}", ["source"])


def test_the_end_of_the_longest_text_is_cut_and_never_the_template() -> None:
    tokenizer = tiny.tokenizer()
    rows = [{"context": "the music was good " * 5, "source": "a cat ?"}, {"context": "yes", "source": "no"}]
    found, cut = prompts("{context} . {source} yes !", rows, plain(tokenizer), 14)
    assert [len(ids) for ids in found] == [14, 6]
    assert cut == [13, 0]
    assert tokenizer.decode(found[0]) == "[CLS] the music was good the music was . a cat ? yes !"


def test_several_long_texts_are_cut_to_one_length() -> None:
    tokenizer = tiny.tokenizer()
    rows = [{"context": "the music was good " * 150, "source": "a cat like no film " * 120, "target_language": "yes"}]
    ([ids], [cut]) = prompts("{target_language} : {context}\n\n{source}", rows, plain(tokenizer), 512)
    (whole,) = plain(tokenizer)(["{target_language} : {context}\n\n{source}".format_map(rows[0])])
    assert 508 <= len(ids) <= 512
    assert cut == len(whole) - 512
    words = tokenizer.decode(ids).split()
    assert words[1] == "yes"
    assert min(words.count("music"), words.count("film")) > 40
    with pytest.raises(InputError, match="The template takes 3 tokens, and 2 are allowed"):
        prompts("{context} good {source} !", rows, plain(tokenizer), 2)


def test_a_template_that_is_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="The template takes 5 tokens, and 4 are allowed"):
        prompts("the {source} was very good", [{"source": "cat cat cat"}], plain(tiny.tokenizer()), 4)


def test_a_prompt_does_not_end_where_it_goes_on() -> None:
    tokenizer = tiny.tokenizer()
    assert plain(tokenizer)(["good"])[0][-1] != tiny.SEP
    assert plain(tokenizer, ended=True)(["good"])[0][-1] == tiny.SEP


def test_a_chat_template_goes_around_it() -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = CHAT
    assert tokenizer.decode(chatting(tokenizer)(["good film"])[0]) == "yes good film like"
