"""Addresses tagged word by word, read from a package of a few."""

from __future__ import annotations

from samples.packs import Pack, everything
from tunesmith.samples import addresses
from tunesmith.samples.split import plain


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
