"""Installs models from files."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from impasto.errors import ModelError
from impasto.inference.ir.layers import Affine, Convolution, InstanceNorm, Residual, flatten_layers
from impasto.inference.ir.network import Network, Order
from impasto.inference.ir.stored import pack_network
from impasto.models.model import PAINTERS, Model, file_entry, read_manifest, write_manifest
from impasto.models.network_files import Format, format_of, read_file
from impasto.models.probing.isolated_probe import FoundGraph, read_graph, suffix_of
from impasto.models.published import Published, find_by_sha256
from impasto.models.store import NAME, VERSION, Store, check, parts, shipped

__all__ = ["add", "check_free", "digest", "suggest_name", "suggest_version"]

_KINDS = ("arbitrary", "per-style", "encoder", "base")
_LARGEST = 2**30
_UNKNOWN = "unknown"
_CARD = "MODEL_CARD.md"


@dataclass(frozen=True, slots=True)
class _Draft:
    """A model that is not installed yet: its files' contents by part, with the names they get."""

    kind: str
    files: dict[str, tuple[str, bytes]]
    rules: dict[str, Any]
    architecture: dict[str, Any]
    licence: str = ""
    source: str = ""


def add(
    paths: Path | Sequence[Path],
    *,
    name: str | None = None,
    version: str | None = None,
    licence: str | None = None,
    source: str = "",
    order: Order | None = None,
    range: Literal[1, 255] | None = None,  # noqa: A002
    index: int | None = None,
    store: Store | None = None,
) -> Model:
    """Recognise what is in ``paths``, install it in ``store`` and return the model.

    They are one file of a network of one style, the two of a pair that takes any style, of which one finds the other
    beside it, or one folder of a model, as training exports it. ``name`` is made of the files' names unless given,
    ``version`` is the next free number, ``licence`` and ``source`` are what the files say. ``order`` and ``range`` say
    how a graph takes pictures where that is known better than a trial finds it; ``index`` is a style's number, of a
    graph that takes one beside the picture. A file that is there already under
    that name is not added twice. A network of one style may have the name of one that comes with Impasto: that name
    means it from then on, until :meth:`Store.use` or :meth:`Store.remove` says otherwise.

    Nothing in the files is run as a program. Raises :class:`ModelError` for what is not a supported network, or broken,
    and where the name or version cannot be; :class:`OutputExists` where the version is there, :class:`OutputError`
    where it cannot be written.
    """
    store = Store() if store is None else store
    paths = [paths] if isinstance(paths, Path) else list(paths)
    if len(paths) == 1 and paths[0].is_dir():
        return _adopt(paths[0], name, version, licence, source, store)
    if not 1 <= len(paths) <= 2:
        raise ModelError(f"a model is of one file or two, not {len(paths)}; add one model at a time")
    held = [read_file(path) for path in paths]
    if order is None and range is None and (there := _find_installed(store, held, name, version, index)) is not None:
        return there
    draft = _recognise(paths, held, order, range, index)
    if name is None:
        name = _file_names([entry["file"] for entry in draft.architecture["made_of"]], draft.kind)
        name = name if index is None else f"{name}-{index}"
    check_free(name, version, draft.kind, store)
    version = version or suggest_version(name, store)
    with store.installing(f"{name}@{version}") as folder:
        entries = {}
        for part, (file, data) in draft.files.items():
            (folder / file).write_bytes(data)
            entries[part] = file_entry(folder / file)
        manifest = {
            "name": name,
            "version": version,
            "kind": draft.kind,
            "architecture": draft.architecture,
            "licence": licence or draft.licence or _UNKNOWN,
            "source": source or draft.source,
            "files": entries,
            "rules": draft.rules,
        }
        write_manifest(folder, manifest)
    return _activate_new(store, f"{name}@{version}", draft.kind)


def _activate_new(store: Store, identity: str, kind: str) -> Model:
    """The model that was just installed. Whoever adds a network under the name of one of ours wants theirs."""
    if kind == "per-style" and shipped(identity.partition("@")[0]):
        store.use(identity)
    return Model.read(store.folder / identity)


def _file_names(files: list[str], kind: str) -> str:
    name = suggest_name(files)
    if any(kind != "per-style" or model.kind != kind for model in shipped(name)):
        raise ModelError(
            f"{name} is the name of a model that comes with Impasto; choose another with --name (--name {name} adds a "
            "further version of that one)"
        )
    return name


