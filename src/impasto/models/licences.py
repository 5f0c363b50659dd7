"""Licences: which of them let a model be used for money."""

from __future__ import annotations

import re

__all__ = ["permits_commercial"]

_COMMERCIAL = frozenset(
    {
        "0BSD",
        "AFL-3.0",
        "Apache-2.0",
        "Artistic-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC-BY-3.0",
        "CC-BY-4.0",
        "CC-BY-SA-3.0",
        "CC-BY-SA-4.0",
        "CC0-1.0",
        "CDLA-Permissive-2.0",
        "ISC",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""By SPDX id. What is not here, or says more than an id, is left to its reader."""


def permits_commercial(licence: str) -> bool:
    """Whether a licence, an SPDX id or several joined by ``OR`` or ``AND``, is known to permit commercial use."""
    if " OR " in licence and " AND " in licence:  # which goes first would have to be parsed
        return False
    several = re.split(r" (?:OR|AND) ", licence.strip())
    known = [part in _COMMERCIAL for part in several]
    return any(known) if " OR " in licence else all(known)
