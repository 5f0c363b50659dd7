"""Open an encoder by its model's name, or from its file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from impasto.encoders.encoder import STYLE_LAYERS, Encoder, ModuleEncoder
from impasto.encoders.pocket import Pocket
from impasto.encoders.torchvision_layers import TORCHVISION, canonical_name
from impasto.encoders.vgg import ARCHITECTURES
from impasto.encoders.vgg_layout import Padding, Pooling, VGGLayout
from impasto.encoders.weights_file import SUFFIXES, Weights
from impasto.errors import ModelError
from impasto.models import find, models
from impasto.models.published import PUBLISHED
from impasto.plugins import Plugin, find_plugin, plugin_names
from impasto.request import Request
from impasto.styles import Style, StyleCard

__all__ = ["BEST", "FoundEncoder", "encoder_name", "find_encoder", "open_any", "open_encoder"]

BEST = "best"
"""The name of no encoder, but of the best that a request can have."""

_KNOWN: dict[str, type[VGGLayout]] = {"pocket": Pocket, **ARCHITECTURES}


@dataclass(frozen=True, slots=True)
class FoundEncoder:
    """An encoder's identity, ``name@version`` or its file's name, its architecture and its file of weights.

    ``plugin`` is the encoder itself where a plugin brings it, which has no file here.
    """

    identity: str
    architecture: str
    file: Path = Path()
    plugin: Encoder | None = field(default=None, compare=False)

    @property
    def kind(self) -> type[Encoder]:
        """The class of its architecture."""
        if self.plugin is not None:
            return type(self.plugin)
        return _KNOWN.get(self.architecture, ModuleEncoder)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are used unless others are asked for; none of one whose papers name them."""
        if self.plugin is not None:
            return self.plugin.layers
        return () if self.architecture in _KNOWN else TORCHVISION[self.architecture].layers


def open_encoder(
    weights: Path | str | None = None,
    layers: Iterable[str] = STYLE_LAYERS,
    *,
    pooling: Pooling = "max",
    padding: Padding = "zeros",
) -> VGGLayout:
    """The encoder that ships, ``pocket``; or the model of a name, ``"vgg19"``, of a folder, or of a file. Frozen.

    A file is VGG19 as ``.npz``, or a ``.safetensors`` that says its ``architecture`` in its metadata, else
    a pocket. Raises ``ValueError`` for any other file, for a network of torchvision's and where a convolution is
    missing, and :class:`ModelError` for an unknown model.

    >>> import torch
    >>> from impasto.encoders import open_encoder
    >>> encoder = open_encoder(layers=("relu1_1", "relu3_1"))
    >>> {name: tuple(value.shape[2:]) for name, value in encoder(torch.rand(1, 3, 64, 64)).items()}
    {'relu1_1': (64, 64), 'relu3_1': (16, 16)}
    >>> encoder.stride("relu3_1"), encoder.reach("relu3_1")
    (4, 10)
    """
    found = find_encoder("pocket" if weights is None else weights)
    if found.architecture not in _KNOWN:
        raise ValueError(
            f"{found.identity} does not have VGG's layout, which is needed here; give pocket, vgg16 or vgg19"
        )
    if found.kind is Pocket:
        return Pocket.read(found.file, layers, pooling=pooling, padding=padding)
    return ARCHITECTURES[found.architecture](found.file, layers, pooling=pooling, padding=padding)


def open_any(
    weights: Path | str, layers: Iterable[str], *, pooling: Pooling = "max", padding: Padding = "zeros"
) -> Encoder:
    """As :func:`open_encoder`, or a network of torchvision's, whose ``layers`` are any of its submodules.

    That one has the borders it was trained with, whatever ``padding`` is, and so has a plugin's encoder, which gives
    the layers that are its own. Raises ``ValueError`` where ``pooling`` is not its own, and where a plugin's encoder
    has not all ``layers``.
    """
    found = find_encoder(weights)
    if found.architecture in _KNOWN:
        return open_encoder(weights, layers, pooling=pooling, padding=padding)
    if pooling != "max":
        raise ValueError(f"pooling is {pooling}, which is for VGG and pocket; leave it out")
    if found.plugin is not None:
        if unknown := [layer for layer in layers if layer not in found.layers]:
            raise ValueError(f"there is no layer {unknown[0]}; the layers are {', '.join(found.layers)}")
        return found.plugin
    from impasto.encoders.torchvision_encoders import open_torchvision

    return open_torchvision(found.architecture, found.file, tuple(layers))