def _find_installed(
    store: Store, held: list[bytes], name: str | None, version: str | None, index: int | None
) -> Model | None:
    """The model that was made of these files, or of these and another."""
    digests = {hashlib.sha256(data).hexdigest() for data in held}
    for model in store.models():
        made_of = model.architecture.get("made_of")
        known = {entry.get("sha256") for entry in made_of} if isinstance(made_of, list) else set()
        if (
            digests <= known
            and model.rules.get("index") == index
            and name in (None, model.name)
            and version in (None, model.version)
        ):
            return model
    return None


def _recognise(
    paths: list[Path], held: list[bytes], order: Order | None, peak: int | None, index: int | None
) -> _Draft:
    formats = []
    for path, data in zip(paths, held, strict=True):
        try:
            formats.append(format_of(data))
        except ModelError as error:
            raise ModelError(f"{path.name}: {error}") from error
    if all(found.graph for found in formats):
        return _graph(paths, held, formats[0], order, peak, index)
    if len(paths) > 1:
        raise ModelError(
            f"{paths[0].name} is of {formats[0].name} and {paths[1].name} of {formats[1].name}; two files make a model "
            "where they are a pair of ONNX or TensorFlow Lite: add one at a time"
        )
    if index is not None:
        raise ModelError(f"{paths[0].name} is of one style; leave out the index")
    if order is not None or peak is not None:
        raise ModelError(f"{paths[0].name} says how it takes pictures; leave out the order and the range")
    try:
        network = formats[0].read(held[0])
    except ModelError as error:
        raise ModelError(f"{paths[0].name}: {error}") from error
    return _layers(network, formats[0], paths[0], held[0])


def _layers(network: Network, found: Format, path: Path, data: bytes) -> _Draft:
    try:
        packed = pack_network(network)
    except ModelError:  # float16 has no numbers as large as its weights
        packed = pack_network(network, half=False)
    origin = find_by_sha256(hashlib.sha256(data).hexdigest())
    return _Draft(
        "per-style",
        {"network": ("network.safetensors", packed)},
        {
            "form": "layers",
            "multiple": network.multiple,
            "margin": network.margin,
            "smallest": network.smallest,
        },
        {
            "family": network.family,
            "reader": found.name,
            **_layer_rules(network),
            "made_of": _source_files({path.name: data}),
        },
        **_origin(origin, "", [path]),
    )


def _layer_rules(network: Network) -> dict[str, Any]:
    """What was recognised of a network of layers."""
    layers = list(flatten_layers(network.layers))
    kinds = {type(layer) for layer in layers}
    return {
        "width": next((int(layer.weight.shape[0]) for layer in layers if isinstance(layer, Convolution)), 0),
        "blocks": sum(isinstance(layer, Residual) for layer in network.layers),
        "normalisation": "instance" if InstanceNorm in kinds else "batch" if Affine in kinds else "none",
        "parameters": network.parameters,
        "order": network.preprocessing.order,
        "range": network.preprocessing.range,
    }


def _graph(
    paths: list[Path], held: list[bytes], found: Format, order: Order | None, peak: int | None, index: int | None
) -> _Draft:
    graph = read_graph(paths, held, order=order, peak=peak, index=index)
    if graph.is_pair and (order is not None or peak is not None):
        raise ModelError(f"{paths[0].name} is of a pair, which takes RGB in 0..1; leave out the order and the range")
    known = dict(zip(paths, held, strict=True))
    contents = {part: known.get(path) or read_file(path) for part, path in graph.parts.items()}
    files = {part: (f"{part}{suffix_of(data)}", data) for part, data in contents.items()}
    made_of = _source_files({path.name: contents[part] for part, path in graph.parts.items()})
    origin = find_by_sha256(hashlib.sha256(contents.get("transfer", held[0])).hexdigest())
    family = "ghiasi" if graph.is_pair else "graph"
    return _Draft(
        "arbitrary" if graph.is_pair else "per-style",
        files,
        dict(graph.rules),
        {"family": family, "reader": found.name, **graph.graph, **_preprocessing_rules(graph), "made_of": made_of},
        **_origin(origin, graph.metadata.licence, list(graph.parts.values())),
    )


def _preprocessing_rules(graph: FoundGraph) -> dict[str, Any]:
    """How a graph takes pictures, and where that is known from."""
    if graph.is_pair:
        return {"order": "RGB", "range": 1}
    taken = graph.rules["preprocessing"]
    found = {"order": taken["order"], "range": taken["range"]}
    found |= {"order_from": graph.recognised_by["order"], "range_from": graph.recognised_by["range"]}
    return found | ({"producer": graph.metadata.producer} if graph.metadata.producer else {})


