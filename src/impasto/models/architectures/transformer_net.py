"""Transformer nets: Johnson's network as PyTorch's users write it, known by the names in its state dict.

``conv1.conv2d.weight`` and so on are of the example that comes with PyTorch (RGB, 0..255 in and out, nearest
upsampling); ``ConvBlock.0.conv_layer.weight`` and so on of the widely used fast-neural-style-pytorch (BGR, 0..255,
transposed convolutions). Both of any width, depth and size of kernels.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from impasto.errors import ModelError
from impasto.inference.ir.layers import (
    Array,
    Convolution,
    InstanceNorm,
    Layer,
    Pad,
    Relu,
    Residual,
    TransposedConvolution,
    Upsample,
)
from impasto.inference.ir.network import Network, Preprocessing
from impasto.models.architectures.plugin_architecture import network_of_plugin
from impasto.models.formats.strided_tensor import Allowance, Strided

__all__ = ["network_of_state"]

_SUPPORTED = "conv1.conv2d.weight, in1.weight, res1.conv1.conv2d.weight ... or ConvBlock.0.conv_layer.weight ..."
# Statistics that InstanceNorm2d kept for a while and never used, and what PyTorch counts.
_UNUSED = re.compile(r"(.*\.)?(in\d+|norm_layer)\.(running_mean|running_var|num_batches_tracked)")


def network_of_state(state: Mapping[str, Strided], size: int) -> Network:
    """The network in a state dict from a file of ``size`` bytes.

    ``module.`` before every name, as training on several cards leaves it, is overlooked. What is of none of ours is
    shown to the architectures of plugins. Raises :class:`ModelError` where the names are of no network that is known,
    and where one is missing or too many.
    """
    names = _without_prefixes(state)
    weights = _Weights({name: state[key] for name, key in names.items() if not _UNUSED.fullmatch(name)}, size)
    if "conv1.conv2d.weight" in names:
        layers, preprocessing = _example(weights), Preprocessing("RGB", 255)
    elif "ConvBlock.0.conv_layer.weight" in names:
        layers, preprocessing = _blocks(weights), Preprocessing("BGR", 255)
    else:
        found, failures = network_of_plugin({name: state[key] for name, key in names.items()}, size)
        if found is not None:
            return found
        said = describe_unsupported(names)
        what = f"{_list_names(names)}" if said is None else f"the weights of {said} ({_list_names(names)})"
        failed = "".join(f"; {failure}" for failure in failures)
        raise ModelError(f"the file holds {what}; networks with {_SUPPORTED} are known{failed}")
    if left := weights.left():
        raise ModelError(
            f"the file holds {_list_names(left)} beside a network that is known, which has none; it is another"
        )
    return Network(tuple(layers), preprocessing)


class _Weights:
    """A state dict of which what was used is remembered."""

    def __init__(self, state: Mapping[str, Strided], size: int) -> None:
        self._state, self._used = state, set[str]()
        self._allowance = Allowance(size)

    def has(self, place: str) -> bool:
        return f"{place}.weight" in self._state

    def pair(self, place: str, outputs: int = 0) -> tuple[Array, Array]:
        """Weight and bias, of which there may be none: zeros for the weight's dimension ``outputs`` then."""
        weight = self._take(f"{place}.weight")
        if f"{place}.bias" in self._state:
            return weight, self._take(f"{place}.bias")
        return weight, np.zeros(weight.shape[outputs : outputs + 1], np.float32)

    def left(self) -> list[str]:
        return sorted(set(self._state) - self._used)

    def _take(self, name: str) -> Array:
        if name not in self._state:
            raise ModelError(f"the file has no {name[:80]}; give a network that was saved whole")
        self._used.add(name)
        return self._allowance.take(self._state[name], name)


def _example(weights: _Weights) -> list[Layer]:
    """PyTorch's example: ``conv1`` with ``in1`` and so on, ``res1`` ..., ``deconv1`` ..., the last without a norm."""
    downs, blocks, ups = (_count(weights, name) for name in ("conv{}.conv2d", "res{}.conv1.conv2d", "deconv{}.conv2d"))
    layers: list[Layer] = []
    for number in range(1, downs + 1):
        layers += _convolved(weights, f"conv{number}.conv2d", 1 if number == 1 else 2)
        layers += [_normalised(weights, f"in{number}"), Relu()]
    for number in range(1, blocks + 1):
        places = [(f"res{number}.conv{part}.conv2d", f"res{number}.in{part}") for part in (1, 2)]
        layers.append(_residual(weights, places))
    for number in range(1, ups):
        layers += [Upsample(2), *_convolved(weights, f"deconv{number}.conv2d")]
        layers += [_normalised(weights, f"in{downs + number}"), Relu()]
    return [*layers, *_convolved(weights, f"deconv{ups}.conv2d")]


