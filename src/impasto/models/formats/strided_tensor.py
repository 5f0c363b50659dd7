"""Strided: a tensor as the files of Torch and PyTorch keep it, a window on a run of numbers that others may share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from impasto.errors import ModelError
from impasto.inference.ir.layers import Array
from impasto.inference.ir.safetensors_file import widen

__all__ = ["Allowance", "Strided"]

_RANK = 8
_LARGEST = 2**48


@dataclass(frozen=True, slots=True, eq=False)
class Strided:
    """``shape`` over ``values`` (one-dimensional), from ``offset`` on, ``strides`` apart, all counted in numbers.

    Raises :class:`ModelError` where it does not lie within ``values``. ``brief`` marks bfloat16, kept as uint16.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    values: np.ndarray[Any, Any]
    brief: bool = False

    def __post_init__(self) -> None:
        if len(self.shape) != len(self.strides) or len(self.shape) > _RANK:
            raise ModelError(f"a tensor has {len(self.shape)} dimensions and {len(self.strides)} strides")
        if min((*self.shape, *self.strides, self.offset), default=0) < 0:
            raise ModelError("a tensor has a length, a stride or an offset below 0; get the file again")
        if not self.count:
            if math.prod(max(1, length) for length in self.shape) > _LARGEST:
                raise ModelError("a tensor of no numbers is larger than any file; get the file again")
            return
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        if last >= self.values.size:
            raise ModelError(f"a tensor reaches to number {last} of {self.values.size}; get the file again")

    @property
    def count(self) -> int:
        """How many numbers it seems to have; strides of 0 repeat them."""
        return math.prod(self.shape)


class Allowance:
    """How many numbers may be copied out of one file: tensors that share theirs could otherwise fill the memory."""

    def __init__(self, count: int) -> None:
        self._left = count

    def take(self, tensor: Strided, what: str) -> Array:
        """The tensor on its own, in float32. Raises :class:`ModelError` where the file cannot mean that."""
        if tensor.count > tensor.values.size:
            raise ModelError(f"{what} repeats {tensor.values.size} numbers up to {tensor.count}; weights do not")
        self._left -= tensor.count
        if self._left < 0:
            raise ModelError(f"{what} and what is before it use the same numbers again and again; weights do not")
        if not tensor.count:
            return np.zeros(tensor.shape, np.float32)
        size = tensor.values.itemsize
        # The stride of a single row is never taken, and may be any number.
        strides = [stride * size if n > 1 else 0 for n, stride in zip(tensor.shape, tensor.strides, strict=True)]
        run = tensor.values[tensor.offset :]
        window = np.lib.stride_tricks.as_strided(run, tensor.shape, strides, writeable=False)
        if tensor.brief:
            return widen(window)
        with np.errstate(all="ignore"):  # what does not fit float32 is found, and named, where it is used
            return window.astype(np.float32, order="C")
