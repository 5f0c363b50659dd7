"""Encoders in VGG19's layout."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import WIDTHS as NARROW
from networks import named, narrow_vgg, published
from PIL import Image, ImageOps
from safetensors.torch import save_file

from impasto.encoders.encoder import STYLE_LAYERS
from impasto.encoders.open import open_encoder
from impasto.encoders.pocket import WIDTHS, Pocket
from impasto.encoders.vgg import ARCHITECTURES, VGG16, VGG19
from impasto.encoders.vgg_conversion import convert_vgg
from impasto.encoders.vgg_layout import Padding, Pooling, VGGLayout
from impasto.errors import ImpastoError, ModelError
from impasto.evaluation.metrics.encoder_agreement import agreement
from impasto.models import Store, find


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPASTO_HOME", str(tmp_path / "home"))


def narrow(file: Path, name: str = "vgg19", convention: str = "torchvision") -> Path:
    save_file(named(name), file, {"convention": convention, "architecture": name})
    return file


def test_layers_are_named_as_in_the_papers() -> None:
    names = VGG19.layer_names()
    assert len(names) == 32
    assert (names[0], names[1], names[9], names[-1]) == ("conv1_1", "relu1_1", "relu3_1", "relu5_4")
    assert VGG16.layer_names()[-2:] == ("conv5_3", "relu5_3")


def test_features_are_those_of_torchvisions_own_layout(tmp_path: Path) -> None:
    network, picture = narrow_vgg(), torch.rand(1, 3, 40, 48)
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    wanted = {"conv1_1": 1, "relu1_1": 2, "conv2_2": 8, "relu3_4": 18, "relu5_1": 30, "conv5_4": 35}
    encoder = VGG19(narrow(tmp_path / "vgg.safetensors"), wanted)
    features = encoder(picture)
    assert tuple(features) == tuple(wanted)
    for layer, end in wanted.items():
        with torch.no_grad():
            assert torch.allclose(features[layer], network[:end]((picture - mean) / std), rtol=1e-4, atol=1e-4), layer
    assert features["conv1_1"].min() < 0
    assert not any(p.requires_grad for p in encoder.parameters())
    assert VGG19(tmp_path / "vgg.safetensors", ("relu2_1",)).names == ("1_1", "1_2", "2_1")


def test_caffes_weights_expect_bgr_up_to_255_less_the_mean(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {key: value.half().numpy() for key, value in named().items()}
    np.savez(tmp_path / "vgg.npz", **arrays)
    picture = torch.rand(1, 3, 8, 8)
    first = narrow_vgg()[0].half().float()
    prepared = picture.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)
    for encoder in (
        VGG19(tmp_path / "vgg.npz", ["conv1_1"]),
        VGG19(narrow(tmp_path / "vgg.safetensors", convention="caffe"), ["conv1_1"]),
    ):
        found = encoder(picture)["conv1_1"]
        assert found.dtype == torch.float32
        assert torch.allclose(found, first(prepared), rtol=1e-2, atol=1e-1)


def test_a_file_of_another_network_or_of_no_convention_is_told(tmp_path: Path) -> None:
    file = narrow(tmp_path / "vgg19.safetensors")
    with pytest.raises(ValueError, match=r"vgg19.safetensors has conv3_4, which VGG16 has not"):
        VGG16(file)
    save_file(named(), file)
    with pytest.raises(ValueError, match="says convention None; write caffe or torchvision there"):
        VGG19(file)
    wrong = named() | {"conv2_1.weight": torch.zeros(6, 3, 3, 3)}
    save_file(wrong, file, {"convention": "caffe"})
    with pytest.raises(ValueError, match=r"conv2_1 of .* it should be \(C, 4, 3, 3\)"):
        VGG19(file)
    file.write_bytes(b"\0nothing")
    with pytest.raises(ValueError, match="is broken"):
        VGG19(file)


def test_pooling_and_padding_are_chosen(tmp_path: Path) -> None:
    file = narrow(tmp_path / "vgg.safetensors")
    grey, layers = torch.full((1, 3, 64, 64), 0.4), ("relu1_1", "relu2_2", "relu5_1")
    for pooling in get_args(Pooling):
        framed = VGG19(file, layers, pooling=pooling)(grey)
        even = VGG19(file, layers, pooling=pooling, padding="replicate")(grey)
        for layer in layers:
            assert (even[layer] - even[layer][..., :1, :1]).abs().max() < 1e-4, f"{layer} has a frame"
            assert (framed[layer] - framed[layer][..., :1, :1]).abs().max() > 1e-2
    picture = torch.rand(1, 3, 16, 16)
    low, high = (VGG19(file, ("conv2_1",), pooling=pooling) for pooling in ("average", "max"))
    first = VGG19(file, ("relu1_2",))(picture)["relu1_2"]
    convolve = low.get_submodule("conv2_1")
    assert torch.allclose(low(picture)["conv2_1"], convolve(F.avg_pool2d(first, 2)), atol=1e-5)
    assert torch.allclose(high(picture)["conv2_1"], convolve(F.max_pool2d(first, 2)), atol=1e-5)
    with pytest.raises(ValueError, match="pooling is 'l2'; choose one of max, average"):
        VGG19(file, pooling="l2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="padding is 'mirror'; choose one of zeros, replicate"):
        VGG19(file, padding="mirror")  # type: ignore[arg-type]


@pytest.mark.parametrize("pooling", get_args(Pooling))
@pytest.mark.parametrize("padding", get_args(Padding))
def test_gradients_are_right_and_every_precision_works(tmp_path: Path, pooling: Pooling, padding: Padding) -> None:
    file = narrow(tmp_path / "vgg.safetensors")
    encoder = VGG19(file, ("conv1_2", "relu2_1"), pooling=pooling, padding=padding)
    picture = torch.rand(1, 3, 6, 4, dtype=torch.float64, requires_grad=True)
    double = encoder.double()
    assert double(picture)["relu2_1"].dtype == torch.float64
    assert torch.autograd.gradcheck(lambda x: tuple(double(x).values()), (picture,))
    rounded = encoder.bfloat16()(picture.detach().float())["relu2_1"]
    assert rounded.dtype == torch.bfloat16
    exact = VGG19(file, ("relu2_1",), pooling=pooling, padding=padding)(picture.detach().float())["relu2_1"]
    assert (rounded.float() - exact).abs().max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("layer", ["relu1_1", "conv1_2", "relu2_1", "relu3_4", "relu4_1", "relu5_1"])
def test_a_feature_sees_as_far_as_its_reach_and_no_farther(layer: str) -> None:
    encoder = Pocket((layer,)) if layer < "relu4_2" else Everything((layer,))
    for parameter in encoder.parameters():
        parameter.data.abs_()  # what is positive passes every ReLU
    encoder = encoder.double()
    stride, reach = encoder.stride(layer), encoder.reach(layer)
    assert stride == 2 ** (int(layer[4]) - 1)
    # One feature in the middle stands for the pixels from `start` to before `start + stride`.
    place = -(-reach // stride) + 1
    start, side = place * stride, (2 * place + 1) * stride
    random = torch.Generator().manual_seed(0)
    picture = 0.5 + 0.5 * torch.rand(1, 3, side, side, dtype=torch.float64, generator=random)

    def changed(rows: slice, columns: slice) -> bool:
        other = picture.clone()
        other[..., rows, columns] += 1e6
        with torch.no_grad():
            before, after = (encoder(x)[layer][..., place, place] for x in (picture, other))
        return not torch.allclose(before, after, rtol=1e-12, atol=0)

    everything, low, high = slice(None), start - reach, start + stride - 1 + reach
    for outside in (slice(0, low), slice(high + 1, None)):
        assert not changed(outside, everything)
        assert not changed(everything, outside)
    for edge in (slice(low, low + 1), slice(high, high + 1)):
        assert changed(edge, everything)
        assert changed(everything, edge)


def test_tiles_with_the_reach_around_them_give_the_features_of_the_whole() -> None:
    encoder, layer = Pocket().double(), "relu4_1"
    picture = torch.rand(1, 3, 160, 200, dtype=torch.float64)
    stride, margin = encoder.stride(layer), -(-encoder.reach(layer) // 8) * 8
    top, left, height, width = 64, 72, 40, 48
    tile = picture[..., top - margin : top + height + margin, left - margin : left + width + margin]
    inner = slice(margin // stride, (margin + height) // stride), slice(margin // stride, (margin + width) // stride)
    whole = encoder(picture)[layer][..., top // stride :, left // stride :][..., : height // stride, : width // stride]
    assert torch.allclose(encoder(tile)[layer][..., inner[0], inner[1]], whole, rtol=1e-10)


def test_only_known_layers_have_a_stride_and_a_reach() -> None:
    for ask in (Pocket().stride, Pocket().reach):
        with pytest.raises(ValueError, match="there is no layer relu6_1; the layers are conv1_1"):
            ask("relu6_1")
    with pytest.raises(ValueError, match="no layers are asked for"):
        Pocket(())


def test_pocket_has_vgg19s_strides_at_a_quarter_of_its_width() -> None:
    features = Pocket()(torch.rand(2, 3, 64, 96))
    shapes = {k: tuple(v.shape) for k, v in features.items()}
    assert shapes == {
        layer: (2, width, 64 // stride, 96 // stride)
        for layer, width, stride in zip(STYLE_LAYERS, WIDTHS, (1, 2, 4, 8), strict=True)
    }
    assert set(Pocket(("relu2_2",))(torch.rand(1, 3, 8, 8))) == {"relu2_2"}
    with pytest.raises(ValueError, match="pocket ends at relu4_1; relu5_1 needs VGG19"):
        Pocket(("relu5_1",))


def test_pocket_is_read_frozen_and_says_what_is_missing(tmp_path: Path) -> None:
    weights = {k: v.contiguous() for k, v in Pocket().state_dict().items()}
    save_file(weights, tmp_path / "whole.safetensors")
    read = open_encoder(tmp_path / "whole.safetensors")
    picture = torch.rand(1, 3, 16, 16)
    assert torch.equal(read(picture)["relu4_1"], Pocket()(picture)["relu4_1"])
    assert not any(p.requires_grad for p in read.parameters())
    del weights["conv3_2.bias"]
    save_file(weights, tmp_path / "part.safetensors")
    with pytest.raises(ValueError, match=r"part.safetensors has no conv3_2"):
        open_encoder(tmp_path / "part.safetensors")
    assert open_encoder(tmp_path / "part.safetensors", ("relu2_1",)).names[-1] == "2_1"
    with pytest.raises(ValueError, match=r"weights.pth is not an encoder"):
        open_encoder(tmp_path / "weights.pth")


def test_pockets_widths_are_its_files(tmp_path: Path) -> None:
    save_file(named(), tmp_path / "narrow.safetensors")
    read = open_encoder(tmp_path / "narrow.safetensors", ("relu2_1", "relu5_1"))
    assert isinstance(read, Pocket)
    assert read.widths == NARROW
    assert Pocket().widths == WIDTHS
    assert read(torch.rand(1, 3, 32, 32))["relu5_1"].shape == (1, NARROW[4], 2, 2)


def test_encoders_open_by_name_folder_and_file(tmp_path: Path) -> None:
    for name in ("vgg16", "vgg19"):
        with pytest.raises(ModelError) as told:
            open_encoder(name)
        assert str(told.value) == (
            f"there is no model '{name}' here; get it with: impasto models pull {name} "
            f"(or on a machine without internet: impasto models add {name} FILE)"
        )
        with Store().installing(f"{name}@1") as folder:
            convert_vgg(published(tmp_path / f"{name}.pth", name), folder, name=name)
        opened = open_encoder(name, ("relu2_1",), pooling="average", padding="replicate")
        assert type(opened) is ARCHITECTURES[name]
        assert (opened.pooling, opened.padding, opened.layers) == ("average", "replicate", ("relu2_1",))
    picture = torch.rand(1, 3, 32, 32)
    model = find("vgg16@1")
    for way in (model.path, str(model.path), model.file("encoder"), str(model.file("encoder"))):
        assert torch.equal(open_encoder(way)(picture)["relu4_1"], open_encoder("vgg16")(picture)["relu4_1"])
    assert isinstance(open_encoder("pocket"), Pocket)
    with pytest.raises(ModelError, match="instant@2 is a model of kind arbitrary; give one of kind encoder"):
        open_encoder("instant")
    with pytest.raises(ModelError, match="there is no encoder 'resnet'; the encoders are pocket, vgg16, vgg19"):
        open_encoder("resnet")


def test_an_architecture_nobody_knows_is_told(tmp_path: Path) -> None:
    file = tmp_path / "encoder.safetensors"
    save_file(named(), file, {"architecture": "resnet"})
    with pytest.raises(ValueError, match="says architecture 'resnet'; known are pocket, vgg16, vgg19"):
        open_encoder(file)
    manifest = {
        "name": "mine",
        "version": "1",
        "kind": "encoder",
        "licence": "",
        "files": {"encoder": {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}},
        "rules": {"architecture": "resnet"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="mine@1 is of the architecture 'resnet'; known are pocket, vgg16, vgg19"):
        open_encoder(tmp_path)


def test_the_pocket_that_ships_puts_pictures_in_vgg19s_order(shared: Path) -> None:
    records = [r for r in json.loads((shared / "images" / "index.json").read_text()) if r["split"] == "val"]
    photos, paintings = (
        [small(shared / "images" / r["file"]) for r in records if r["file"].startswith(kind)][:10]
        for kind in ("photos", "paintings")
    )
    random = np.random.default_rng(0)
    # Stand-ins for pastiches: a photograph in a painting's colours, with some of its texture.
    made = []
    for _ in range(40):
        photo, painting = (random.integers(len(x)) for x in (photos, paintings))
        share, colors = random.uniform(0, 0.5), random.uniform(0, 1)
        content, style = photos[photo].astype(np.float64), paintings[painting].astype(np.float64)
        moved = (content - content.mean((0, 1))) / content.std((0, 1)) * style.std((0, 1)) + style.mean((0, 1))
        mixed = (1 - share) * ((1 - colors) * content + colors * moved) + share * style
        made.append((mixed.clip(0, 255).astype(np.uint8), photos[photo]))
    everything = [*photos, *paintings, *(m for m, _ in made)]
    style_pairs = [(everything[i], paintings[j]) for i in range(20, 60) for j in random.integers(0, 10, 2)]
    found = agreement(open_encoder(), open_encoder(shared / "weights" / "vgg19.npz"), style_pairs, made)
    assert found.style > 0.95
    assert found.gram > 0.9
    assert found.content > 0.9


class Everything(Pocket):
    """A pocket with every layer, of random weights."""

    def __init__(self, layers: tuple[str, ...]) -> None:
        VGGLayout.__init__(self, layers)
        self._draw((2, 2, 2, 2, 2))


def small(file: Path) -> np.ndarray:
    """A square of 96 pixels from the middle."""
    with Image.open(file) as opened:
        return np.asarray(ImageOps.fit(opened.convert("RGB"), (96, 96)))


def test_the_pocket_that_ships_opens_by_default_and_sees_more_than_noise() -> None:
    try:
        encoder = open_encoder()
    except ImpastoError as error:
        pytest.fail(f"the package ships no pocket: {error}")
    features = encoder(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert all(value.isfinite().all() and value.std() > 0 for value in features.values())
