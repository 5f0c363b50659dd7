"""Client: talks to a server."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from impasto.client.connection import QUICK, Connection
from impasto.client.job import RemoteJob, RemotePastiche
from impasto.client.multipart import Source, multipart_form, picture_parts
from impasto.client.retry import Retry
from impasto.client.training_photos import load_training_photos

__all__ = ["Client"]

_ACCEPTED = 202


class Client:
    """Talks to a server. Safe to use from several threads.

    >>> from impasto import Client
    >>> with Client("http://127.0.0.1:8000") as server:
    ...     painted = server.stylize("photo.jpg", "starry-night")
    ...     job = server.submit("photo.jpg", "starry-night", kind="grid")
    ...     fine = job.wait().result()
    >>> painted[:2].hex(), job.state
    ('ffd8', 'done')
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        timeout: float = 120.0,
        retry: Retry | None = None,
    ) -> None:
        """``key`` is an API key, by default ``$IMPASTO_API_KEY``; ``timeout`` is in seconds, for one request.
        With a ``retry``, a server that is busy or away is asked again for a while; without, that is an error at once.

        Raises :class:`MissingExtra` without httpx, and :class:`RequestError` for what is not an address or a key.
        """
        self._connection = Connection(url, key, timeout, retry)

    @property
    def url(self) -> str:
        """The address of the server, without a password."""
        return self._connection.url

    def stylize(self, content: Source, style: object = None, **settings: Any) -> bytes:
        """The pastiche's file. ``style`` and ``settings`` as for :meth:`submit`.

        Raises an :class:`ImpastoError` with the ``code`` and the sentence that the server answers with:
        :class:`Busy` and :class:`KeyRefused` among them; and :class:`NoAnswer` where there is no server.
        """
        return self.pastiche(content, style, **settings).data

    def pastiche(self, content: Source, style: object = None, **settings: Any) -> RemotePastiche:
        """The same with what the server tells of it. Raises as :meth:`stylize`."""
        if settings.get("engine") == "iterative" or settings.get("preset"):
            return self.submit(content, style, **settings).wait().pastiche()
        answer = self._connection.request("POST", "/v1/stylize", **multipart_form(content, style, settings))
        if answer.status_code == _ACCEPTED:
            # It would have taken too long: the server made a job of it.
            return RemoteJob(self._connection, answer.json()).wait().pastiche()
        try:
            width, height = map(int, answer.headers["impasto-size"].split("x"))
            seconds, model = float(answer.headers["impasto-seconds"]), str(answer.headers["impasto-model"])
        except (KeyError, ValueError) as error:
            raise self._connection.foreign_answer_error(answer) from error
        return RemotePastiche(answer.content, (width, height), seconds, model)

    def submit(
        self,
        content: Source | Sequence[Source],
        style: object = None,
        *,
        kind: str = "stylize",
        id: str | None = None,
        priority: int = 5,
        **settings: Any,
    ) -> RemoteJob:
        """Make a job; the same again under the same ``id`` is that job.

        ``style`` is the name of a gallery style, a painting's path or bytes, or a sequence of these, or a mapping to
        weights; none is needed where the setting ``model`` names a network of one style. ``settings`` are those of
        :class:`impasto.Request`. ``kind`` is ``stylize``, ``grid`` or ``batch``. Raises as :meth:`stylize`.
        """
        fields = multipart_form(content, style, settings | {"kind": kind, "priority": priority})
        return self._made(id, fields)

    def train_style(
        self,
        painting: Source,
        photos: str | os.PathLike[str] | Sequence[Source],
        *,
        name: str,
        minutes: float = 20.0,
        id: str | None = None,
        **texts: str,
    ) -> RemoteJob:
        """Have a network learn the style of a painting on photographs: a job, whose style is in the gallery at its end.

        ``photos`` is a folder of pictures, or paths and bytes. At most 300 are sent, scaled down to what is looked at;
        one that cannot be read is left out, with a warning.
        ``name`` is the new style's; ``texts`` are its ``title``, ``artist``, ``date`` and ``source``.
        :meth:`RemoteJob.keep` ends it early with what was learnt. Raises as :meth:`stylize`, and
        :class:`PictureError` where none can be read.
        """
        sent = picture_parts("content", load_training_photos(photos)) + picture_parts("style", painting)
        told = {"kind": "train-style", "name": name, "minutes": str(minutes), **texts}
        return self._made(id, {"files": sent, "data": told})

    def job(self, id: str) -> RemoteJob:
        """The job of that id."""
        return RemoteJob(self._connection, self._connection.request_json("GET", f"/v1/jobs/{id}"))

    def jobs(self) -> list[RemoteJob]:
        """The newest jobs, at most 200."""
        return [
            RemoteJob(self._connection, job)
            for job in self._connection.request_json("GET", "/v1/jobs", params={"limit": 200})["jobs"]
        ]

    def remove_job(self, id: str) -> None:
        """Remove a job and its pictures. Raises as :meth:`stylize`."""
        self._connection.request("DELETE", f"/v1/jobs/{id}", timeout=QUICK)

    def styles(self) -> list[dict[str, Any]]:
        """The gallery, boldest first: names, titles, artists, where the works hang, aliases, swatches."""
        found: list[dict[str, Any]] = self._connection.request_json("GET", "/v1/styles")["styles"]
        return found

    def add_style(self, name: str, pictures: Source | Sequence[Source], **texts: str) -> dict[str, Any]:
        """Make a style of paintings, or of a style card, and keep it in the gallery; what is known of it.

        ``texts`` are its ``title``, ``artist``, ``date`` and ``source``. Raises as :meth:`stylize`.
        """
        return self._connection.request_json(
            "POST", "/v1/styles", files=picture_parts("picture", pictures), data={"name": name, **texts}
        )

    def remove_style(self, name: str) -> None:
        """Remove a style that you added from the gallery. Raises as :meth:`stylize`."""
        self._connection.request("DELETE", f"/v1/styles/{quote(name, safe='')}")

    def status(self) -> dict[str, Any]:
        """Version, workers, queue and models of the server. Raises as :meth:`stylize`."""
        return self._connection.request_json("GET", "/v1/status", timeout=QUICK)

    def _made(self, id: str | None, fields: dict[str, Any]) -> RemoteJob:
        if id is None and self._connection.retry is not None:
            id = uuid.uuid4().hex  # an answer that is lost is asked for again, and is of the same job
        path = "/v1/jobs" if id is None else f"/v1/jobs/{id}"
        return RemoteJob(
            self._connection, self._connection.request_json("POST" if id is None else "PUT", path, **fields)
        )

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()