def _blocks(weights: _Weights) -> list[Layer]:
    """fast-neural-style-pytorch: activations stand between the layers, so that their numbers go in twos."""
    layers: list[Layer] = []
    for at in range(0, 2 * _count(weights, "ConvBlock.{}.conv_layer", 0, 2), 2):
        place = f"ConvBlock.{at}"
        layers += _convolved(weights, f"{place}.conv_layer", 1 if at == 0 else 2)
        layers += [_normalised(weights, f"{place}.norm_layer"), Relu()]
    for at in range(_count(weights, "ResidualBlock.{}.conv1.conv_layer", 0)):
        parts = [f"ResidualBlock.{at}.conv{part}" for part in (1, 2)]
        layers.append(_residual(weights, [(f"{part}.conv_layer", f"{part}.norm_layer") for part in parts]))
    ups = _count(weights, "DeconvBlock.{}.conv_transpose", 0, 2)
    for at in range(0, 2 * ups, 2):
        place = f"DeconvBlock.{at}"
        weight, bias = weights.pair(f"{place}.conv_transpose", outputs=1)
        layers.append(TransposedConvolution(weight, bias, 2, weight.shape[-1] // 2 if weight.ndim else 0, 1))
        layers += [_normalised(weights, f"{place}.norm_layer"), Relu()]
    return [*layers, *_convolved(weights, f"DeconvBlock.{2 * ups}.conv_layer")]


def _count(weights: _Weights, place: str, first: int = 1, step: int = 1) -> int:
    count = 0
    while weights.has(place.format(first + count * step)):
        count += 1
    return count


def _convolved(weights: _Weights, place: str, stride: int = 1) -> list[Layer]:
    weight, bias = weights.pair(place)
    convolution = Convolution(weight, bias, stride)
    top, left = (length // 2 for length in weight.shape[2:])
    return [Pad("reflect", (top, top, left, left)), convolution]


def _normalised(weights: _Weights, place: str) -> Layer:
    return InstanceNorm(*weights.pair(place))


def _residual(weights: _Weights, places: list[tuple[str, str]]) -> Layer:
    (first, first_norm), (second, second_norm) = places
    body = [*_convolved(weights, first), _normalised(weights, first_norm), Relu()]
    return Residual((*body, *_convolved(weights, second), _normalised(weights, second_norm)))


def _without_prefixes(state: Mapping[str, Any]) -> dict[str, str]:
    """The names without what wrappers put before them, each with the name in the file."""
    for prefix in ("module.", "model.", "net."):
        if state and all(name.startswith(prefix) for name in state):
            return {name.removeprefix(prefix): name for name in state}
    return {name: name for name in state}


def _list_names(names: Iterable[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - 4} more" if len(listed) > 4 else ""
    return ", ".join(name[:60] for name in listed[:4]) + more if listed else "no tensors"


_ENCODERS = "which tells what is on a picture and paints none"
_KNOWN = (
    (r"lora_(up|down|[AB])\.|\.lora\.", "a LoRA, a change to a diffusion or language model"),
    (r"diffusion_model\.|down_blocks\.\d+\.(attentions|resnets)\.", "a diffusion model, such as Stable Diffusion"),
    (
        r"(transformer\.)?h\.\d+\.(attn|mlp)\.|layers?\.\d+\.(self_attn|attention|mlp)\.|word_embeddings|wte\.",
        "a language model",
    ),
    (r"features\.denseblock\d", f"a DenseNet, {_ENCODERS}"),
    (r"Mixed_\d[a-z]\.|inception\d[ab]\.", f"Inception, {_ENCODERS}"),
    (r"layer4\.\d+\.conv\d\.", f"a ResNet, {_ENCODERS}"),
    (r"features\.\d+\.(conv|block|squeeze|expand1x1)\.", f"a small network such as MobileNet, {_ENCODERS}"),
    (r"blocks\.\d+\.attn\.qkv|encoder_layer_\d+\.", f"a vision transformer, {_ENCODERS}"),
    (
        r"features\.\d+\.(weight|bias)",
        "VGG or its like, an encoder; where it is VGG16 or VGG19 add it with: impasto models add vgg19 FILE",
    ),
    (r"(^|\.)\d+\.conv_block\.\d+\.", "a generator of CycleGAN, which takes one collection of pictures for another"),
    (r"rdb\d\.|RRDB|upsampler?\.\d+\.conv|conv_up\d|upconv\d\.", "a network that enlarges pictures, such as ESRGAN"),
    (r"model\.\d+\.(cv\d|m\.\d+)\.|(^|\.)\d+\.cv\d\.", "a detector of objects, such as YOLO"),
    (r"(^|\.)(down|up)\d\.|(^|\.)inc\.", "a U-Net, which marks what is where on a picture"),
    (r"style_pred|beta_fc|gamma_fc", "a half of a network that takes any style; export its two halves as ONNX"),
)
_NUMBERED = re.compile(r"\d+\.(weight|bias)")


def describe_unsupported(names: Collection[str]) -> str | None:
    """What network has weights of those names, in words; None for one that is not known either."""
    for pattern, said in _KNOWN:
        found = re.compile(pattern)
        if any(found.search(name[:200]) for name in names):
            return said
    if names and all(_NUMBERED.fullmatch(name) for name in names):
        return (
            "layers with numbers for names, such as the decoder of AdaIN or VGG alone: half of a network for any style"
        )
    return None
