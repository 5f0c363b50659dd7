"""What this machine can do: processor features, memory, and whether bf16 pays."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from impasto.inference.openvino_core import core

__all__ = ["Machine", "cores", "describe"]

_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8", "avx_vnni", "asimd", "bf16", "sve")


@dataclass(frozen=True, slots=True)
class Machine:
    """Processor, cores this process may use, instruction sets that matter here, and memory in bytes."""

    python: str
    platform: str
    processor: str
    cores: int
    features: tuple[str, ...]
    bf16: bool
    memory_free: int
    memory_total: int


def describe() -> Machine:
    """Look at the machine; takes about a tenth of a second, for the runtime is asked what it can do."""
    import psutil

    memory = psutil.virtual_memory()
    name, flags = _processor()
    return Machine(
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        processor=name,
        cores=cores(),
        features=tuple(f for f in _FEATURES if f in flags),
        bf16=_has_bf16(),
        memory_free=int(memory.available),
        memory_total=int(memory.total),
    )


def cores() -> int:
    """Processor cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _has_bf16() -> bool:
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _processor() -> tuple[str, frozenset[str]]:
    info = Path("/proc/cpuinfo")
    name, flags = platform.processor() or platform.machine(), frozenset[str]()
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() in ("flags", "Features"):
                flags = frozenset(value.split())
                break
    return name, flags
