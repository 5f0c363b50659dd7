"""Scores, through an encoder of random weights; and with VGG19 against the script that the peers were scored with."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from encoders import random_pocket
from pictures import noise
from PIL import Image

from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.pocket import Pocket
from impasto.errors import ModelError
from impasto.evaluation.inputs import read_square
from impasto.evaluation.metrics.scorer import Score, Scorer, open_scorer
from impasto.evaluation.pairs import read_pairs
from impasto.losses.distances import cfsd, self_similarity


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(Pocket(), name="random")


def smooth(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(Image.fromarray(noise(8, 8, seed=seed)).resize((64, 64), Image.Resampling.BICUBIC))


PHOTOGRAPH, PAINTING, OTHER = (smooth(seed) for seed in range(3))


def test_the_controls_score_what_they_stand_for(scorer: Scorer) -> None:
    untouched = scorer.score(PHOTOGRAPH, PHOTOGRAPH, PAINTING)
    assert (untouched.style, untouched.gram) == (1, 1)
    assert (untouched.content, untouched.cfsd) == pytest.approx((0, 0), abs=1e-5)
    bare = scorer.score(PAINTING, PHOTOGRAPH, PAINTING)
    assert (bare.style, bare.gram) == (0, 0)
    assert bare.content > 0.1
    assert bare.cfsd > 0


def test_what_lies_between_scores_between(scorer: Scorer) -> None:
    mostly = PHOTOGRAPH.copy()
    # Three quarters: the border of the two is a thing of its own, which halves would not outweigh.
    mostly[:, 16:] = PAINTING[:, 16:]
    found, bare = (scorer.score(p, PHOTOGRAPH, PAINTING) for p in (mostly, PAINTING))
    assert 0.05 < found.style < 1
    assert 0.05 < found.gram < 1
    assert 0 < found.content < bare.content
    assert 0 < found.cfsd < bare.cfsd
    assert scorer.content(mostly, PHOTOGRAPH) == found.content


def test_a_score_does_not_depend_on_what_was_seen_before(scorer: Scorer) -> None:
    first = scorer.score(OTHER, PHOTOGRAPH, PAINTING)
    for seed in range(20):
        scorer.score(OTHER, smooth(100 + seed), PAINTING)
    assert scorer.score(OTHER, PHOTOGRAPH, PAINTING) == first
    turned = scorer.score(*(picture[::-1, ::-1] for picture in (OTHER, PHOTOGRAPH, PAINTING)))
    assert turned.style == pytest.approx(first.style, rel=0.2)
    assert turned != first


def test_inputs_are_looked_at_once() -> None:
    encoder, looks = Pocket(), []
    encoder.register_forward_hook(lambda *_: looks.append(1))
    scorer = Scorer(encoder, name="random")
    for pastiche in (PHOTOGRAPH, PAINTING, OTHER, OTHER):
        scorer.score(pastiche, PHOTOGRAPH.copy(), PAINTING.copy())
    # Three sizes of each, and of the last its own once more: the rest of it is kept.
    assert len(looks) == 3 * 3 + 1, "a pastiche is not kept"


def test_what_cannot_be_scored_is_told(scorer: Scorer) -> None:
    with pytest.raises(ValueError, match=r"\(32, 64, 3\) and its photograph \(64, 64, 3\)"):
        scorer.score(OTHER[:32], PHOTOGRAPH, PAINTING)
    with pytest.raises(ValueError, match="look alike"):
        scorer.score(OTHER, PHOTOGRAPH, PHOTOGRAPH)
    with pytest.raises(ValueError, match=r"shallow does not give relu3_1, relu4_1"):
        Scorer(Pocket(STYLE_LAYERS[:2]), name="shallow")


def test_layouts_are_compared_without_their_colours() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(2, 5, 16, 12, generator=generator)
    maps = self_similarity(features, 4)
    assert maps.shape == (2, 16, 16)
    assert torch.allclose(maps.sum(2), torch.ones(2, 16))
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=generator)).Q
    recoloured = torch.einsum("dc,nchw->ndhw", rotation, features) * 3
    assert cfsd(maps, self_similarity(recoloured, 4)).abs().max() < 1e-6
    moved = self_similarity(features.roll(5, 3), 4)
    assert cfsd(maps, moved).min() > 1e-4
    assert torch.allclose(cfsd(maps, moved)[1:], cfsd(maps[1:], moved[1:]))
    expected = torch.nn.functional.kl_div(moved.log(), maps, reduction="none").sum(2).mean(1)
    assert torch.allclose(cfsd(maps, moved), expected, atol=1e-7)


def test_without_vgg19_pocket_judges_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pocket = random_pocket(tmp_path / "pocket", monkeypatch)
    scorer = open_scorer()
    assert (scorer.name, len(scorer.sha256)) == ("pocket@0", 64)
    assert "not comparable with VGG19's" in scorer.note
    assert scorer.score(OTHER, PHOTOGRAPH, PAINTING) == Scorer(Pocket(), name="x").score(OTHER, PHOTOGRAPH, PAINTING)
    (pocket / "encoder.safetensors").unlink()
    with pytest.raises(ModelError, match="is missing"):
        open_scorer()


def test_what_is_not_vgg19_is_told(tmp_path: Path) -> None:
    file = tmp_path / "weights.npz"
    for data in (b"", b"PK\x03\x04", b"\x80\x04N.", noise(2, 2).tobytes()):
        file.write_bytes(data)
        with pytest.raises(ModelError, match=r"weights\.npz holds no weights of VGG19"):
            open_scorer(file)
    np.savez(file, weights=np.zeros(3))
    with pytest.raises(ModelError, match="has no conv1_1"):
        open_scorer(file)
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("gone.npz", "one.npy"):
        with pytest.raises(ModelError, match=f"{name} holds no weights"):
            open_scorer(tmp_path / name)


def test_inputs_and_scores_are_those_of_the_quality_script(shared: Path) -> None:
    quality = script(shared)
    weights, scorer = quality.weights(), open_scorer(shared / "weights" / "vgg19.npz")
    assert scorer.note == ""
    for pair in read_pairs(shared / "quality" / "pairs.json")[3::20]:
        inputs = [read_square(file) for file in (pair.content, pair.style)]
        for pixels, file in zip(inputs, (pair.content, pair.style), strict=True):
            assert (pixels == np.asarray(quality.square(file))).all()
        # At half the size, for time's sake.
        content, style = (np.asarray(Image.fromarray(p).resize((256, 256))) for p in inputs)
        made = (0.3 * content + 0.7 * style[::-1]).astype(np.uint8)
        found = scorer.score(made, content, style)
        assert astuple(found) == pytest.approx(theirs(quality, weights, made, content, style), rel=5e-4)


def theirs(quality: ModuleType, weights: Any, *pictures: Any) -> tuple[float, ...]:
    """The four lines of the script's own loop."""
    with torch.inference_mode():
        arrays = [torch.from_numpy(p.astype(np.float32).transpose(2, 0, 1)[None].copy()) for p in pictures]
        f, c, s = (quality.features(x, weights) for x in arrays)
        stats, grams, own, made = quality.stats(s), quality.grams(s), quality.selfsim(c), quality.selfsim(f)
        return (
            quality.style_dist(quality.stats(f), stats) / quality.style_dist(quality.stats(c), stats),
            quality.gram_dist(quality.grams(f), grams) / quality.gram_dist(quality.grams(c), grams),
            quality.cosine_content(f, c),
            float((own * (own.log() - made.log())).sum(1).mean()),
        )


def astuple(score: Score) -> tuple[float, ...]:
    return score.style, score.gram, score.content, score.cfsd


def script(shared: Path) -> ModuleType:
    location = importlib.util.spec_from_file_location("quality", shared / "tools" / "quality.py")
    assert location is not None
    assert location.loader is not None
    module = importlib.util.module_from_spec(location)
    location.loader.exec_module(module)
    return module
