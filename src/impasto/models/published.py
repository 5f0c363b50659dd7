"""Published: weights that others trained and publish, which Impasto can fetch but does not ship."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PUBLISHED", "Published"]


@dataclass(frozen=True, slots=True)
class Published:
    """A file of weights as its publisher offers it: where, how many bytes, and which."""

    name: str
    url: str
    size: int
    sha256: str
    licence: str

    @property
    def identity(self) -> str:
        """The model that is made of it."""
        return f"{self.name}@1"


# torchvision's code is BSD-3-Clause; its publisher attaches no licence of their own to the weights, and says
# that the terms of the data they were trained on, ImageNet's, may apply.
_LICENCE = "BSD-3-Clause (torchvision's; ImageNet's terms may apply to the weights)"

# The publisher puts the first eight digits of the sha256 into the file's name. The other digits are not published
# there: they are those that many public projects pin for these very addresses and sizes, all alike.
PUBLISHED: Mapping[str, Published] = {
    "vgg16": Published(
        "vgg16",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        553_433_881,
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        _LICENCE,
    ),
    "vgg19": Published(
        "vgg19",
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        574_673_361,
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        _LICENCE,
    ),
}
"""By name. Both are torchvision's first weights (``IMAGENET1K_V1``), trained from scratch on ImageNet."""
