"""Conversion: VGG's weights, from the formats that others keep them in, into a model of the store."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from impasto.encoders.vgg import ARCHITECTURES, Convention
from impasto.encoders.weights_file import SUFFIXES, Weights
from impasto.errors import ModelError
from impasto.models import Model
from impasto.models.mistaken_files import describe_mistaken_file
from impasto.models.model import file_entry, write_manifest
from impasto.models.published import PUBLISHED
from impasto.picture.files import write_atomically

__all__ = ["convert_vgg", "torch_weights"]

_NEEDED = "5_1"
"""The deepest convolution that papers take features of. What is below it may be missing."""

_FEATURES = re.compile(r"features\.(\d+)\.(?:weight|bias)")
_PLACE = re.compile(r"conv(\d_\d)\.(?:weight|bias)")


def convert_vgg(file: Path, folder: Path, *, name: str, convention: Convention | None = None) -> Model:
    """Write ``encoder.safetensors``, the convolutions in float32, and ``manifest.json`` into ``folder``.

    ``file`` holds VGG of the architecture ``name``, of any width: torchvision's state dict as ``.pth``, with
    ``features.0.weight`` ..., or ``conv1_1.weight`` ... as ``.npz`` or ``.safetensors``. The classifier is left out.
    ``convention`` tells how pictures are prepared for it, where the file does not: a ``.pth`` is otherwise
    taken for torchvision's, an ``.npz`` for Caffe's.

    A ``.pth`` is read by torch's reader of weights, which runs nothing of what is in it. Raises
    :class:`ModelError` for an unknown name, for a file that cannot be read or holds more than weights, for another
    architecture and where a convolution is missing, and :class:`OutputError` where ``folder`` cannot be written.
    """
    if name not in ARCHITECTURES:
        raise ModelError(f"{name!r} is not an architecture; choose one of {', '.join(ARCHITECTURES)}")
    places = ARCHITECTURES[name].places()
    if file.is_dir():
        raise ModelError(f"{file} is a folder; give the file of {name}")
    try:
        with file.open("rb") as stream:
            if said := describe_mistaken_file(stream.read(512)):
                raise ModelError(f"{file} is {said}")
            stream.seek(0)
            source = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from error
    tensors, said = _read(file)
    if any(_FEATURES.fullmatch(key) for key in tensors):
        tensors, said = _renamed(tensors, name, file), said or "torchvision"
    kept = _check_convolutions(tensors, places, name, file)
    convention = _choose_convention(convention, said, file)
    deepest = max(int(place.replace("_", "")) for place in kept)
    weights = {
        f"conv{place}.{part}": tensor.float().contiguous()
        for place, pair in kept.items()
        for part, tensor in zip(("weight", "bias"), pair, strict=True)
    }
    metadata = {"architecture": name, "convention": convention}
    data = save(weights, metadata)
    write_atomically(folder / "encoder.safetensors", data)
    known = PUBLISHED.get(name)
    licence = known.licence if known and known.files[0].sha256 == source else "unknown: that of the file it was made of"
    manifest = {
        "name": name,
        "version": "1",
        "kind": "encoder",
        "licence": licence,
        "source": {"file": file.name, "sha256": source},
        "files": {"encoder": file_entry(folder / "encoder.safetensors")},
        "rules": {**metadata, "deepest": f"relu{deepest // 10}_{deepest % 10}"},
    }
    write_manifest(folder, manifest)
    return Model.read(folder)


def torch_weights(file: Path, wanted: str) -> object:
    """What torch saved in a file, of which no code is run.

    Raises :class:`ModelError`, which ends in what is ``wanted``.
    """
    try:
        # Files in torch's older format, as torchvision's own, cannot be mapped.
        held: object = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except Exception as error:  # a broken or hostile file raises a dozen kinds, with advice nobody should follow
        raise ModelError(
            f"{file} is not read: it is broken, or holds more than weights, which might run code; give torchvision's "
            f"{wanted}"
        ) from error
    return held


def _read(file: Path) -> tuple[dict[str, Tensor], str | None]:
    """Its tensors of convolutions, and the convention that it says it is of."""
    if file.suffix.lower() in SUFFIXES:
        try:
            weights = Weights(file)
            tensors = weights.read(_is_convolution(weights.names))
        except (OSError, ValueError) as error:
            raise ModelError(str(error)) from error
        return tensors, "caffe" if file.suffix.lower() == ".npz" else weights.metadata.get("convention")
    state = torch_weights(file, ".pth, a .safetensors or an .npz")
    if not isinstance(state, Mapping):
        raise ModelError(f"{file} holds a {type(state).__name__}; give a state dict: names with tensors")
    wanted = {key: state[key] for key in _is_convolution(key for key in state if isinstance(key, str))}
    if amiss := [key for key, value in wanted.items() if not isinstance(value, Tensor)]:
        raise ModelError(f"{amiss[0]} of {file} is a {type(wanted[amiss[0]]).__name__}; give a state dict of tensors")
    return wanted, None


def _is_convolution(names: Iterable[str]) -> list[str]:
    return [name for name in names if _FEATURES.fullmatch(name) or _PLACE.fullmatch(name)]


def _renamed(tensors: Mapping[str, Tensor], name: str, file: Path) -> dict[str, Tensor]:
    """``conv1_1.weight`` ... for torchvision's ``features.0.weight`` ..., which also counts ReLU and pooling."""
    found = {int(match[1]) for key in tensors if (match := _FEATURES.fullmatch(key))}
    if found != set(_torchvision_numbers(name).values()):
        for other in ARCHITECTURES:
            if other != name and found == set(_torchvision_numbers(other).values()):
                raise ModelError(f"{file} holds {other}, not {name}; call it {other}")
        foreign = sorted(found - set(_torchvision_numbers(name).values()))
        if foreign:
            raise ModelError(
                f"{file} is not {name}, which has no features.{foreign[0]}; give one of torchvision's {name}"
            )
    return {
        f"conv{place}.{part}": tensors[f"features.{number}.{part}"]
        for place, number in _torchvision_numbers(name).items()
        for part in ("weight", "bias")
        if f"features.{number}.{part}" in tensors
    }


