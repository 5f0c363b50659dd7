"""Model: weights with a manifest that says what they are, whose, and how to use them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from impasto.errors import ModelError
from impasto.models.mistaken_files import describe_mistaken_file

__all__ = ["PAINTERS", "Model", "file_entry", "read_manifest", "write_manifest"]

PAINTERS = ("arbitrary", "per-style")
"""The kinds of models that paint."""


@dataclass(frozen=True, slots=True)
class Model:
    """One version of one model in a folder of its own.

    ``files`` maps a part (``"transfer"``, ``"encoder"``) to its file's name and sha256. ``rules``
    holds what an engine must know: sizes, margins, the strength curve. ``architecture`` says what was recognised, or
    how the network is built, and ``source`` where it is from. ``origin`` says which job of a server trained it, and is
    empty for all that came by another way. Manifests may leave out these three.
    """

    name: str
    version: str
    kind: str
    licence: str
    path: Path
    files: Mapping[str, Mapping[str, str]]
    rules: Mapping[str, Any]
    architecture: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """``name@version``, as style cards and results name it."""
        return f"{self.name}@{self.version}"

    @classmethod
    def read(cls, folder: Path) -> Model:
        """Read ``folder/manifest.json``. Raises :class:`ModelError` where it is missing or malformed."""
        try:
            manifest = read_manifest(folder)
            return cls(
                manifest["name"],
                manifest["version"],
                manifest["kind"],
                manifest["licence"],
                folder,
                manifest["files"],
                manifest["rules"],
                dict(manifest.get("architecture") or {}),
                _source(manifest.get("source")),
                dict(manifest.get("origin") or {}),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(
                f"{folder.name}/manifest.json cannot be read ({error!r}); reinstall impasto or export again"
            ) from error

    def file(self, part: str) -> Path:
        """The path of a part, its sha256 checked. Raises :class:`ModelError` where it is missing or altered."""
        if part not in self.files:
            raise ModelError(f"{self.identity} has no {part}; it has {', '.join(sorted(self.files)) or 'no parts'}")
        entry = self.files[part]
        path = self.path / entry["file"]
        try:
            with path.open("rb") as stream:
                said = describe_mistaken_file(stream.read(512))
                stream.seek(0)
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(
                f"{path.name} of {self.identity} is missing ({error.strerror}); reinstall impasto, or get "
                "the model again"
            ) from error
        if found != entry["sha256"]:
            if said:
                raise ModelError(f"{path.name} of {self.identity} is {said}")
            expected = entry["sha256"]
            raise ModelError(
                f"{path.name} of {self.identity} has sha256 {found[:12]}..., not {expected[:12]}...; reinstall "
                "impasto, or get the model again"
            )
        return path

    def verify(self) -> None:
        """Check every file. Raises :class:`ModelError` at the first that is missing or altered."""
        for part in self.files:
            self.file(part)

    def size(self) -> int:
        """How many bytes its files take, of those that are there."""
        files = [self.path / entry["file"] for entry in self.files.values()]
        return sum(file.stat().st_size for file in files if file.is_file())


def _source(said: Any) -> str:
    """Encoders say theirs as a file with its sha256."""
    return said if isinstance(said, str) else str(said.get("file", "")) if isinstance(said, Mapping) else ""


def read_manifest(folder: Path) -> dict[str, Any]:
    """What ``folder/manifest.json`` says. Raises ``OSError`` and ``ValueError``."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return manifest


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write ``folder/manifest.json``, with the keys that :class:`Model` has. Raises :class:`OutputError`."""
    from impasto.picture.files import write_atomically  # not for whoever asks for help alone

    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    write_atomically(folder / "manifest.json", text.encode())


def file_entry(file: Path) -> dict[str, str]:
    """What a manifest says of a file: its name and sha256."""
    with file.open("rb") as stream:
        return {"file": file.name, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
