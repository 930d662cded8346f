"""Two towers joined into one model."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import tiny
from tunesmith.core.errors import InputError
from tunesmith.core.forward import Forward
from tunesmith.core.task import Head
from tunesmith.model.backbone import describe
from tunesmith.model.build import build
from tunesmith.model.save import save
from tunesmith.model.vision_text import compares, symmetric_info_nce, vectors, zero_shot

HEAD = Head("AutoModelForZeroShotImageClassification", {}, otherwise=("AutoModel",))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    path = tmp_path_factory.mktemp("towers")
    return {family: tiny.folder(path, family) for family in ("vit", "bert", "clip", "distilbert")}


def test_two_models_become_one(folders: dict[str, Path], tmp_path: Path) -> None:
    model = build(f"vision={folders['vit']},text={folders['bert']}", HEAD)
    assert type(model.module).__name__ == "VisionTextDualEncoderModel"
    assert {"visual_projection.weight", "text_projection.weight", "logit_scale"} <= set(model.fresh)
    assert compares(model.module)
    save(model, tmp_path / "saved")
    again = build(str(tmp_path / "saved"), HEAD)
    assert again.fresh == ()
    pixels = torch.rand(2, 3, 16, 16)
    before, after = (vectors(Forward(m.module), "image", {"pixel_values": pixels}) for m in (model, again))
    assert torch.equal(before, after)


def test_the_weights_are_those_of_the_parts(folders: dict[str, Path]) -> None:
    model = build(f"vision={folders['vit']},text={folders['bert']}", HEAD)
    weights = dict(model.module.named_parameters())
    for family, place in (("vit", "vision_model"), ("bert", "text_model")):
        for name, parameter in tiny.base(family).named_parameters():
            assert torch.equal(weights[f"{place}.{name}"], parameter)


def test_a_tower_of_clip_is_a_part(folders: dict[str, Path]) -> None:
    model = build(f"vision={folders['clip']},text={folders['bert']}", HEAD)
    assert type(model.module.vision_model).__name__ == "CLIPVisionModel"


def test_depths_are_counted_in_each_tower(folders: dict[str, Path]) -> None:
    """Both towers have three layers here: the layers of one depth stand side by side, and the projections are the head."""
    params = describe(build(f"vision={folders['vit']},text={folders['bert']}", HEAD).module)
    depths: dict[str, set[int]] = {name.split(".")[0]: set() for name in params}
    for name, param in params.items():
        depths[name.split(".")[0]].add(param.depth)
    assert depths["vision_model"] == depths["text_model"] == {0, 1, 2, 3, 4}
    assert depths["visual_projection"] == depths["text_projection"] == depths["logit_scale"] == {4}


@pytest.mark.parametrize(
    ("vision", "text", "head", "said"),
    [
        ("bert", "bert", HEAD, "does not take in images"),
        ("vit", "distilbert", HEAD, "it has no pooler"),
        ("vit", "vit", HEAD, "no tokenizer beside the weights"),
        ("vit", "bert", Head("AutoModelForSequenceClassification", {}), "has no AutoModelForSequenceClassification"),
    ],
)
def test_parts_that_cannot_be_joined(folders: dict[str, Path], vision: str, text: str, head: Head, said: str) -> None:
    with pytest.raises(InputError, match=said):
        build(f"vision={folders[vision]},text={folders[text]}", head)


def test_a_model_with_one_tower_compares_nothing() -> None:
    assert not compares(tiny.base("bert"))


def test_symmetric_info_nce() -> None:
    """By hand: both ways -log of the own score's share."""
    scores = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    found = symmetric_info_nce(scores, torch.tensor([1, 2]), torch.tensor([1, 2]))
    first = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2
    second = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-3))) / 2
    assert found.tolist() == pytest.approx([first, second])


def test_the_same_image_or_text_is_no_negative() -> None:
    scores = torch.randn(2, 2)
    assert symmetric_info_nce(scores, torch.tensor([1, 1]), torch.tensor([1, 2])).tolist() == [0, 0]
    assert symmetric_info_nce(scores, torch.tensor([1, 2]), torch.tensor([5, 5])).tolist() == [0, 0]


def test_zero_shot_is_a_softmax_by_the_temperature() -> None:
    module = tiny.base("clip")
    found = zero_shot(module, torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    scale = math.exp(module.logit_scale.item())
    assert found[0].tolist() == pytest.approx([1 / (1 + math.exp(-scale)), 1 / (1 + math.exp(scale))], rel=1e-4)
