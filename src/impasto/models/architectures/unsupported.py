"""Foreign: whose weights those are that are of no network of one style, by the names that they have."""

from __future__ import annotations

import re
from collections.abc import Collection

__all__ = ["foreign"]

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


def foreign(names: Collection[str]) -> str | None:
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
