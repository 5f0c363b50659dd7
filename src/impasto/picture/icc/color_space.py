"""Colour spaces as numbers: primaries, white and transfer function, and the ICC profile that says the same."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

__all__ = ["ADOBE_RGB", "SRGB", "ColorSpace", "cicp_color_space", "power"]

Curve = Callable[[np.ndarray[Any, np.dtype[np.float64]]], np.ndarray[Any, np.dtype[np.float64]]]
Point = tuple[float, float]

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_ENTRIES = 4096
_DIFFUSE_WHITE = 203.0
"""Candelas per square metre that reference white has in high dynamic range (ITU-R BT.2408)."""


@dataclass(frozen=True, slots=True)
class ColorSpace:
    """CIE 1931 xy of white, red, green and blue; ``light`` gives linear light, both in 0..1."""

    white: Point
    red: Point
    green: Point
    blue: Point
    light: Curve

    def profile(self, mode: str) -> bytes:
        """An ICC profile (version 2) for pictures of ``mode``, ``L`` or ``RGB``.

        Raises ``ValueError`` where the points make no colour space.
        """
        to_xyz = self._to_xyz()
        table: bytes = np.rint(self.light(np.linspace(0, 1, _ENTRIES)).clip(0, 1) * 65535).astype(">u2").tobytes()
        curve = b"curv\0\0\0\0" + struct.pack(">I", _ENTRIES) + table
        tags = {b"wtpt": _xyz(_D50)}
        if mode == "L":
            tags[b"kTRC"] = curve
        else:
            for name, column in zip((b"r", b"g", b"b"), to_xyz.T, strict=True):
                tags |= {name + b"XYZ": _xyz(column), name + b"TRC": curve}
        return _icc(b"GRAY" if mode == "L" else b"RGB ", tags)

    def _to_xyz(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Linear light to XYZ under D50, the white of all profiles."""
        for x, y in (self.white, self.red, self.green, self.blue):
            if not (np.isfinite([x, y]).all() and 0 < y <= 1 and 0 <= x <= 1):
                raise ValueError(f"{x:g}, {y:g} is not a colour")
        white = _upright(self.white)
        primaries = np.stack([_upright(point) for point in (self.red, self.green, self.blue)], axis=1)
        if abs(np.linalg.det(primaries)) < 1e-6:
            raise ValueError("the primaries lie on a line")
        cones = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
        return np.asarray(
            np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ (primaries * np.linalg.solve(primaries, white))
        )


def _upright(point: Point) -> np.ndarray[Any, np.dtype[np.float64]]:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _xyz(value: np.ndarray[Any, np.dtype[np.float64]]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in value))


def _icc(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    head = struct.pack(">I4sI4s4s4s", 0, b"\0\0\0\0", 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _xyz(_D50)[8:]
    head = head.ljust(128, b"\0") + struct.pack(">I", len(tags))
    at, table, body = len(head) + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]


def power(exponent: float) -> Curve:
    """Light as a power of the value."""
    return lambda v: v**exponent


def _linear_then_power(slope: float, a: float, gamma: float, end: float) -> Curve:
    """A straight piece, then a power: the inverse of an encoding with offset ``a``."""
    return lambda v: np.where(v < end * slope, v / slope, ((v + a) / (1 + a)) ** gamma)


def _pq(v: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    root = v ** (32 / 2523)
    light = (np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610)
    return np.asarray(light * (10_000 / _DIFFUSE_WHITE))


def _hlg(v: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(v <= 0.5, v * v / 3, (np.exp((v - c) / a) + b) / 12)
    return np.asarray(scene**1.2 * (1000 / _DIFFUSE_WHITE))


def _logarithmic(decades: float, v: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.where(v <= 0, 0, 10 ** (decades * (v - 1)))


_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_SMPTE = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_PRIMARIES: dict[int, tuple[Point, tuple[Point, Point, Point]]] = {
    1: (_D65, _BT709),
    4: (_C, ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08))),
    5: (_D65, ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06))),
    6: (_D65, _SMPTE),
    7: (_D65, _SMPTE),
    8: (_C, ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049))),
    9: (_D65, ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))),
    11: ((0.314, 0.351), _P3),
    12: (_D65, _P3),
    22: (_D65, ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077))),
}
_SRGB_CURVE = _linear_then_power(12.92, 0.055, 2.4, 0.0031308)
_BT709_CURVE = _linear_then_power(4.5, 0.099, 1 / 0.45, 0.018)
_TRANSFERS: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 11, 12, 14, 15), _BT709_CURVE),
    4: power(2.2),
    5: power(2.8),
    7: _linear_then_power(4.0, 0.1115, 1 / 0.45, 0.0228),
    8: power(1.0),
    9: partial(_logarithmic, 2.0),
    10: partial(_logarithmic, 2.5),
    13: _SRGB_CURVE,
    16: _pq,
    17: lambda v: v**2.6 * (52.37 / 48),
    18: _hlg,
}

SRGB = ColorSpace(_D65, *_BT709, _SRGB_CURVE)
ADOBE_RGB = ColorSpace(_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06), power(563 / 256))


def cicp_color_space(primaries: int, transfer: int) -> ColorSpace | None:
    """The space of code points of ITU-T H.273 (CICP, nclx); those of sRGB where one is unknown, ``None`` for both.

    Of high dynamic range, what is brighter than its reference white becomes white.
    """
    if primaries not in _PRIMARIES and transfer not in _TRANSFERS:
        return None
    white, points = _PRIMARIES.get(primaries, (_D65, _BT709))
    return ColorSpace(white, *points, _TRANSFERS.get(transfer, _SRGB_CURVE))
