"""Open an encoder by its model's name, or from its file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import ModelError
from impasto.models import find
from impasto.perceptual.encoder import STYLE_LAYERS
from impasto.perceptual.layout import Padding, Pooling, VGGLayout
from impasto.perceptual.pocket import Pocket
from impasto.perceptual.vgg import ARCHITECTURES
from impasto.perceptual.weights import SUFFIXES, Weights
from impasto.request import Request
from impasto.styles import Style, StyleCard

__all__ = ["BEST", "FoundEncoder", "encoder_name", "find_encoder", "open_encoder"]

BEST = "best"
"""The name of no encoder, but of the best that a request can have."""

_KNOWN: dict[str, type[VGGLayout]] = {"pocket": Pocket, **ARCHITECTURES}


@dataclass(frozen=True, slots=True)
class FoundEncoder:
    """An encoder's identity, ``name@version`` or its file's name, its architecture and its file of weights."""

    identity: str
    architecture: str
    file: Path

    @property
    def kind(self) -> type[VGGLayout]:
        """The class of its architecture."""
        return _KNOWN[self.architecture]


def open_encoder(
    weights: Path | str | None = None,
    layers: Iterable[str] = STYLE_LAYERS,
    *,
    pooling: Pooling = "max",
    padding: Padding = "zeros",
) -> VGGLayout:
    """The encoder that ships, ``pocket``; or the model of a name, ``"vgg19"``, of a folder, or of a file. Frozen.

    A file is VGG19 as ``.npz``, or a ``.safetensors`` that says its ``architecture`` in its metadata, else
    a pocket. Raises ``ValueError`` for any other file and where a convolution is missing,
    :class:`ModelError` for an unknown model, and :class:`MissingExtra` without safetensors.
    """
    found = find_encoder("pocket" if weights is None else weights)
    if found.kind is Pocket:
        return Pocket.read(found.file, layers, pooling=pooling, padding=padding)
    return ARCHITECTURES[found.architecture](found.file, layers, pooling=pooling, padding=padding)


def encoder_name(request: Request) -> str:
    """The encoder that a request names; of ``best``, VGG19 where it is installed and the style is no card, else pocket.

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
    model = find(weights, kind="encoder")
    said = model.rules.get("architecture", "pocket")
    if said not in _KNOWN:
        raise ModelError(f"{model.identity} is of the architecture {said!r}; known are {', '.join(_KNOWN)}")
    return FoundEncoder(model.identity, said, model.file("encoder"))


def _is_file(path: Path) -> bool:
    """Whether it is the path of a file of weights. Raises ``ValueError`` where it can be nothing else, and is not."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and not path.is_dir():
        return True
    if path.is_file() or (suffix in (".pth", ".pt", ".onnx") and not path.is_dir()):
        raise ValueError(f"{path} is no encoder; give VGG19 as .npz or pocket as .safetensors")
    return False
