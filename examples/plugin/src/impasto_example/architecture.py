"""An architecture: convolutions one after another, whose weights are called ``layer0.weight``, ``layer0.bias`` ..."""

from __future__ import annotations

from collections.abc import Mapping

from impasto.errors import ModelError
from impasto.models.architectures import Array, Convolution, Network, Pad, Preprocessing, Relu

__all__ = ["plain_net"]


def plain_net(state: Mapping[str, Array]) -> Network | None:
    """The network that a state dict holds; ``None`` where it is of another architecture.

    As torch has it: ``Conv2d(..., padding="same", padding_mode="reflect")`` with a ReLU after each but the last,
    trained on RGB in 0..1, which it takes and gives.
    """
    count = 0
    while f"layer{count}.weight" in state:
        count += 1
    if not count or len(state) != 2 * count:
        return None
    layers: list[Pad | Convolution | Relu] = []
    for number in range(count):
        weight, bias = state[f"layer{number}.weight"], state[f"layer{number}.bias"]
        if weight.ndim != 4 or not all(side % 2 for side in weight.shape[2:]):
            raise ModelError(f"layer{number} is {weight.shape}, which is not a plain-net's; give one with odd sides")
        top, left = (side // 2 for side in weight.shape[2:])
        layers += [Pad("reflect", (top, top, left, left)), Convolution(weight, bias), Relu()]
    return Network(tuple(layers[:-1]), Preprocessing("RGB", 1))
