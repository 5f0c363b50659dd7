"""Connection: requests to a server, and its answers or the errors that they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from impasto.client.errors import Busy, KeyRefused, NoAnswer, error_of_code
from impasto.client.retry import Retry
from impasto.errors import ImpastoError, MissingExtra, RequestError

if TYPE_CHECKING:
    import httpx

__all__ = ["QUICK", "Connection"]

QUICK = 20.0
"""Seconds for an answer that takes no painting."""
_AWAY = (502, 503, 504)
"""What a proxy answers with where it finds no server."""


class Connection:
    """To one server. Safe to use from several threads."""

    def __init__(self, url: str, key: str | None, timeout: float, retry: Retry | None) -> None:
        """As :class:`impasto.Client` takes them."""
        try:
            import httpx

            if retry is not None:
                import tenacity  # noqa: F401
        except ImportError as error:
            raise MissingExtra("the client", "client") from error
        key = (key or os.environ.get("IMPASTO_API_KEY") or "").strip()
        if not (key.isascii() and key.isprintable()):
            raise RequestError("the API key contains invalid characters; give it as it was printed")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = _checked_url(url)
        # Redirections are not followed, so that no other host ever sees the key.
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, follow_redirects=False)
        self.retry = retry

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request_json(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        """The JSON of the answer to a request. Raises as :meth:`request`."""
        answer = self.request(method, path, **what)
        try:
            found: dict[str, Any] = answer.json()
        except ValueError as error:
            raise self.foreign_answer_error(answer) from error
        return found

    def request(self, method: str, path: str, **what: Any) -> httpx.Response:
        """The answer to a request that may be made twice.

        Raises an :class:`ImpastoError` with the ``code`` and the sentence that the server answers with, :class:`Busy`
        and :class:`KeyRefused` among them; and :class:`NoAnswer` where there is no server.
        """
        if self.retry is None:
            return self._request_once(method, path, **what)
        return self.retry.call(lambda: self._request_once(method, path, **what))

    def _request_once(self, method: str, path: str, **what: Any) -> httpx.Response:
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
                return self.foreign_answer_error(answer)
            code, message = Busy.code, f"the server {self.url} is busy; try again later"
        if answer.status_code == KeyRefused.status:
            return KeyRefused(f"the server {self.url} asks for a valid API key; set IMPASTO_API_KEY to yours")
        if answer.status_code == Busy.status:
            busy = Busy(message, _seconds(answer.headers.get("retry-after")))
            busy.code = code  # type: ignore[misc]
            return busy
        return error_of_code(code, message, answer.status_code)

    def foreign_answer_error(self, answer: httpx.Response) -> ImpastoError:
        """The error of an answer that no Impasto server gives."""
        if answer.has_redirect_location:
            return ImpastoError(f"the server {self.url} redirects to {answer.headers['location']}; give that address")
        return ImpastoError(
            f"{self.url} answered {answer.status_code} to {answer.request.url.path}, and not as an Impasto server "
            "does; check the address"
        )


def _checked_url(url: str) -> str:
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