def _origin(origin: Published | None, licence: str, files: list[Path]) -> dict[str, str]:
    """Whose it is: of a published file that is known, else what is said."""
    named = " and ".join(file.name for file in files)
    return {"licence": licence if origin is None else origin.licence, "source": origin.source if origin else named}


def _source_files(files: dict[str, bytes]) -> list[dict[str, str]]:
    made_of = [{"file": name, "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()]
    return sorted(made_of, key=lambda entry: entry["sha256"])


def _adopt(
    folder: Path, name: str | None, version: str | None, licence: str | None, source: str, store: Store
) -> Model:
    """Take over a folder that is a model: the files that its manifest names, and its card."""
    if not (folder / "manifest.json").is_file():
        raise ModelError(
            f"{folder} is a folder, and none that impasto train export wrote: its manifest.json cannot be read; give "
            "the file of a network"
        )
    given = Model.read(folder)
    check(given, given.identity)
    if given.kind not in _KINDS:
        raise ModelError(f"{folder} holds a model of kind {given.kind[:40]!r}; {', '.join(_KINDS)} are known")
    if given.kind in PAINTERS:
        for rule in ("multiple", "margin"):
            if not isinstance(given.rules.get(rule), int):
                raise ModelError(f"{folder}/manifest.json has no whole number {rule} among its rules; export it again")
    if given.size() > _LARGEST:
        raise ModelError(f"{folder} holds {given.size()} bytes; at most {_LARGEST} are allowed")
    given.verify()
    name = name or given.name
    check_free(name, version, given.kind, store)
    for model in store.models(name):
        if model.files == given.files and version in (None, model.version):
            return model
    if version is None:
        free = all(model.identity != f"{name}@{given.version}" for model in (*shipped(name), *store.models(name)))
        version = given.version if free else suggest_version(name, store)
    manifest = read_manifest(folder)
    manifest |= {"name": name, "version": version, "licence": licence or given.licence}
    if source:
        manifest["source"] = source
    with store.installing(f"{name}@{version}") as new:
        for entry in given.files.values():
            shutil.copyfile(folder / entry["file"], new / entry["file"])
        if (folder / _CARD).is_file():
            shutil.copyfile(folder / _CARD, new / _CARD)
        write_manifest(new, manifest)
    return _activate_new(store, f"{name}@{version}", given.kind)


def digest(file: Path) -> str:
    """The sha256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_LONGEST = 48
"""Style cards name models in 64 characters, version included."""


def suggest_name(files: Sequence[str]) -> str:
    """A name made of the files' names, of what they have in common: ``starry-night`` of ``starry_night.t7``."""
    stems = [file.rpartition(".")[0] or file for file in files]
    alike = next((at for at, letters in enumerate(zip(*stems, strict=False)) if len(set(letters)) > 1), None)
    common = stems[0][:alike]
    words = re.findall("[a-z0-9]+", (common if len(common) > 2 else stems[0]).lower())
    return "-".join(words)[:_LONGEST].strip("-") or "model"


def suggest_version(name: str, store: Store) -> str:
    """The next free version of ``name``: a whole number, or, under the name of a model that comes with Impasto, its
    version with another number after it, which no later one that ships will have."""
    ours = shipped(name)
    if not ours:
        return store.next_version(name)
    whole = max((model.version for model in ours), key=parts)
    taken, number = {model.version for model in store.models(name)}, 1
    while f"{whole}.{number}" in taken or (store.folder / f"{name}@{whole}.{number}").exists():
        number += 1
    return f"{whole}.{number}"


def check_free(name: str, version: str | None, kind: str, store: Store) -> None:
    """Raises :class:`ModelError` where no model of that kind may have that name and version."""
    if not NAME.fullmatch(name) or len(name) > _LONGEST:
        raise ModelError(
            f"{name[:80]!r} is not a name of a model; give small letters a-z and digits in words joined by "
            f"'-', at most "
            f"{_LONGEST} characters"
        )
    if version is not None and not VERSION.fullmatch(version):
        raise ModelError(f"{version[:40]!r} is not a version; give numbers like 1 or 1.2")
    for other in (*shipped(name), *store.models(name)):
        if other.kind != kind:
            raise ModelError(
                f"{name} is the name of a model of kind {other.kind}, and this one is of kind {kind}; choose another "
                "with --name"
            )
