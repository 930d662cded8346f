"""The table of rules: it is whole and honest, and what it chooses is sound, repeats, and keeps within limits."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from tunesmith.recipes.advise import TIGHTEST, Advice, Rule, Situation, advise, advise_within, exceeded, holds, rules
from tunesmith.recipes.auto import ADVISED
from tunesmith.recipes.cost import Work, memory
from tunesmith.recipes.find import names
from tunesmith.recipes.recipe import recipe_from

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "README.md"
SMALL = Situation("text_classification", "encoder", 22_700_000, rows=150, validation=30)
WORK = Work(22_700_000, 11_000_000, 6, 384, rows=150, tokens=40, longest=128)


def chosen(advice: Advice) -> list[str]:
    return [next(iter(strategy)) for strategy in advice.strategies]


def situations() -> Iterator[Situation]:
    """A grid of what may come."""
    for task, model in itertools.product(("text_classification", "embedding", "chat"), ("encoder", "decoder", "encoder_decoder")):
        for parameters, rows in itertools.product((2e7, 2e8, 5e9), (50, 500, 5_000, 20_000, 200_000)):
            for tight_memory, tight_time in itertools.product(range(5), range(4)):
                small = Situation(task, model, int(parameters), rows, validation=50, imbalance=rows % 30)
                yield replace(small, head=task != "chat", tight_memory=tight_memory, tight_time=tight_time)


def test_every_rule_can_be_read() -> None:
    known = {field.name for field in fields(Situation)}
    for rule in rules():
        assert set(rule.when) <= known, rule.rule
        assert set(rule.training) <= set(ADVISED), rule.rule
        assert set(rule.cost) <= {"gradients", "learns", "passes"}
        assert {next(iter(strategy)) for strategy in rule.strategies} <= set(names("strategies"))
        assert rule.why
        assert rule.source
        recipe_from({"model": "m", "task": "text_classification", "data": {"train": "x"}, "strategies": rule.strategies})


def test_every_topic_stands_in_one_place() -> None:
    topics = [topic for topic, _ in itertools.groupby(rule.topic for rule in rules())]
    assert len(topics) == len(set(topics))


def unproven(rule: Rule, text: str) -> list[str]:
    """The figures of a measurement that its section of the benchmarks does not have."""
    section = re.search(rf"^## {rule.section}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    figures = re.findall(r"\d+(?:\.\d+)?(?:%| s)", rule.measured or "")
    return [figure for figure in figures if section is None or figure not in section[1]] or ([] if figures else ["no figure"])


def test_what_is_said_to_be_measured_stands_in_the_benchmarks() -> None:
    text = BENCHMARKS.read_text(encoding="utf-8")
    measured = [rule for rule in rules() if rule.measured]
    assert measured
    assert {rule.rule: unproven(rule, text) for rule in measured if unproven(rule, text)} == {}
    assert unproven(replace(measured[0], measured="it reached 99.9%"), text) == ["99.9%"]
    assert unproven(replace(measured[0], section="No such thing"), text)


def test_every_rule_is_taken_somewhere() -> None:
    odd = [
        replace(SMALL, adapter=True),
        replace(SMALL, rows=20_000, task="embedding"),
        replace(SMALL, reads="text", parameters=300_000_000),
        replace(SMALL, tight_memory=1),
        *(replace(SMALL, sentences=True, shots=8, rows=rows) for rows in (16, 60)),
        replace(SMALL, sentences=True, shots=64),
        *(replace(SMALL, sentences=True, shots=shots, classes=20) for shots in (2, 8, 20)),
        replace(SMALL, sentences=True, shots=2),
        *(replace(SMALL, sentences=True, means=True, shots=8, classes=20, parameters=size) for size in (22_700_000, 118_000_000)),
        replace(SMALL, sentences=True, shots=50, rows=1000),
        replace(SMALL, sentences=True, shots=2000, rows=4000),
        replace(SMALL, sentences=True, shots=500, rows=1000, parameters=118_000_000),
        replace(SMALL, task="token_classification", rows=500),
    ]
    taken = {(d.topic, d.why, d.source) for situation in (*situations(), *odd) for d in advise(situation).decisions}
    assert [rule.rule for rule in rules() if (rule.topic, rule.why, rule.source) not in taken] == []


def test_the_advice_is_a_function_of_the_situation() -> None:
    for situation in itertools.islice(situations(), 0, None, 50):
        assert advise(situation) == advise(situation)


def test_few_rows() -> None:
    advice = advise(SMALL)
    assert chosen(advice) == ["clip", "r_drop", "early_stop"]
    assert advice.training == {"epochs": 20, "warmup": "10%", "learning_rate": 1e-4, "head_rate": 1e-3}
    larger = advise(replace(SMALL, parameters=110_000_000))
    assert chosen(larger) == ["clip", "layer_rates", "r_drop", "early_stop"]
    assert larger.training["learning_rate"] == 2e-5
    assert "early_stop" not in chosen(advise(replace(SMALL, validation=0)))
    assert "r_drop" not in chosen(advise(replace(SMALL, dropout=False)))
    assert "l2sp" in chosen(advise(replace(SMALL, dropout=False)))


def test_few_shots_of_many_classes_are_learned_by_their_labels_in_a_part_of_the_layers() -> None:
    many = replace(SMALL, sentences=True, means=True, rows=400, shots=20.0, classes=20)
    for advice, epochs, reading in ((advise(many), 12, ["mean_pooling"]), (advise(replace(many, rows=64, shots=3.2)), 20, [])):
        assert chosen(advice) == ["clip", *reading, "freeze"]
        assert advice.training == {"epochs": epochs, "warmup": "10%", "learning_rate": 1e-4, "head_rate": 1e-3, "ship": "last"}
    assert chosen(advise(replace(many, classes=3))) == ["clip", "few_shot"]
    assert "mean_pooling" in chosen(advise(replace(many, rows=1000, shots=50.0)))
    assert "mean_pooling" not in chosen(advise(replace(many, rows=4000, shots=200.0)))
    assert "few_shot" in chosen(advise(replace(many, parameters=118_000_000)))


def test_some_shots_of_each_class_are_learned_from_in_pairs_and_the_last_layer_is_solved_for() -> None:
    some = replace(SMALL, sentences=True, means=True, rows=160, shots=8.0, classes=20)
    for situation in (some, replace(some, rows=16, classes=2), replace(some, parameters=118_000_000)):
        assert chosen(advise(situation)) == ["clip", "mean_pooling", "few_shot", "last_layer"]
    assert chosen(advise(replace(some, means=False))) == ["clip", "freeze"], "alone it was worse than plain tuning"
    assert chosen(advise(replace(some, means=False, rows=16, classes=2))) == ["clip", "few_shot"]
    assert [(advise(some).training[key]) for key in ("epochs", "learning_rate")] == [15, 3e-5]
    assert advise(replace(some, rows=32, classes=4)).training["learning_rate"] == 1e-4
    assert chosen(advise(replace(some, rows=6, shots=3.0, classes=2))) == ["clip", "few_shot"]


def test_few_shots_of_each_class_are_learned_from_in_pairs() -> None:
    advice = advise(replace(SMALL, rows=16, shots=8.0))
    assert chosen(advice) == ["clip", "few_shot"]
    assert advice.training == {"epochs": 40, "warmup": "10%", "learning_rate": 1e-4, "head_rate": 1e-3, "ship": "last"}
    said = "\n".join(map(str, advice.decisions))
    assert "few rows: few_shot (shots 8 < 100, rows 16 < 1000)" in said
    assert "SetFit, section 4" in said
    assert "predict MODEL FILE --labels" in "\n".join(map(str, advise(replace(SMALL, rows=6, shots=3.0)).decisions))
    assert advise(replace(SMALL, rows=128, shots=64.0)).training["epochs"] == 12
    assert [advise(replace(SMALL, rows=8 * classes, shots=8.0)).training["epochs"] for classes in (2, 4, 8, 20)] == [40, 40, 20, 12]
    for other in ({"shots": 100.0}, {"rows": 1000}, {"tight_time": 1}, {"tight_memory": 2}):
        assert "few_shot" not in chosen(advise(replace(SMALL, **{"rows": 16, "shots": 8.0, **other})))  # type: ignore[arg-type]


def test_the_head_of_a_large_model_of_means_reads_the_mean_where_shots_are_few() -> None:
    large = replace(SMALL, sentences=True, means=True, rows=16, shots=8.0, parameters=118_000_000)
    assert chosen(advise(large)) == ["clip", "mean_pooling", "few_shot", "last_layer"]
    assert chosen(advise(replace(large, shots=50.0))) == ["clip", "mean_pooling", "few_shot"]
    assert advise(large).training["learning_rate"] == 2e-5
    assert "mean_pooling" not in chosen(advise(replace(large, means=False)))
    assert "mean_pooling" not in chosen(advise(replace(large, parameters=22_700_000, shots=50.0)))


def test_lower_layers_of_a_model_of_sentences_freeze_where_rows_are_many() -> None:
    topics = replace(SMALL, sentences=True, rows=1000, shots=50)
    assert chosen(advise(topics)) == ["clip", "freeze", "early_stop"]
    assert advise(topics).strategies[1] == {"freeze": {"fraction": 0.67}}
    assert advise(topics).training == {"epochs": 8, "learning_rate": 1e-4, "head_rate": 1e-3}
    reviews = advise(replace(topics, rows=4000, shots=2000))
    assert chosen(reviews) == ["clip"]
    more = advise(replace(topics, rows=11_155, shots=5500))
    assert more.strategies[1] == {"freeze": {"fraction": 0.33}}
    assert reviews.training == {"epochs": 2, "learning_rate": 2e-4, "head_rate": 1e-3}
    assert "freeze" not in chosen(advise(replace(SMALL, rows=4000)))
    large = advise(replace(topics, parameters=118_000_000))
    assert chosen(large) == ["clip", "freeze", "layer_rates"]
    assert large.training == {"epochs": 4, "head_rate": 1e-3}


def test_the_top_layer_of_a_small_encoder_starts_anew_for_tags() -> None:
    tags = replace(SMALL, task="token_classification", rows=500)
    assert chosen(advise(tags))[:2] == ["clip", "re_init"]
    for other in ({"rows": 100}, {"tight_time": 2}, {"tight_memory": 3}, {"parameters": 110_000_000}, {"task": "text_classification"}):
        assert "re_init" not in chosen(advise(replace(tags, **other)))  # type: ignore[arg-type]


def test_enough_rows_and_a_small_encoder() -> None:
    advice = advise(replace(SMALL, rows=20_000, validation=2_000))
    assert chosen(advice) == ["clip"]
    assert advice.training == {"epochs": 3, "learning_rate": 1e-4, "head_rate": 1e-3}
    assert "head_rate" not in advise(replace(SMALL, rows=20_000, new_head=False)).training


@pytest.mark.parametrize(("rows", "rank"), [(500, 8), (50_000, 16)])
def test_a_large_decoder_gets_low_ranks_by_its_rows(rows: int, rank: int) -> None:
    advice = advise(Situation("chat", "decoder", 7_000_000_000, rows, head=False))
    assert advice.strategies[1] == {"lora": {"rank": rank, "alpha": 2 * rank}}
    assert advice.training["learning_rate"] == 2e-4


def test_a_small_decoder_learns_as_a_whole() -> None:
    assert chosen(advise(Situation("chat", "decoder", 135_000_000, 20_000, head=False))) == ["clip"]


def test_rare_classes_weigh_more() -> None:
    assert "class_balanced" in chosen(advise(replace(SMALL, imbalance=12)))
    assert "class_balanced" not in chosen(advise(replace(SMALL, imbalance=9)))


def test_what_the_recipe_gives_is_kept_and_counts() -> None:
    large = replace(SMALL, rows=20_000, validation=2_000)
    advice = advise(replace(large, epochs=30), ("epochs", "learning_rate", "head_rate"))
    assert advice.training == {}
    assert chosen(advice)[-1] == "early_stop"  # 30 epochs are long
    assert "training.epochs stays as the recipe has it" in "\n".join(map(str, advice.decisions))


def test_a_decision_says_its_facts_its_reason_and_its_source() -> None:
    said = "\n".join(map(str, advise(SMALL).decisions))
    assert "length: training.epochs 20 (rows 150 < 200): what counts is the number of updates" in said
    assert "Mosbach et al. 2021, section 6; Zhang et al. 2021" in said
    assert said.count("not measured here") == sum(decision.measured is None for decision in advise(SMALL).decisions) > 0
    assert "measured here: an epoch took 63 s for 86.4%" in str(advise(replace(SMALL, tight_time=1)).decisions[1])


@pytest.mark.parametrize(
    ("fact", "asked", "fits"),
    [
        *[(5, "< 5", False), (4, "< 5", True), (5, ">= 5", True), (2e9, ">= 1e9", True), (True, True, True), (False, True, False)],
        *[("chat", "chat", True), ("chat", ["a", "chat"], True), ("a", "b", False)],
    ],
)
def test_conditions(fact: Any, asked: Any, fits: bool) -> None:
    assert holds(fact, asked) is fits


def test_less_memory_gets_less_to_learn() -> None:
    decoder = Situation("chat", "decoder", 500_000_000, 5_000, head=False)
    work = Work(500_000_000, 360_000_000, 24, 896, rows=5_000, tokens=200, longest=500)
    seen = [advise_within(decoder, work, {"memory": limit}) for limit in (1e12, 2e10, 1e10)]
    assert [advice.situation.tight_memory for advice in seen] == [0, 1, 2]
    assert [chosen(advice) for advice in seen] == [["clip"], ["clip"], ["clip", "lora"]]
    assert seen[1].training["micro_batch"] == 2
    assert exceeded(seen[2], work, {"memory": 1e10}) == []
    costs = [memory(work.with_training(advice.training, 0), advice.effort) for advice in seen]
    assert costs == sorted(costs, reverse=True)


def test_less_time_gets_fewer_layers_then_the_head() -> None:
    many, work = replace(SMALL, rows=20_000), replace(WORK, rows=20_000)
    seen = [advise_within(many, work, {"flops": limit}) for limit in (1e15, 1e14, 5e13, 3e13)]
    assert [advice.situation.tight_time for advice in seen] == [0, 1, 2, 3]
    assert [chosen(advice)[1:2] for advice in seen] == [[], ["freeze"], ["freeze"], ["probe"]]


def test_what_cannot_be_kept_within_ends_at_the_last_step() -> None:
    advice = advise_within(SMALL, WORK, {"memory": 1, "flops": 1})
    assert {name: getattr(advice.situation, name) for name in TIGHTEST} == TIGHTEST
    assert exceeded(advice, WORK, {"memory": 1, "flops": 1}) == ["tight_memory", "tight_time"]
