"""Client: talks to a server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from impasto.client.errors import Busy, KeyRefused, NoAnswer, coded
from impasto.client.job import QUICK, RemoteJob, RemotePastiche
from impasto.client.multipart import Source, files, form
from impasto.client.training_photos import album
from impasto.errors import ImpastoError, MissingExtra, RequestError

if TYPE_CHECKING:
    import httpx

__all__ = ["Client"]

_ACCEPTED = 202
_AWAY = (502, 503, 504)
"""What a proxy answers with where it finds no server."""


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

    def __init__(self, url: str = "http://127.0.0.1:8000", *, key: str | None = None, timeout: float = 120.0) -> None:
        """``key`` is an API key, by default ``$IMPASTO_API_KEY``; ``timeout`` is in seconds, for one request.

        Raises :class:`MissingExtra` without httpx, and :class:`RequestError` for what is no address or no key.
        """
        try:
            import httpx
        except ImportError as error:
            raise MissingExtra("the client", "client") from error
        key = (key or os.environ.get("IMPASTO_API_KEY") or "").strip()
        if not (key.isascii() and key.isprintable()):
            raise RequestError("the API key holds characters that no key has; give one as it was printed")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = _checked(url)
        # Redirections are not followed, so that no other host ever sees the key.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, follow_redirects=False)

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
        answer = self._ask("POST", "/v1/stylize", **form(content, style, settings))
        if answer.status_code == _ACCEPTED:
            # It would have taken too long: the server made a job of it.
            return RemoteJob(self, answer.json()).wait().pastiche()
        try:
            width, height = map(int, answer.headers["impasto-size"].split("x"))
            seconds, model = float(answer.headers["impasto-seconds"]), str(answer.headers["impasto-model"])
        except (KeyError, ValueError) as error:
            raise self._stranger(answer) from error
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
        fields = form(content, style, settings | {"kind": kind, "priority": priority})
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
        sent = files("content", album(photos)) + files("style", painting)
        told = {"kind": "train-style", "name": name, "minutes": str(minutes), **texts}
        return self._made(id, {"files": sent, "data": told})

    def job(self, id: str) -> RemoteJob:
        """The job of that id."""
        return RemoteJob(self, self._told("GET", f"/v1/jobs/{id}"))

    def jobs(self) -> list[RemoteJob]:
        """The newest jobs, at most 200."""
        return [RemoteJob(self, job) for job in self._told("GET", "/v1/jobs", params={"limit": 200})["jobs"]]

    def styles(self) -> list[dict[str, Any]]:
        """The gallery, boldest first: names, titles, artists, where the works hang, aliases, swatches."""
        found: list[dict[str, Any]] = self._told("GET", "/v1/styles")["styles"]
        return found

    def add_style(self, name: str, pictures: Source | Sequence[Source], **texts: str) -> dict[str, Any]:
        """Make a style of paintings, or of a style card, and keep it in the gallery; what is known of it.

        ``texts`` are its ``title``, ``artist``, ``date`` and ``source``. Raises as :meth:`stylize`.
        """
        return self._told("POST", "/v1/styles", files=files("picture", pictures), data={"name": name, **texts})

    def remove_style(self, name: str) -> None:
        """Remove a style of one's own from the gallery. Raises as :meth:`stylize`."""
        self._ask("DELETE", f"/v1/styles/{quote(name, safe='')}")

    def status(self) -> dict[str, Any]:
        """Version, workers, queue and models of the server. Raises as :meth:`stylize`."""
        return self._told("GET", "/v1/status", timeout=QUICK)

    def _made(self, id: str | None, fields: dict[str, Any]) -> RemoteJob:
        path = "/v1/jobs" if id is None else f"/v1/jobs/{id}"
        return RemoteJob(self, self._told("POST" if id is None else "PUT", path, **fields))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()

    def _told(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        """The answer's JSON."""
        answer = self._ask(method, path, **what)
        try:
            found: dict[str, Any] = answer.json()
        except ValueError as error:
            raise self._stranger(answer) from error
        return found

    def _ask(self, method: str, path: str, **what: Any) -> httpx.Response:
        import httpx

        try:
            answer = self._http.request(method, path, **what)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise NoAnswer(
                f"the server {self.url} does not answer ({reason}); start it, or check the address"
            ) from error
        if not answer.is_success:
            raise self._error(answer)
        return answer

    def _error(self, answer: httpx.Response) -> ImpastoError:
        try:
            document = answer.json()
            code, message = str(document["code"]), str(document["detail"])
        except (ValueError, KeyError, TypeError):
            if answer.status_code in _AWAY:
                return NoAnswer(f"the server {self.url} is not there (status {answer.status_code}); try again later")
            if answer.status_code != Busy.status:
                return self._stranger(answer)
            code, message = Busy.code, f"the server {self.url} has too much to do; try again later"
        if answer.status_code == KeyRefused.status:
            return KeyRefused(f"the server {self.url} asks for a valid API key; set IMPASTO_API_KEY to yours")
        if answer.status_code == Busy.status:
            busy = Busy(message, _seconds(answer.headers.get("retry-after")))
            busy.code = code  # type: ignore[misc]
            return busy
        return coded(code, message, answer.status_code)

    def _stranger(self, answer: httpx.Response) -> ImpastoError:
        if answer.has_redirect_location:
            return ImpastoError(f"the server {self.url} sends on to {answer.headers['location']}; give that address")
        return ImpastoError(
            f"{self.url} answered {answer.status_code} to {answer.request.url.path}, and not as an Impasto server "
            "does; check the address"
        )


def _checked(url: str) -> str:
    """An address as it may be shown: without a password. Raises :class:`RequestError`."""
    import httpx

    try:
        parsed = httpx.URL(url)
        if parsed.scheme in ("http", "https") and parsed.host:
            return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}{parsed.path.rstrip('/')}"
    except (httpx.InvalidURL, ValueError):
        pass
    raise RequestError(
        f"the server is {url!r}; give an address with http:// or https://, such as http://localhost:8000"
    )


def _seconds(text: str | None) -> float:
    """What ``Retry-After`` says; a date is not read."""
    try:
        return max(0.0, float(text or ""))
    except ValueError:
        return 5.0
