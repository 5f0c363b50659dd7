"""AllowedHosts: the names by which a server may be addressed."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection

from impasto.errors import RequestError

__all__ = ["AllowedHosts", "is_loopback", "same_origin"]

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/@?#\s]+)(?::(\d{0,5}))?")
_PORTS = {"http": 80, "https": 443}


class AllowedHosts:
    """Those that a ``Host`` header may name.

    A name that an attacker owns may resolve to this machine (DNS rebinding), and then the attacker's page is of one
    origin with this server. An address has no owner who could have it resolve to another, so it is harmless.
    """

    def __init__(self, names: Collection[str], *, any_address: bool = False) -> None:
        """``names`` are names and addresses, beside ``localhost`` and those of the loopback. With ``any_address`` every
        address is taken, as by a server that listens at all of its machine. Raises :class:`RequestError` for what is
        no name."""
        self._any_address = any_address
        self._names = {"localhost"}
        for name in names:
            split = _split(f"[{name}]" if name.count(":") > 1 and "[" not in name else name)
            if split is None:
                raise RequestError(f"{name[:80]!r} is not a host name; give one such as impasto.example.org")
            self._names.add(split[0])

    @classmethod
    def of(cls, address: str, names: Collection[str]) -> AllowedHosts:
        """Those of a server that listens at ``address``, and is called ``names`` besides."""
        if is_loopback(address):
            return cls([address, *names])
        # What this machine calls itself, no stranger can own: it is a name of the local network.
        own = socket.gethostname()
        known = [name for name in (own, f"{own.partition('.')[0]}.local") if _split(name)]
        return cls([address, *known, *names], any_address=True)

    def __contains__(self, host: str) -> bool:
        split = _split(host)
        if split is None:
            return False
        name = split[0]
        return name in self._names or (_is_address(name) and (self._any_address or is_loopback(name)))


def same_origin(origin: str, scheme: str, host: str) -> bool:
    """Whether a page of ``origin`` is one of the server that was asked for by ``host`` and ``scheme``."""
    theirs, _, named = origin.partition("://")
    left, right = _split(named), _split(host)
    if left is None or right is None or theirs.lower() != scheme:
        return False
    port = _PORTS.get(scheme)
    return (left[0], left[1] or port) == (right[0], right[1] or port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _split(host: str) -> tuple[str, int | None] | None:
    """A name as it is compared, and its port; None where it is neither name nor address."""
    found = _HOST.fullmatch(host)
    if found is None:
        return None
    name = found[1].lower().removesuffix(".")
    if _is_address(name):
        address = str(ipaddress.ip_address(name.strip("[]")))
        name = f"[{address}]" if ":" in address else address
    elif not name or name.startswith("["):
        return None
    return name, int(found[2]) if found[2] else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