def _torchvision_numbers(name: str) -> dict[str, int]:
    """The place of each convolution among ``features``: each is followed by a ReLU, each level by pooling."""
    places = ARCHITECTURES[name].places()
    return {place: 2 * i + int(place[0]) - 1 for i, place in enumerate(places)}


def _choose_convention(asked: Convention | None, said: str | None, file: Path) -> Convention:
    if asked is not None and said is not None and asked != said and file.suffix.lower() == ".safetensors":
        raise ModelError(f"{file} says itself that it is of {said}'s convention, not {asked}'s")
    for convention in ("caffe", "torchvision"):
        if (asked or said) == convention:
            return convention
    raise ModelError(
        f"{file} does not say how pictures are prepared for it: as caffe (BGR, 0..255) or as torchvision (RGB, "
        "normalised); give its convention"
    )


def _check_convolutions(
    tensors: Mapping[str, Tensor], places: tuple[str, ...], name: str, file: Path
) -> dict[str, tuple[Tensor, Tensor]]:
    """Weight and bias of each convolution down to the deepest there is. Raises :class:`ModelError`."""
    there = {match[1] for key in tensors if (match := _PLACE.fullmatch(key))}
    if foreign := sorted(there - set(places)):
        raise ModelError(f"{file} is not {name}: it has conv{foreign[0]}; give {name}'s weights")
    deepest = max([places.index(place) for place in there] + [places.index(_NEEDED)])
    missing = [
        f"conv{place}.{part}"
        for place in places[: deepest + 1]
        for part in ("weight", "bias")
        if f"conv{place}.{part}" not in tensors
    ]
    if missing:
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise ModelError(f"{file} is not {name}: it has no {', '.join(missing[:4])}{more}; give {name}'s weights")
    kept, before = {}, 3
    for place in places[: deepest + 1]:
        weight, bias = tensors[f"conv{place}.weight"], tensors[f"conv{place}.bias"]
        if weight.shape[1:] != (before, 3, 3) or bias.shape != weight.shape[:1]:
            raise ModelError(
                f"conv{place} of {file} is {tuple(weight.shape)} with a bias {tuple(bias.shape)}; "
                f"{name} has (C, {before}, 3, 3) with (C,) there"
            )
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise ModelError(f"conv{place} of {file} contains NaN or infinity; get the file again")
        kept[place], before = (weight, bias), len(weight)
    return kept
