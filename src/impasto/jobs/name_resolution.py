"""NameResolver: which style cards, networks and models the names in an order stand for now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache

from impasto.errors import ImpastoError, ModelError
from impasto.jobs.owners.styles import Galleries
from impasto.jobs.records.blobs import Blobs
from impasto.jobs.records.job import Job
from impasto.models import find
from impasto.models.registry import own_network
from impasto.plugins import find_plugin
from impasto.styles import Gallery, StyleCard

__all__ = ["NameResolver"]

_DIGITS = 32
"""Of a digest: half of a fingerprint, and more than chance or malice can hit."""
_CARD = b"{"
_PAINTER = "instant"
_ENCODERS = ("vgg19", "pocket")
"""Of which the one that a request has without naming any depends on what is installed."""


class NameResolver:
    """A card or a model may be replaced by another of its name; two orders with equal names then ask for two things."""

    def __init__(self, galleries: Galleries, blobs: Blobs) -> None:
        self._galleries, self._blobs = galleries, blobs

    def fingerprint(self, sent: str, owner: str, settings: Mapping[str, object], styles: Iterable[str | bytes]) -> str:
        """Of an order of which ``sent`` is the digest of all that was sent: the same for what makes the same."""
        return sent[:_DIGITS] + self._digest(owner, settings, styles)

    def current_fingerprint(self, job: Job) -> str:
        """The fingerprint of a job, were it ordered now."""
        if job.kind == "train-style":
            return job.fingerprint  # it names nothing
        items = job.items if job.kind == "grid" else job.items[:1]
        given = [style for item in items for _, style in item.style]
        styles = [self._first_bytes(style.blob) if style.blob is not None else str(style.name) for style in given]
        return self.fingerprint(job.fingerprint, job.owner, job.settings, styles)

    def _first_bytes(self, sha256: str) -> bytes:
        """A style card's bytes; of a painting, which may be large, no more than tells it from one."""
        try:
            with self._blobs.path(sha256).open("rb") as stream:
                first = stream.read(1)
                return first + stream.read() if first == _CARD else first
        except OSError:
            return b""

    def _digest(self, owner: str, settings: Mapping[str, object], styles: Iterable[str | bytes]) -> str:
        gallery = self._galleries.for_owner(owner)
        facts: list[object] = [_model(str(settings.get("model") or _PAINTER))]
        if settings.get("engine") == "iterative":
            named = settings.get("encoder", "best")
            facts += [_model(name) for name in (_ENCODERS if named == "best" else (str(named),))]
        for style in styles:
            facts += _card(gallery, style) if isinstance(style, str) else _sent_card(style)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:_DIGITS]


def _card(gallery: Gallery, name: str) -> list[object]:
    """What a style of a gallery is made of."""
    try:
        found = gallery.find(name)
        if found is None:
            return [None]
        card = gallery.get(found)
    except ImpastoError:
        return [None]
    if not gallery.is_shipped(found):
        return [_of_bytes(card.to_bytes()), _model(card.network) if card.network else None]
    own = own_network(found)
    network = card.network if own is None else own.identity
    return [_shipped(card), _model(network) if network else None]


def _sent_card(data: bytes) -> list[object]:
    """The network that a card names which was sent; of a painting, nothing."""
    if data[:1] != _CARD:
        return []
    try:
        network = StyleCard.from_bytes(data).network
    except ImpastoError:
        return [None]
    return [_model(network) if network else None]


def _model(name: str) -> list[object]:
    try:
        model = find(name)
    except ModelError:
        plugin = find_plugin("impasto.encoders", name)
        return [] if plugin is None else [plugin.identity]
    return [model.identity, sorted(entry["sha256"] for entry in model.files.values())]


@lru_cache(maxsize=256)
def _shipped(card: StyleCard) -> str:
    """A card that does not change while the server runs, and is the same object all the time."""
    return _of_bytes(card.to_bytes())


def _of_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
