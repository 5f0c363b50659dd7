"""Networks: the models of one style that jobs trained, and whose they are."""

from __future__ import annotations

import hashlib
import re
import threading
from contextlib import suppress

from impasto.errors import ModelError, StyleExists, UnknownStyle
from impasto.jobs.owners.styles import Galleries
from impasto.jobs.records.job import EVERYONE, Job
from impasto.models import Model, Store, models
from impasto.styles import StyleCard

__all__ = ["Networks"]

_TRAINED = re.compile(r".+?(?:-(?P<owner>[0-9a-f]{8}))?-[0-9a-f]{8}")
"""What a job's network may be called. An operator's may be, too: what is here says itself whose it is."""
_JOB, _OWNER = "job", "owner"


class Networks:
    """All lie in the one store of this machine. Their manifests tell which job's they are, and whose; no two jobs' have
    the same name, and an owner neither sees nor may name another's. Safe to use from several threads."""

    def __init__(self, galleries: Galleries) -> None:
        self._galleries, self._lock = galleries, threading.Lock()

    def identity(self, job: Job) -> str:
        """What the network of a training is called, ``name@version``. An id may be given again; a moment is not."""
        mark = _short_digest(f"{job.owner}/{job.id}/{job.created!r}")
        owner = _owner_mark(job.owner)
        return f"{job.settings['name']}{'-' if owner else ''}{owner}-{mark}@1"

    def origin(self, job: Job) -> dict[str, str]:
        """What the manifest of a training's network says of where it is from; nothing that tells an owner's name."""
        return {_JOB: _short_digest(f"{job.owner}/{job.id}/{job.created!r}"), _OWNER: _owner_mark(job.owner)}

    def visible(self, owner: str) -> list[Model]:
        """Every model here that is not another owner's."""
        return [model for model in models() if _is_open(model, owner)]

    def is_visible(self, owner: str, model: str) -> bool:
        """Whether a model, ``name`` or ``name@version``, is not another owner's."""
        name = model.partition("@")[0]
        if here := Store().models(name):
            return all(_is_open(one, owner) for one in here)
        # One that is being trained, or was.
        found = _TRAINED.fullmatch(name)
        return owner == EVERYONE or not found or found["owner"] in (None, _short_digest(owner))

    def publish(self, owner: str, card: bytes) -> None:
        """Put the style card of a network into the owner's gallery, unless it is there.

        Raises :class:`StyleExists` where another style has got the name meanwhile.
        """
        new, gallery = StyleCard.from_bytes(card), self._galleries.for_owner(owner)
        with self._lock:
            with suppress(UnknownStyle):
                if gallery.get(new.name).network == new.network:
                    return
            try:
                gallery.add(new)
            except StyleExists as error:
                raise StyleExists(
                    f"the name {new.name} was given to another style while the network learnt; remove that style, then "
                    "retry this job: what was learnt is kept"
                ) from error

    def is_published(self, job: Job) -> bool:
        """Whether the style of a training is in its owner's gallery."""
        with suppress(UnknownStyle):
            card = self._galleries.for_owner(job.owner).get(str(job.settings["name"]))
            return card.network == self.identity(job)
        return False

    def withdraw(self, network: str) -> None:
        """Remove a network that a job trained, unless a style card names it. Others stay: they came by another way."""
        name = network.partition("@")[0]
        with self._lock:
            trained = [model for model in Store().models(name) if _JOB in model.origin]
            if trained and all(name != card.network.partition("@")[0] for card in self._galleries.own()):
                for model in trained:
                    with suppress(ModelError):
                        Store().remove(model.identity)


def _is_open(model: Model, owner: str) -> bool:
    """Whether an owner may know of a model."""
    return owner == EVERYONE or model.origin.get(_OWNER, "") in ("", _owner_mark(owner))


def _owner_mark(owner: str) -> str:
    """That of everyone is none."""
    return "" if owner == EVERYONE else _short_digest(owner)


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
