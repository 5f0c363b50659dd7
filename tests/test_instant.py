"""The engine ``instant`` with the network that ships."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from impasto import Picture, Progress, Style, StyleCard, Stylizer
from impasto.evaluation.metrics import seam_ratio
from impasto.inference import graph
from impasto.instant import engine, painter

ORIENTATION = 0x0112


@st.composite
def photographs(draw: st.DrawFn) -> Image.Image:
    """Pictures of any mode, small size and orientation, as Pillow opens them."""
    width, height = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    mode = draw(st.sampled_from(["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "YCbCr", "F"]))
    seed = draw(st.integers(0, 2**32 - 1))
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    if mode == "I;16":
        image = Image.fromarray(noise[..., 0].astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(noise[..., 0].astype(np.float32))
    else:
        image = Image.fromarray(noise).convert(mode)
    image.getexif()[ORIENTATION] = draw(st.integers(1, 8))
    return image


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the image was made from another")
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(photographs())
def test_any_picture_keeps_its_size_and_alpha_and_comes_out_the_same_twice(
    stylizer: Stylizer, image: Image.Image
) -> None:
    turned = image.getexif()[ORIENTATION] >= 5
    result = stylizer.stylize(image, "starry-night", deterministic=True)
    assert result.pastiche.size == (image.size[::-1] if turned else image.size)
    content = Picture.from_pil(image)
    if content.alpha is None:
        assert result.pastiche.alpha is None
    else:
        assert result.pastiche.alpha is not None
        assert (result.pastiche.alpha == content.alpha).all()
    again = stylizer.stylize(image, "starry-night", deterministic=True)
    assert (result.pastiche.pixels == again.pastiche.pixels).all()


def test_flat_and_tiny_pictures_look_the_same_in_bf16_as_in_f32(stylizer: Stylizer) -> None:
    logo = np.full((80, 120, 4), 200, np.uint8)
    logo[:, :60, 3] = 0
    flat = np.full((300, 400, 3), 255, np.uint8)
    random = np.random.default_rng(0)
    for picture in (
        flat,
        flat // 3,
        logo,
        np.full((1, 1, 3), 77, np.uint8),
        random.integers(0, 255, (2, 3, 3), np.uint8),
    ):
        for style in ("starry-night", "udnie"):
            fast, exact = (stylizer.stylize(picture, style, precision=p).pastiche for p in ("auto", "f32"))
            assert distance(fast, exact) < 8, (picture.shape, style)


def test_it_paints(stylizer: Stylizer, scene: Picture) -> None:
    pastiche = stylizer.stylize(scene, "starry-night").pastiche
    other = stylizer.stylize(scene, "the-scream").pastiche
    assert distance(pastiche, scene) > 15
    assert distance(pastiche, other) > 15
    # The night is bluer than the scream.
    assert pastiche.pixels[..., 2].mean() / pastiche.pixels[..., 0].mean() > (
        other.pixels[..., 2].mean() / other.pixels[..., 0].mean()
    )


def test_strength_goes_from_the_photograph_itself_to_the_full_style_in_even_steps(
    stylizer: Stylizer, scene: Picture
) -> None:
    strengths = (0.0, 0.02, 0.25, 0.5, 0.75, 0.98, 1.0)
    made = [stylizer.stylize(scene, "the-wave", strength=s, precision="f32").pastiche for s in strengths]
    assert (made[0].pixels == scene.pixels).all()
    away = [distance(m, scene) for m in made]
    assert away == sorted(away)
    assert away[1] < 0.12 * away[-1]
    assert distance(made[-2], made[-1]) < 0.12 * away[-1]


def test_a_strength_near_nothing_comes_near_the_photograph_at_any_size_and_with_any_alpha(
    stylizer: Stylizer, scene: Picture
) -> None:
    alpha = np.linspace(0, 255, scene.width).astype(np.uint8)[None].repeat(scene.height, 0)
    for content in (scene, Picture(scene.pixels, alpha)):
        for colors in ("style", "keep", "match"):
            none = stylizer.stylize(content, "the-wave", strength=0, size=64, colors=colors).pastiche
            assert (none.pixels == content.pixels).all()
            little = stylizer.stylize(content, "the-wave", strength=0.01, size=64, colors=colors).pastiche
            assert distance(little, content) < 2.5, colors


def test_hidden_colours_do_not_bleed(stylizer: Stylizer, scene: Picture) -> None:
    alpha = np.full(scene.pixels.shape[:2], 255, np.uint8)
    alpha[:, :100] = 0
    loud = scene.pixels.copy()
    loud[:, :100] = (255, 0, 255)
    a, b = (
        stylizer.stylize(Picture(p, alpha.copy()), "udnie", deterministic=True).pastiche for p in (scene.pixels, loud)
    )
    assert (a.pixels[alpha > 0] == b.pixels[alpha > 0]).all()
    assert a.alpha is not None
    assert (a.alpha == alpha).all()


def test_mask_says_where(stylizer: Stylizer, scene: Picture) -> None:
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[:, 16:] = 255
    everywhere = stylizer.stylize(scene, "the-wave", deterministic=True).pastiche
    half = stylizer.stylize(scene, "the-wave", mask=mask, deterministic=True).pastiche
    assert (half.pixels[:, :120] == scene.pixels[:, :120]).all()
    assert (half.pixels[:, 200:] == everywhere.pixels[:, 200:]).all()
    grey = stylizer.stylize(scene, "the-wave", mask=np.full((2, 2, 3), 128, np.uint8), deterministic=True).pastiche
    assert abs(distance(grey, scene) / distance(everywhere, scene) - 128 / 255) < 0.02


def test_colour_policies(stylizer: Stylizer, scene: Picture) -> None:
    def chroma(p: Picture) -> np.ndarray:
        return np.asarray((p.pixels.astype(float) - p.pixels.mean(2, keepdims=True)).mean((0, 1)))

    plain = stylizer.stylize(scene, "the-scream").pastiche
    kept = stylizer.stylize(scene, "the-scream", colors="keep").pastiche
    matched = stylizer.stylize(scene, "the-scream", colors="match").pastiche
    assert np.abs(chroma(kept) - chroma(scene)).sum() < 0.5 * np.abs(chroma(plain) - chroma(scene)).sum()
    assert np.abs(matched.pixels.mean((0, 1)) - plain.pixels.mean((0, 1))).max() < 6
    # Only the palette moves: what was one colour in the photograph still is.
    assert len(np.unique(matched.pixels[40:60, 220:240].reshape(-1, 3), axis=0)) == 1


def test_size_resize_and_style_scale(stylizer: Stylizer, scene: Picture) -> None:
    assert stylizer.stylize(scene, "the-wave", size=64).pastiche.size == scene.size
    assert stylizer.stylize(scene, "the-wave", resize=100).pastiche.size == (100, 75)
    assert stylizer.stylize(scene, "the-wave", size=64, resize=500).pastiche.size == (500, 375)
    fine, coarse = (stylizer.stylize(scene, "starry-night", style_scale=s).pastiche for s in (0.5, 2.0))
    assert distance(fine, coarse) > 1


def test_sixteen_bits_have_more_than_eight(stylizer: Stylizer, scene: Picture) -> None:
    def pair(**more: float) -> tuple[Picture, Picture]:
        deep = stylizer.stylize(scene, "the-wave", bits=16, precision="f32", **more).pastiche
        assert deep.pixels.dtype == np.uint16
        assert len(np.unique(deep.pixels)) > 1000
        return deep.as_type(np.dtype(np.uint8)), stylizer.stylize(scene, "the-wave", precision="f32", **more).pastiche

    deep, flat = pair(boldness=0)
    assert np.abs(deep.pixels.astype(int) - flat.pixels).max() <= 1
    # What the coarser passes round to eight bits, the next ones paint over.
    assert distance(*pair()) < 1


def test_a_mix_lies_between(stylizer: Stylizer, scene: Picture) -> None:
    one, two = (stylizer.stylize(scene, name).pastiche for name in ("the-wave", "the-scream"))
    mixed = stylizer.stylize(scene, {"the-wave": 1, "the-scream": 1})
    assert max(distance(mixed.pastiche, one), distance(mixed.pastiche, two)) < distance(one, two)
    assert mixed.settings()["style"] == {"the-wave": 0.5, "the-scream": 0.5}


@pytest.mark.slow
def test_a_card_paints_as_the_picture_it_was_made_from(stylizer: Stylizer, scene: Picture) -> None:
    random = np.random.default_rng(1)
    painting = Picture.from_array(random.integers(0, 256, (40, 60, 3), np.uint8)).resized((600, 400))
    card = StyleCard.from_bytes(stylizer.card("noise", [painting], title="Noise").to_bytes())
    assert card.title == "Noise"
    assert len(card.palette) >= 1
    assert Picture.open(card.thumbnail).size == (256, 256)
    for scale in (0.5, 1.0):
        by_card = stylizer.stylize(scene, card, style_scale=scale, precision="f32").pastiche
        by_picture = stylizer.stylize(scene, painting, style_scale=scale, precision="f32").pastiche
        assert distance(by_card, by_picture) < 1


def test_progress_runs_to_the_end_and_closing_cancels(
    stylizer: Stylizer, scene: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tile(monkeypatch, 256)
    run = stylizer.run(stylizer.request(scene, "the-wave"))
    seen: list[Progress] = list(run)
    assert seen[0].done == 0
    assert seen[-1].done == 1
    assert [p.stage for p in seen] == ["style", "paint", "preview", "paint", "paint"]  # the finer pass takes two tiles
    assert seen[2].preview is not None
    assert seen[2].preview.size == (192, 144)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert all(p.seconds_left is not None for p in seen[1:])
    half = stylizer.run(stylizer.request(scene, "the-wave"))
    for _ in range(3):
        next(half)
    half.close()
    with pytest.raises(StopIteration):
        next(half)


@pytest.mark.slow
def test_tiles_show_no_seam_and_match_the_whole(stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch) -> None:
    # Detail everywhere and edges nowhere, so that a seam would be the only line there is.
    random = np.random.default_rng(0)
    coarse = Picture.from_array(random.integers(0, 256, (113, 150, 3), np.uint8)).resized((1200, 904))
    big = Picture((coarse.pixels * 0.8 + random.integers(0, 50, coarse.pixels.shape)).astype(np.uint8))
    whole = stylizer.stylize(big, "starry-night", precision="f32").pastiche
    tile(monkeypatch, 512)
    tiled = stylizer.stylize(big, "starry-night", precision="f32").pastiche
    # The statistics come from samples, so the two are alike, not equal.
    assert distance(tiled, whole) < 8
    plan = stylizer._instant.painter("f32").plan(904, 1200)
    assert len(plan) > 6
    assert abs(seam_ratio(tiled.pixels, plan) - 1) < 0.05
    tile(monkeypatch, 400)
    other = stylizer.stylize(big, "starry-night", precision="f32").pastiche
    assert abs(seam_ratio(tiled.pixels, plan, other.pixels) - 1) < 0.001
    assert np.abs(tiled.pixels.astype(int) - other.pixels).max() <= 1


def test_given_statistics_make_tiles_equal_to_the_whole(
    stylizer: Stylizer, scene: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One sample as large as the picture: the same statistics, so only the margin could make a difference.
    big = scene.resized((1000, 600))
    whole = stylizer.stylize(big, "starry-night", precision="f32").pastiche
    tile(monkeypatch, 512)
    monkeypatch.setattr(painter, "_SAMPLE", 1000)
    tiled = stylizer.stylize(big, "starry-night", precision="f32").pastiche
    assert np.abs(tiled.pixels.astype(int) - whole.pixels).max() <= 1


def test_the_runtime_for_graphics_cards_paints_the_same(scene: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    # On its processor provider, for want of a graphics card; the graph and its inputs are the same.
    monkeypatch.setattr(graph, "_graphics_card", lambda: True)
    other = Stylizer()
    tile(monkeypatch, 256)
    by_onnx = other.stylize(scene, "starry-night", strength=0.7).pastiche
    assert other._instant.painter("auto").runtime == ("onnxruntime", "f32")
    monkeypatch.undo()
    tile(monkeypatch, 256)
    by_openvino = Stylizer().stylize(scene, "starry-night", strength=0.7, precision="f32").pastiche
    assert np.abs(by_onnx.pixels.astype(int) - by_openvino.pixels).max() <= 2


def test_threads_share_one_stylizer(stylizer: Stylizer, scene: Picture) -> None:
    names = ["the-wave", "the-scream", "udnie", "starry-night"] * 3
    alone = [stylizer.stylize(scene, n, deterministic=True).pastiche.pixels for n in names]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda n: stylizer.stylize(scene, n, deterministic=True).pastiche.pixels, names))
    assert all((a == b).all() for a, b in zip(alone, together, strict=True))


def test_one_pixel_and_one_row(stylizer: Stylizer) -> None:
    for shape in ((1, 1, 3), (1, 900, 3), (700, 1, 3), (3, 5, 4)):
        picture = Picture.from_array(np.full(shape, 120, np.uint8))
        assert stylizer.stylize(picture, "udnie").pastiche.size == picture.size
        assert stylizer.stylize(np.zeros((64, 64, 3), np.uint8), picture, strength=0.5).pastiche.size == (64, 64)


def test_the_photographs_format_and_metadata_ride_along(stylizer: Stylizer, scene: Picture) -> None:
    content = replace(scene, format="webp")
    assert stylizer.stylize(content, Style.from_picture(scene), strength=0.4).pastiche.format == "webp"


def tile(monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """Make small pictures be painted in tiles, as large ones are."""
    monkeypatch.setattr(painter, "_WHOLE", 0)
    monkeypatch.setattr(painter, "_WINDOW", window)
    monkeypatch.setattr(engine, "_PREVIEW", 128)


def distance(a: Picture, b: Picture) -> float:
    """Mean absolute difference in 0..255."""
    return float(np.abs(a.pixels.astype(np.float64) - b.pixels).mean())
