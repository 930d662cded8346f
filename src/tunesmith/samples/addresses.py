"""Addresses of the United States, each word with its part (usaddress)."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tunesmith.samples.archive import Archive
from tunesmith.samples.split import Row, Splits, digest, plain, split

LABELLED = ("labeled", "us50_messiest_manual_label", "us50_train_tagged", "multi_word_state_addresses")
SYNTHETIC = 4000  # made-up addresses, for training only


def addresses(package: Path) -> Splits:
    """Hand-labelled addresses, a quarter for testing; ``train`` has synthetic ones besides."""
    with Archive(package) as archive:
        real = {row["group"]: row for name in LABELLED for row in _rows(archive, name, "hand")}
        made = {row["group"]: row for row in _rows(archive, "synthetic_osm_data_xml", "synthetic") if row["group"] not in real}
    splits = split("ner_address", real.values(), test=0.25)
    chosen = sorted(made, key=lambda text: digest("order-v1", text))[:SYNTHETIC]
    splits["train"] += split("ner_address", (made[text] for text in chosen), validation=0, test=0)["train"]
    learnt = {tag for row in splits["train"] for tag in row["tags"]}  # a slip of the pen is a tag of its own
    return {name: [row for row in rows if learnt.issuperset(row["tags"])] for name, rows in splits.items()}


def _rows(archive: Archive, name: str, source: str) -> Iterator[Row]:
    """One row an address. The files look like XML, but not all of them are: they are read by pattern."""
    for address in re.findall(r"<AddressString>(.*?)</AddressString>", archive.text(f"training/{name}.xml"), re.DOTALL):
        words = [(word, part) for part, text in re.findall(r"<(\w+)>([^<]*)</\1>", address) for word in html.unescape(text).split()]
        if words:
            tokens = [word for word, _ in words]
            yield {"tokens": tokens, "tags": _spans([part for _, part in words]), "source": source, "group": plain(" ".join(tokens))}


def _spans(parts: list[str]) -> list[str]:
    """Tags that say where a span begins and where it goes on (BIO); equal neighbours are one span."""
    return ["O" if part == "Null" else f"{'I' if part == before else 'B'}-{part}" for before, part in pairwise(["", *parts])]
