"""What is installed, told from the packages' metadata: nothing heavy is imported to find out."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXTRAS", "Extra", "version"]


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part: what it gives, and the distributions that it needs."""

    name: str
    gives: str
    distributions: tuple[str, ...]

    @property
    def found(self) -> str:
        """``package version`` of each, or nothing where one is missing."""
        found = {d: version(d) for d in self.distributions}
        return ", ".join(f"{d} {v}" for d, v in found.items()) if all(found.values()) else ""

    @property
    def install(self) -> str:
        return f"pip install 'impasto[{self.name}]'"


EXTRAS = (
    Extra("gpu", "GPUs", ("onnxruntime-gpu",)),
    Extra("heif", "HEIC photographs", ("pillow-heif",)),
    Extra("iterative", "the finest pictures", ("torch", "scipy")),
    Extra("encoders", "encoders such as ResNet-50", ("torch", "torchvision")),
    Extra("evaluate", "quality figures", ("torch",)),
    Extra("plot", "charts of losses", ("matplotlib",)),
    Extra("train", "training", ("torch", "onnx")),
)


def version(distribution: str) -> str | None:
    """The installed version of a distribution, or ``None``."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as find

    try:
        return find(distribution)
    except PackageNotFoundError:
        return None
