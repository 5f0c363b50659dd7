"""Encoder: pictures to features, for perceptual losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor, nn

__all__ = ["DEEPEST", "IMAGENET_MEAN", "IMAGENET_STD", "STYLE_LAYERS", "Encoder", "Features", "ModuleEncoder"]

Features = dict[str, Tensor]
"""Feature maps by layer name, each ``(N, C, H, W)``: what encoders give and losses compare."""

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""Where style is looked at unless other layers are asked for, named as in VGG."""
DEEPEST = "relu5_1"
"""One layer more, which not every encoder reaches."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Of RGB in 0..1: what torchvision's networks, and most of timm's, expect taken off."""
IMAGENET_STD = (0.229, 0.224, 0.225)
"""Of RGB in 0..1: what they expect pictures to be divided by then."""


class Encoder(nn.Module):
    """Pictures to features. ``layers`` names what :meth:`forward` gives, from the picture down.

    Pictures are RGB ``(N, 3, H, W)`` in 0..1, features ``{layer: (N, C, h, w)}`` in units of the encoder's own.

    ``tiled`` tells whether ``stride`` and ``reach`` are known, so that a large picture can be looked at
    in tiles with the same result: see :class:`impasto.encoders.vgg_layout.VGGLayout`.
    """

    layers: tuple[str, ...]
    tiled: bool = False

    def forward(self, pictures: Tensor) -> Features:
        """Features of RGB pictures ``(N, 3, H, W)`` in 0..1, as ``{layer: (N, C, h, w)}``."""
        raise NotImplementedError

    @staticmethod
    def from_module(
        module: nn.Module,
        layers: Mapping[str, str] | Sequence[str],
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> ModuleEncoder:
        """Any torch module as an encoder: the outputs of some of its submodules are the features.

        ``layers`` maps names to submodules, ``{"early": "layer1.0", "late": "layer3"}``; a list of
        submodules names them after themselves. Pictures are normalised with ``mean`` and ``std`` first. The
        module itself is frozen and put into evaluation mode, not a copy of it. Raises ``ValueError`` for a
        submodule that is not there; running raises it for one that was not called, or whose output is no
        ``(N, C, h, w)``.

        >>> import torch
        >>> from impasto.encoders import Encoder
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
        >>> encoder = Encoder.from_module(module, {"fine": "1", "coarse": "2"})
        >>> {name: tuple(value.shape) for name, value in encoder(torch.rand(1, 3, 32, 48)).items()}
        {'fine': (1, 8, 32, 48), 'coarse': (1, 8, 16, 24)}
        """
        return ModuleEncoder(module, layers, mean=mean, std=std)


class _AllCaptured(Exception):
    """Leaves the module: nothing that is still to come was asked for."""


class ModuleEncoder(Encoder):
    """A module and the submodules whose outputs are its features; made by :meth:`Encoder.from_module`.

    The module is left as soon as every submodule was called once: a classifier at its end costs nothing,
    and need not like the picture's size. How far a feature sees is not known, so tiles are not possible.
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Mapping[str, str] | Sequence[str],
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        """Raises as :meth:`Encoder.from_module`."""
        super().__init__()
        if isinstance(layers, str):
            raise ValueError(f"layers is the text {layers!r}; give a list, [{layers!r}], or a mapping of names")
        if len(mean) != 3 or len(std) != 3 or not all(x > 0 for x in std):
            raise ValueError(f"mean is {tuple(mean)} and std {tuple(std)}; give three numbers each, std above 0")
        self.paths = dict(layers) if isinstance(layers, Mapping) else {path: path for path in layers}
        known = [path for path, _ in module.named_modules() if path]
        if not self.paths:
            raise ValueError(f"no layers are named; choose from the submodules {_list_names(known)}")
        if unknown := [path for path in self.paths.values() if path not in known]:
            raise ValueError(
                f"the module has no submodule {', '.join(map(repr, unknown))}; it has {_list_names(known)}"
            )
        self.layers = tuple(self.paths)
        self.module = module
        self.mean, self.std = tuple(mean), tuple(std)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002
        """Stays in evaluation mode: batch statistics of the pictures at hand would change what is measured."""
        return super().train(False)

    def forward(self, pictures: Tensor) -> Features:
        """Features of RGB pictures ``(N, 3, H, W)`` in 0..1. Raises as :meth:`Encoder.from_module`."""
        # Numbers made here, in the pictures' precision: as buffers they would follow .bfloat16(), and be rounded.
        mean, std = (pictures.new_tensor(x).view(1, 3, 1, 1) for x in (self.mean, self.std))
        x = (pictures - mean) / std
        if (weight := next((p for p in self.module.parameters() if p.is_floating_point()), None)) is not None:
            x = x.to(weight.dtype)
        heard: dict[str, Tensor] = {}

        def listen(path: str) -> Any:
            def hear(_module: nn.Module, _inputs: Any, output: Any) -> None:
                if path in heard:
                    return
                if not isinstance(output, Tensor) or output.ndim != 4:
                    raise ValueError(
                        f"the submodule {path!r} gives {_describe_output(output)}; name one that gives (N, C, h, w)"
                    )
                # A copy: an in-place ReLU behind the submodule would write into the tensor itself.
                heard[path] = output.clone()
                if len(heard) == len(paths):
                    raise _AllCaptured

            return hear

        paths = set(self.paths.values())
        # Hooks only while it runs: the module stays as it is for whoever else uses it, and can be copied.
        hooks = [self.module.get_submodule(path).register_forward_hook(listen(path)) for path in paths]
        try:
            self.module(x)
        except _AllCaptured:
            pass
        finally:
            for hook in hooks:
                hook.remove()
        if silent := sorted(paths - set(heard)):
            raise ValueError(f"the module ran without {', '.join(silent)}; name submodules that its forward() calls")
        return {layer: heard[path] for layer, path in self.paths.items()}


def _list_names(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" ... ({len(names)} in all)" if len(names) > 12 else "") if names else "none"


def _describe_output(output: object) -> str:
    return f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
