"""Graph: an ONNX file made ready to run, by OpenVINO on processors or by ONNX Runtime on graphics cards."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from impasto.errors import ModelError
from impasto.inference.openvino_core import core
from impasto.inference.without_telemetry import quiet

if TYPE_CHECKING:
    import openvino as ov

__all__ = ["Array", "Compiled", "Graph", "OnnxGraph", "OpenVinoGraph", "Precision", "onnx_runtime", "open_graph"]

Array = np.ndarray[Any, np.dtype[Any]]
Precision = Literal["auto", "bf16", "f32"]


_CACHE = "CPU_RUNTIME_CACHE_CAPACITY"
_KERNELS = 256
"""How many kernels made for a size of pictures are kept, the last ones used. By default it is 5000: of every size that
was ever painted, half a megabyte each. Making one again takes a tenth of the time that painting a small picture does.
"""


class Graph(Protocol):
    """Arrays in by name, arrays out by name. Safe to call from several threads."""

    runtime: str
    precision: str

    def __call__(self, **inputs: Array) -> dict[str, Array]: ...

    def release(self) -> None:
        """Give back the memory that past calls took."""


def open_graph(
    file: Path,
    outputs: Sequence[str],
    *,
    precision: Precision = "auto",
    fixed: Mapping[str, Array] | None = None,
) -> Graph:
    """Make ``file`` ready to give ``outputs``, on the graphics card where ``impasto[gpu]`` is installed.

    ``fixed`` inputs become constants, so that what only they need is folded away. Raises
    :class:`ModelError` where the file cannot be read.
    """
    if _graphics_card():
        return OnnxGraph(file, outputs, fixed=fixed)
    return OpenVinoGraph(file, outputs, precision=precision, fixed=fixed)


class Compiled:
    """A model of OpenVINO's on the processor: arrays in by place, arrays out by place. Safe to call from several
    threads. ``precision`` is ``"bf16"`` or ``"f32"``, as the runtime chose or was told."""

    def __init__(self, model: ov.Model, precision: Precision = "auto") -> None:
        # Not tied to cores: all processes would be tied to the first ones, and wait for each other there.
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        if precision != "auto":
            hints["INFERENCE_PRECISION_HINT"] = precision
        try:
            self._compiled = core().compile_model(model, "CPU", {**hints, _CACHE: str(_KERNELS)})
        except RuntimeError as error:  # no option that it promises to have for ever
            if _CACHE not in str(error):
                raise
            self._compiled = core().compile_model(model, "CPU", hints)
        self._count = len(model.get_results())
        self._idle: list[Any] = []
        element = self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        self.precision = "bf16" if element == "bf16" else "f32"

    def __call__(self, inputs: Sequence[Array] | Mapping[str, Array]) -> list[Array]:
        # One request for each caller at work: list.pop and list.append are atomic.
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        request.infer(inputs, share_inputs=True)
        found = [request.get_output_tensor(i).data.copy() for i in range(self._count)]
        self._idle.append(request)
        return found

    def release(self) -> None:
        """Give back the memory that past calls took."""
        self._idle.clear()


class OpenVinoGraph:
    """A graph on the processor. ``precision`` is ``"bf16"`` or ``"f32"``, as the runtime chose or was told."""

    runtime = "openvino"

    def __init__(
        self,
        file: Path,
        outputs: Sequence[str],
        *,
        precision: Precision = "auto",
        fixed: Mapping[str, Array] | None = None,
    ) -> None:
        from impasto.inference.openvino import op, ov

        try:
            model = core().read_model(str(file))
        except RuntimeError as error:
            raise ModelError(f"{file.name} cannot be read ({_first_line(error)}); reinstall impasto") from error
        fixed = fixed or {}
        for parameter in model.get_parameters():
            name = parameter.get_friendly_name()
            if name in fixed:
                parameter.output(0).replace(op.constant(fixed[name]).output(0))
        free = [p for p in model.get_parameters() if p.get_friendly_name() not in fixed]
        results = {r.input_value(0).get_any_name(): r for r in model.get_results()}
        model = ov.Model([results[name] for name in outputs], free, file.stem)
        self._outputs = tuple(outputs)
        self._compiled = Compiled(model, precision)
        self.precision = self._compiled.precision

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        return dict(zip(self._outputs, self._compiled(inputs), strict=True))

    def release(self) -> None:
        self._compiled.release()


class OnnxGraph:
    """A graph in ONNX Runtime: on the graphics card where it has one, else on the processor, in f32."""

    runtime = "onnxruntime"
    precision = "f32"

    def __init__(self, file: Path, outputs: Sequence[str], *, fixed: Mapping[str, Array] | None = None) -> None:
        # Without TF32, so that f32 means f32 on graphics cards too.
        options = {"CUDAExecutionProvider": {"use_tf32": "0"}, "CPUExecutionProvider": {}}
        wanted = [(provider, options[provider]) for provider in options if provider in _providers()]
        try:
            self._session = onnx_runtime().InferenceSession(str(file), providers=wanted)
        except Exception as error:  # its exception classes are private
            raise ModelError(f"{file.name} cannot be read ({_first_line(error)}); reinstall impasto") from error
        self._fixed = dict(fixed or {})
        self._outputs = list(outputs)

    def __call__(self, **inputs: Array) -> dict[str, Array]:
        found = self._session.run(self._outputs, {**self._fixed, **inputs})
        return dict(zip(self._outputs, found, strict=True))

    def release(self) -> None:
        """Nothing to give back: sessions keep no memory for each call."""


def onnx_runtime() -> Any:
    """The module onnxruntime, without its telemetry. Raises :class:`ImportError` where it is not installed."""
    with quiet():
        import onnxruntime

    # Where the switch is not respected: on Windows the system collects what is reported.
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _providers() -> list[str]:
    return list(onnx_runtime().get_available_providers())


def _graphics_card() -> bool:
    # Asking for the distribution first spares processor-only machines the import.
    try:
        importlib.metadata.version("onnxruntime-gpu")
    except importlib.metadata.PackageNotFoundError:
        return False
    return "CUDAExecutionProvider" in _providers()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
