"""The nodes for ComfyUI, against its documented contract: loaded, asked and run as it does."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import tomllib
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from painting import photograph
from PIL import Image
from torch import Tensor

from impasto import Gallery, Picture, Stylizer
from impasto.request import PRESETS, options

FOLDER = Path(__file__).parents[1] / "integrations" / "comfyui"
NAMES = ("ImpastoGalleryStyle", "ImpastoIterative", "ImpastoPainting")


class Cancelled(Exception):
    """As ComfyUI's own."""


class Host:
    """What ComfyUI's modules were told, and what they say."""

    def __init__(self) -> None:
        self.updates: list[tuple[int, int | None, Any]] = []
        self.totals: list[int] = []
        self.cancel_after: int | None = None
        self.asked = 0

    def check(self) -> None:
        self.asked += 1
        if self.cancel_after is not None and self.asked > self.cancel_after:
            raise Cancelled


def load() -> ModuleType:
    """The pack as ComfyUI imports one: a folder whose name is not a name of a module."""
    name = "custom_nodes/impasto-comfyui"
    spec = importlib.util.spec_from_file_location(
        name, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pack() -> Generator[ModuleType, None, None]:
    before = set(sys.modules)
    yield load()
    for name in set(sys.modules) - before:
        if name.startswith("custom_nodes/"):
            del sys.modules[name]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()

    class ProgressBar:
        def __init__(self, total: int) -> None:
            host.totals.append(total)

        def update_absolute(self, value: int, total: int | None = None, preview: Any = None) -> None:
            host.updates.append((value, total, preview))

    comfy, utils, management = (ModuleType(name) for name in ("comfy", "comfy.utils", "comfy.model_management"))
    utils.ProgressBar = ProgressBar  # type: ignore[attr-defined]
    management.throw_exception_if_processing_interrupted = host.check  # type: ignore[attr-defined]
    for module in (comfy, utils, management):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return host


def batch(count: int, width: int = 48, height: int = 32, channels: int = 3) -> Tensor:
    made = [photograph(width, height, seed).pixels for seed in range(count)]
    images = torch.from_numpy(np.stack(made)).float() / 255
    return torch.cat([images, torch.full((*images.shape[:3], 1), 0.5)], 3) if channels == 4 else images


def defaults(node: Any) -> dict[str, Any]:
    """What ComfyUI sends of widgets that nobody touched: the first choice, where there is no default."""
    found = {}
    for name, (kind, *rest) in node.INPUT_TYPES()["required"].items():
        if kind not in ("IMAGE", "MASK"):
            found[name] = rest[0].get("default", kind[0] if isinstance(kind, list) else None)
    return found


def run(node: Any, **inputs: Any) -> Tensor:
    """As ComfyUI runs a node: without gradients, the method by its name, a tuple back."""
    with torch.inference_mode():
        result = getattr(node(), node.FUNCTION)(**defaults(node) | inputs)
    assert isinstance(result, tuple)
    assert len(result) == len(node.RETURN_TYPES)
    (image,) = result
    assert isinstance(image, Tensor)
    assert image.dtype == torch.float32
    assert image.device.type == "cpu"
    assert float(image.min()) >= 0
    assert float(image.max()) <= 1
    return image


def test_the_pack_declares_what_comfyui_reads(pack: ModuleType) -> None:
    assert sorted(pack.NODE_CLASS_MAPPINGS) == sorted(NAMES)
    assert pack.NODE_DISPLAY_NAME_MAPPINGS.keys() == pack.NODE_CLASS_MAPPINGS.keys()
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["name"] == "impasto-comfyui"
    assert project["project"]["dependencies"] == (FOLDER / "requirements.txt").read_text("utf-8").split()


@pytest.mark.parametrize("name", NAMES)
def test_a_node_keeps_the_contract(pack: ModuleType, name: str) -> None:
    node = pack.NODE_CLASS_MAPPINGS[name]
    assert inspect.ismethod(node.INPUT_TYPES)
    assert node.RETURN_TYPES == ("IMAGE",)
    assert isinstance(node.CATEGORY, str)
    assert node.DESCRIPTION.endswith(".")
    inputs = node.INPUT_TYPES()
    assert set(inputs) == {"required", "optional"}
    for kind, *rest in [*inputs["required"].values(), *inputs["optional"].values()]:
        said = rest[0] if rest else {}
        assert isinstance(said, dict)
        if isinstance(kind, list):
            assert kind
            assert said.get("default", kind[0]) in kind
        else:
            assert kind in ("IMAGE", "MASK", "INT", "FLOAT")
        if kind in ("INT", "FLOAT"):
            assert said["min"] <= said["default"] <= said["max"]
            assert type(said["default"]) is (int if kind == "INT" else float)
    parameters = inspect.signature(getattr(node, node.FUNCTION)).parameters
    assert any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for parameter in list(parameters.values())[1:]:
        if parameter.kind is not parameter.VAR_KEYWORD:
            group = "required" if parameter.default is parameter.empty else "optional"
            assert parameter.name in inputs[group]


def test_widgets_are_the_settings_of_a_request(pack: ModuleType) -> None:
    known = {option.name: option for option in options()}
    required = pack.NODE_CLASS_MAPPINGS["ImpastoIterative"].INPUT_TYPES()["required"]
    for name in ("strength", "boldness", "style_scale", "seed"):
        said = required[name][1]
        option = known[name]
        assert (said["default"], said["min"], said["max"]) == (option.default, option.minimum, option.maximum)
        assert said["tooltip"] == option.help
    assert required["colors"][0] == list(known["colors"].choices)
    assert required["preset"][0] == list(PRESETS)
    gallery = pack.NODE_CLASS_MAPPINGS["ImpastoGalleryStyle"].INPUT_TYPES()["required"]["style"]
    assert gallery[0] == list(Gallery().names())


def test_a_batch_is_painted_as_the_library_paints_it(pack: ModuleType, host: Host) -> None:
    image = batch(2)
    painted = run(pack.NODE_CLASS_MAPPINGS["ImpastoGalleryStyle"], image=image, style="udnie", strength=0.8)
    assert painted.shape == image.shape
    assert not torch.equal(painted[0], painted[1])
    for found, given in zip(painted, image, strict=True):
        content = Picture.from_array((given.numpy() * 65535 + 0.5).astype(np.uint16))
        expected = Stylizer().stylize(content, "udnie", strength=0.8, bits=16).pastiche
        assert torch.allclose(found, torch.from_numpy(expected.pixels.astype(np.float32) / 65535), atol=0.01)
    # More than 8 bits come back.
    assert len(np.unique(painted.numpy())) > 256
    values = [value for value, _, _ in host.updates]
    assert host.totals == [2000]
    assert values == sorted(values)
    assert all(total == 2000 for _, total, _ in host.updates)
    assert any(value >= 1000 for value in values)


def test_nothing_of_comfyui_is_needed(pack: ModuleType) -> None:
    assert run(pack.NODE_CLASS_MAPPINGS["ImpastoGalleryStyle"], image=batch(1)).shape == (1, 32, 48, 3)


@pytest.mark.parametrize("of_each", [False, True])
def test_a_mask_says_where(pack: ModuleType, of_each: bool) -> None:
    image = batch(2)
    mask = torch.zeros(2 if of_each else 1, 64, 96)  # of another size, as from another image
    mask[0, :, :48] = 1
    if of_each:
        mask[1, :, 48:] = 1
    painted = run(pack.NODE_CLASS_MAPPINGS["ImpastoGalleryStyle"], image=image, mask=mask)
    changed = (painted - image).abs().mean(3)
    left, right = changed[:, :, :20].mean((1, 2)), changed[:, :, 28:].mean((1, 2))
    assert float(left[0]) > 0.02 > 0.001 > float(right[0])
    assert (float(right[1]) > 0.02) == of_each
    flat = run(pack.NODE_CLASS_MAPPINGS["ImpastoGalleryStyle"], image=image, mask=mask[0])
    assert torch.equal(flat[0], painted[0])


def test_paintings_are_mixed_in_equal_parts(pack: ModuleType) -> None:
    node, image, paintings = pack.NODE_CLASS_MAPPINGS["ImpastoPainting"], batch(1), batch(3, 64, 64)[1:]
    mixed = run(node, image=image, painting=paintings)
    single = [run(node, image=image, painting=painting[None]) for painting in paintings]
    assert mixed.shape == image.shape
    assert all(float((mixed - one).abs().mean()) > 0.001 for one in single)
    again = run(node, image=image, painting=paintings.flip(0))
    assert torch.allclose(mixed, again, atol=0.01)


def test_alpha_and_what_is_no_number(pack: ModuleType) -> None:
    image = batch(1, channels=4)
    image[0, 0, 0, 0] = torch.nan
    image[0, 0, 1, 0] = 7.0
    painted = run(pack.NODE_CLASS_MAPPINGS["ImpastoGalleryStyle"], image=image)
    assert painted.shape == image.shape
    assert torch.allclose(painted[..., 3], image[..., 3], atol=0.01)


def test_the_optimised_node_shows_previews_and_takes_the_presets_steps(pack: ModuleType, host: Host) -> None:
    node = pack.NODE_CLASS_MAPPINGS["ImpastoIterative"]
    given = batch(1)
    inputs: dict[str, Any] = {"image": given, "painting": batch(2, 64, 64)[1:], "style_scale": 0.25}
    painted = run(node, **inputs, steps=3, preview_every=1, preset="quick")
    assert painted.shape == (1, 32, 48, 3)
    assert float((painted - given).abs().mean()) > 0.02
    previews = [preview for _, _, preview in host.updates if preview is not None]
    assert len(previews) >= 3
    for kind, image, longest in previews:
        assert (kind, image.mode) == ("JPEG", "RGB")
        assert isinstance(image, Image.Image)
        assert longest >= max(image.size)
    counted = len(host.updates)
    run(node, **inputs, preset="quick", preview_every=0)
    assert len(host.updates) - counted > PRESETS["quick"]["steps"]


@pytest.mark.parametrize("name", NAMES)
def test_cancelling_ends_a_node_with_comfyuis_own_exception(pack: ModuleType, host: Host, name: str) -> None:
    host.cancel_after = 1 if name != "ImpastoIterative" else 3
    node = pack.NODE_CLASS_MAPPINGS[name]
    inputs: dict[str, Any] = {"image": batch(2)}
    if name != "ImpastoGalleryStyle":
        inputs["painting"] = batch(1, 64, 64)
    with pytest.raises(Cancelled):
        run(node, **inputs)
    assert host.asked == host.cancel_after + 1
    host.cancel_after = None
    assert run(pack.NODE_CLASS_MAPPINGS["ImpastoGalleryStyle"], image=batch(1)).shape == (1, 32, 48, 3)


def test_what_does_not_fit_is_told(pack: ModuleType) -> None:
    node = pack.NODE_CLASS_MAPPINGS["ImpastoGalleryStyle"]
    with pytest.raises(ValueError, match=r"the image is \(32, 48, 3\); connect an IMAGE"):
        run(node, image=batch(1)[0])
    with pytest.raises(ValueError, match=r"the mask is \(2, 8, 8\) for 3 images"):
        run(node, image=batch(3), mask=torch.ones(2, 8, 8))
