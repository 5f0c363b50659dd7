"""TrainTask: a training for a worker, as a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from impasto.jobs.workers.messages import Source, pack_source, unpack_source
from impasto.jobs.workers.transport import Message
from impasto.picture.limits import MAX_PIXELS

__all__ = ["TrainTask"]


@dataclass(frozen=True, slots=True)
class TrainTask:
    """One style to be learnt, of a ``painting``, on ``photos``.

    ``network`` is the model to install, ``name@version``; ``source`` is what its manifest says of the painting, and
    ``origin`` of the job.
    ``run`` is the folder that the training is saved in every ``save_every`` seconds, and goes on from.
    """

    painting: Source
    photos: tuple[Source, ...]
    run: Path
    network: str
    minutes: float
    source: str = ""
    max_pixels: int = MAX_PIXELS
    save_every: float = 30.0
    origin: Mapping[str, str] = field(default_factory=dict)

    def to_message(self) -> Message:
        blobs: list[bytes] = []
        header = {
            "painting": pack_source(self.painting, blobs),
            "photos": [pack_source(photo, blobs) for photo in self.photos],
            "run": str(self.run.absolute()),
            "network": self.network,
            "minutes": self.minutes,
            "source": self.source,
            "max_pixels": self.max_pixels,
            "save_every": self.save_every,
            "origin": dict(self.origin),
        }
        return header, blobs

    @classmethod
    def from_message(cls, message: Message) -> TrainTask:
        header, blobs = message
        return cls(
            painting=unpack_source(header["painting"], blobs),
            photos=tuple(unpack_source(photo, blobs) for photo in header["photos"]),
            run=Path(header["run"]),
            network=header["network"],
            minutes=header["minutes"],
            source=header["source"],
            max_pixels=header["max_pixels"],
            save_every=header["save_every"],
            origin=header["origin"],
        )