def encoder_name(request: Request) -> str:
    """The encoder that a request names; of ``best``, VGG19 where it is installed and the style is not a card, else
    pocket.

    A card has only what pocket found in its painting.
    """
    if request.encoder != BEST:
        return request.encoder
    styles = [region.style for region in request.regions] + ([] if request.style is None else [request.style])
    if any(isinstance(part, StyleCard) for style in styles for part, _ in Style.of(style).parts):
        return "pocket"
    try:
        return find("vgg19", kind="encoder").identity
    except ModelError:
        return "pocket"


def find_encoder(weights: Path | str) -> FoundEncoder:
    """Which encoder that name, folder or file means, without reading its weights. Raises as :func:`open_encoder`."""
    if _is_file(Path(weights)):
        file = Path(weights)
        said = "vgg19" if file.suffix.lower() == ".npz" else Weights(file).metadata.get("architecture", "pocket")
        if said not in _KNOWN:
            raise ValueError(f"the metadata of {file} says architecture {said!r}; known are {', '.join(_KNOWN)}")
        return FoundEncoder(file.stem, said, file)
    if isinstance(weights, str) and (plugin := find_plugin("impasto.encoders", weights)) is not None:
        if any(model.name == weights for model in models()):
            raise ModelError(
                f"{weights} is an installed model, and the name of the {plugin} too; give the model as "
                f"{weights}@VERSION, or remove one of them"
            )
        return FoundEncoder(plugin.identity, plugin.name, plugin=_of_plugin(plugin))
    name = canonical_name(weights) if isinstance(weights, str) else None
    if name is not None and name in TORCHVISION and not any(model.name == _store_name(name) for model in models()):
        return _find_cached(name)
    asked = weights if name is None else _store_name(name)
    if isinstance(asked, str) and not _is_model_name(asked):
        others, brought = ", ".join(TORCHVISION), plugin_names("impasto.encoders")
        of_plugins = f"of plugins {', '.join(brought)}, " if brought else ""
        raise ModelError(
            f"there is no encoder {asked[:80]!r}; the encoders are {', '.join(_KNOWN)}, {of_plugins}where torchvision "
            f"is installed {others}, and any file or folder of one"
        )
    model = find(asked, kind="encoder")
    said = model.rules.get("architecture", "pocket")
    if said not in _KNOWN and said not in TORCHVISION:
        raise ModelError(f"{model.identity} is of the architecture {said!r}; known are {', '.join(_KNOWN)}")
    return FoundEncoder(model.identity, said, model.file("encoder"))


@lru_cache(maxsize=8)
def _of_plugin(plugin: Plugin) -> Encoder:
    """What it makes, frozen. Raises :class:`ModelError` where it fails, or that is not an encoder with layers."""
    make = plugin.load()
    try:
        made = make()
    except Exception as error:
        raise plugin.failed(error) from error
    if not isinstance(made, Encoder) or not getattr(made, "layers", ()):
        raise plugin.refused(made, "a function without arguments that returns an impasto.encoders.Encoder with layers")
    made.layers = tuple(made.layers)
    return made.requires_grad_(False)


def _store_name(name: str) -> str:
    """What its model in the store is called: names of models have no ``_``."""
    return name.replace("_", "-")


def _is_model_name(text: str) -> bool:
    """Whether there is a model of that name, here or published, or a folder of one."""
    name = text.partition("@")[0]
    is_known = name in PUBLISHED or any(model.name == name for model in models())
    return is_known or Path(text, "manifest.json").is_file()


def _find_cached(name: str) -> FoundEncoder:
    """A network of torchvision's whose weights were fetched before."""
    from impasto.encoders.torchvision_encoders import cached_weights

    file = cached_weights(name)
    if file is None:
        raise ModelError(
            f"the weights of {name} are not installed, and nothing is downloaded unasked; download torchvision's file "
            f"of them, then run: impasto models add {name} FILE"
        )
    return FoundEncoder(file.stem, name, file)


def _is_file(path: Path) -> bool:
    """Whether it is the path of a file of weights. Raises ``ValueError`` where it can be nothing else, and is not."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and not path.is_dir():
        return True
    if path.is_file() or (suffix in (".pth", ".pt", ".onnx") and not path.is_dir()):
        raise ValueError(f"{path} is not an encoder; give VGG19 as .npz or pocket as .safetensors")
    return False
