"""Architectures: which layers the weights of a file are, and what a plugin's architecture is made of."""

from impasto.inference.ir.layers import (
    Affine,
    Array,
    Convolution,
    InstanceNorm,
    Layer,
    Pad,
    Relu,
    Residual,
    Scale,
    Tanh,
    TransposedConvolution,
    Upsample,
)
from impasto.inference.ir.network import Network, Preprocessing

__all__ = [
    "Affine",
    "Array",
    "Convolution",
    "InstanceNorm",
    "Layer",
    "Network",
    "Pad",
    "Preprocessing",
    "Relu",
    "Residual",
    "Scale",
    "Tanh",
    "TransposedConvolution",
    "Upsample",
]
