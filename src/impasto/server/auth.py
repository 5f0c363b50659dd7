"""Keys: who asks, by an API key whose hash is on file."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from fastapi import Request
from starlette.exceptions import HTTPException

from impasto.errors import RequestError
from impasto.jobs.records.job import EVERYONE, check_id

__all__ = ["COOKIE", "Keys", "owner_of"]

COOKIE = "impasto_key"


class Keys:
    """Owners by the sha256 of their keys. Without a file, everyone is one owner."""

    def __init__(self, file: Path | None = None) -> None:
        """``file`` has a line ``OWNER:SHA256`` for each key, as ``impasto serve --new-key OWNER`` prints; empty lines
        and what follows ``#`` are passed over. Raises :class:`RequestError` for what it cannot read."""
        self._file, self._owners = file, dict[str, str]()
        self.read_again()

    def read_again(self) -> None:
        """Take what the file holds now. Raises :class:`RequestError` where it cannot be read or has no key: then all
        stays as it was."""
        file, owners = self._file, dict[str, str]()
        if file is None:
            return
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"the key file {file} cannot be read: {error}") from error
        for number, line in enumerate(lines, 1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            owner, _, digest = text.partition(":")
            if len(digest) != 64 or not set(digest.lower()) <= set("0123456789abcdef"):
                raise RequestError(f"line {number} of {file} is not OWNER:SHA256; make one with --new-key OWNER")
            owners[digest.lower()] = _check_owner(owner)
        if not owners:
            raise RequestError(f"the key file {file} has no key; make one with --new-key OWNER")
        self._owners = owners

    @property
    def asked(self) -> bool:
        """Whether a key is needed."""
        return bool(self._owners)

    def owner(self, key: str | None) -> str | None:
        """Whose key that is; None where it is nobody's."""
        if not self._owners:
            return EVERYONE
        digest = hashlib.sha256((key or "").encode()).hexdigest()
        found = None
        # All are compared, so that the time taken tells nothing.
        for known, owner in self._owners.items():
            if hmac.compare_digest(known, digest):
                found = owner
        return found

    @staticmethod
    def new(owner: str) -> tuple[str, str]:
        """A new key, and the line of it for the file. Raises :class:`RequestError` for what cannot be an owner."""
        key = secrets.token_urlsafe(32)
        return key, f"{_check_owner(owner)}:{hashlib.sha256(key.encode()).hexdigest()}"


def _check_owner(text: str) -> str:
    if check_id(text) == EVERYONE:
        # Whose are the styles and networks of the machine itself, and the jobs of the time without keys.
        raise RequestError(f"{EVERYONE!r} is the owner's name on a server without keys; give the owner another name")
    return text


async def owner_of(request: Request) -> str:
    """Who asks, by ``Authorization: Bearer`` or by the session's cookie. Answers 401 to strangers.

    Not in a thread: where all wait for what is away, /metrics is answered yet.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    key = given.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE)
    owner: str | None = request.app.state.keys.owner(key)
    if owner is None:
        raise HTTPException(401, "give a valid API key as 'Authorization: Bearer KEY'", {"WWW-Authenticate": "Bearer"})
    request.state.owner = owner  # for the log
    return owner
