"""ICC profiles: from a file's own colours to sRGB, and the sRGB profile that every result carries."""

from __future__ import annotations

from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

__all__ = ["srgb", "to_srgb"]

_SPACES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "Lab": "LAB"}
_TOLERANCE = 1
_EVERY_LEVEL = ImageCms.Flags.GRIDPOINTS(255)  # of grey; by default Little CMS knows 33, and guesses between them
_CREATED = slice(24, 36)


@cache
def srgb() -> bytes:
    """The sRGB profile as bytes, the same on every run."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Little CMS stamps the time of day; equal pictures must make equal files.
    profile[_CREATED] = np.array([2000, 1, 1, 0, 0, 0], ">u2").tobytes()
    return bytes(profile)


def to_srgb(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from ``icc`` to 8-bit sRGB for images of ``mode`` (L, RGB, CMYK or LAB).

    ``None`` where there is nothing to do: no profile, one that is broken or made for another colour
    space, or one that is sRGB in all but name.
    """
    if not icc:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(icc))
        if _SPACES.get(source.profile.xcolor_space.strip()) != mode:
            return None
        transform = ImageCms.buildTransform(
            source,
            ImageCms.ImageCmsProfile(BytesIO(srgb())),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION | (_EVERY_LEVEL if mode == "L" else 0),
        )
        return None if _changes_nothing(transform, mode) else transform
    except Exception:  # a profile is hostile input, and a picture without one is still a picture
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    if mode not in ("L", "RGB"):
        return False
    levels = np.linspace(0, 255, 18).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 18, 3)
    probe = Image.fromarray(np.ascontiguousarray(cube if mode == "RGB" else cube[..., 0]))
    after = transform.apply(probe)
    difference = np.asarray(after, np.int16) - np.asarray(probe.convert("RGB"), np.int16)
    return bool(np.abs(difference).max() <= _TOLERANCE)
