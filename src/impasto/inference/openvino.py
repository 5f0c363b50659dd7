"""OpenVINO, and the operations its graphs are made of, without its telemetry: nobody imports it elsewhere."""

from __future__ import annotations

from impasto.inference.without_telemetry import quiet

with quiet():
    import openvino as ov
    from openvino import opset13 as op
    from openvino import passes

__all__ = ["op", "ov", "passes"]
