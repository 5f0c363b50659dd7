"""Published: weights that others trained and publish, which Impasto can fetch but does not ship."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["PUBLISHED", "SETS", "Published", "PublishedFile", "find_by_sha256", "find_published"]


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file as its publisher offers it. What is not publicly known of it is None.

    ``size`` is in bytes, and ``about`` in megabytes where that alone is known. Without a ``sha256``, the first file
    that comes is remembered, and later ones have to be the same.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    sha1: str | None = None
    about: float | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]

    @property
    def megabytes(self) -> float | None:
        """How large it is, as far as that is known."""
        return self.about if self.size is None else self.size / 1e6


@dataclass(frozen=True, slots=True)
class Published:
    """A model that can be made of published files: whose, under which licence, and of which kind."""

    name: str
    kind: str
    licence: str
    source: str
    files: tuple[PublishedFile, ...]

    @property
    def identity(self) -> str:
        """The model that is made of it."""
        return f"{self.name}@1"

    @property
    def megabytes(self) -> float:
        """How much there is to fetch, as far as that is known."""
        return sum(file.megabytes or 0 for file in self.files)


def _torchvision() -> Iterator[Published]:
    """torchvision's first weights (``IMAGENET1K_V1``), trained from scratch on ImageNet."""
    # The publisher puts the first eight digits of the sha256 into the file's name. The other digits are not published
    # there: they are those that many public projects pin for these very addresses and sizes, all alike.
    known = (
        ("vgg16-397923af.pth", 553_433_881, "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"),
        ("vgg19-dcbb9e9d.pth", 574_673_361, "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44"),
    )
    # torchvision's code is BSD-3-Clause; its publisher attaches no licence of their own to the weights, and says
    # that the terms of the data they were trained on, ImageNet's, may apply.
    licence = "BSD-3-Clause (torchvision's; ImageNet's terms may apply to the weights)"
    for file, size, sha256 in known:
        files = (PublishedFile(f"https://download.pytorch.org/models/{file}", size, sha256),)
        yield Published(file.partition("-")[0], "encoder", licence, "torchvision, IMAGENET1K_V1", files)


def _johnson() -> Iterator[Published]:
    """The ten networks of Johnson et al. 2016, and of Ulyanov et al. 2016, in Torch7's format."""
    # Nobody publishes a sha256 of them. The sha1 and the size to a tenth of a megabyte are those that mexopencv gives
    # for these very addresses; OpenCV's own list of test data has the same sha1 for the two that it uses.
    known = (
        ("instance_norm/candy", 14.8, "64cf17abf37f4b3ac6773d8524dd3ba47a4ff5c2"),
        ("instance_norm/feathers", 17.5, "9838007df750d483b5b5e90b92d76e8ada5a31c0"),
        ("instance_norm/la_muse", 14.8, "cab9697c54cbc652bd5069dc734a0200d2b88f03"),
        ("instance_norm/mosaic", 17.5, "f4d3e2a5e3060b3c39a9648ad009de3e09cd0001"),
        ("instance_norm/the_scream", 17.5, "ae36b9289cab525657b97a4ea63609c338137da7"),
        ("instance_norm/udnie", 10.7, "db237afe0c2a08c93bb77f63c40d0fea8191c631"),
        ("eccv16/composition_vii", 27.0, "c3bc362a742d833c2691fb02fd7904bd73ed6632"),
        ("eccv16/la_muse", 24.3, "66a0b11a82d2b635105771ca7e7fb5b87692a51b"),
        ("eccv16/starry_night", 24.3, "5b5e115253197b84d6c6ece1dafe6c15d7105ca6"),
        ("eccv16/the_wave", 24.3, "ae2235b7d380c346cd009418efa012453e35d089"),
    )
    root = "https://cs.stanford.edu/people/jcjohns/fast-neural-style/models"
    for path, about, sha1 in known:
        folder, _, name = path.partition("/")
        # Of two with one name, the older, larger one says so.
        suffix = "-eccv16" if path == "eccv16/la_muse" else ""
        yield Published(
            f"johnson-{name.replace('_', '-')}{suffix}",
            "per-style",
            "free for personal or research use",
            f"Johnson et al., fast-neural-style, {folder}",
            (PublishedFile(f"{root}/{path}.t7", sha1=sha1, about=about),),
        )


def _zoo() -> Iterator[Published]:
    """The five networks of the ONNX model zoo, which are those of PyTorch's example."""
    # The digests are those of the zoo's own LFS pointers; of candy and mosaic, those that public projects pin for
    # these very addresses and sizes, all alike.
    known = {
        "candy": "9d11a3529d1e547da6ae07201d93484dbab2ec0a3614535752c8f40f0fe2968a",
        "mosaic": "fa646dedade881243f8d5a2ceb7de2b93675b21fc24f7482894ac4851a9a0a47",
        "pointilism": "5ee2b8d4d6bc60a777f54e0fe96a1b717360a004b79d56c67390d4a975b14d98",
        "rain-princess": "4162912e6f75fedef6f810ae989b9e10d3d5d43308dab34b027c850cf255e152",
        "udnie": "8656b6ce7dec8f22ee13c2d557d6b67bd6f550dde88d0f2e7c9972aeb765cc0d",
    }
    root = "https://github.com/onnx/models/raw/main/validated/vision/style_transfer/fast_neural_style/model"
    for name, sha256 in known.items():
        files = (PublishedFile(f"{root}/{name}-9.onnx", 6_728_029, sha256),)
        yield Published(
            f"zoo-{name}", "per-style", "BSD-3-Clause", "ONNX model zoo, PyTorch's fast_neural_style", files
        )


def _magenta() -> Published:
    """Ghiasi et al. 2017, as Magenta distilled and quantised it for TensorFlow Lite: any style, in int8."""
    # The digests and sizes are those that public projects pin for these very addresses.
    root = (
        "https://storage.googleapis.com/download.tensorflow.org/models/tflite/task_library/style_transfer/android/"
        "magenta_arbitrary-image-stylization-v1-256_int8"
    )
    files = (
        PublishedFile(
            f"{root}_prediction_1.tflite",
            2_828_838,
            "af6ad4b2e7aeba0675f32636082ab915ced5375229a3f8aff7e714c6213f5ed2",
        ),
        PublishedFile(
            f"{root}_transfer_1.tflite",
            284_398,
            "7a1550643cf034a4d813c0aa276976cd15da4141b4f1ec3631db1d0d9c8e2cd1",
        ),
    )
    return Published("magenta", "arbitrary", "Apache-2.0", "Magenta, arbitrary-image-stylization-v1-256, int8", files)


PUBLISHED: Mapping[str, Published] = {
    model.name: model for model in (*_torchvision(), *_johnson(), *_zoo(), _magenta())
}
"""By name."""


SETS: Mapping[str, tuple[str, ...]] = {
    "fast-neural-style": tuple(name for name in PUBLISHED if name.startswith("johnson-")),
    "onnx-zoo": tuple(name for name in PUBLISHED if name.startswith("zoo-")),
}
"""Names of models that are fetched together, by the name of what they were published as."""


def find_published(name: str) -> list[str]:
    """Those that ``name`` may mean: the one of that name, else those of which it is the last part."""
    if name in PUBLISHED:
        return [name]
    return [known for known in PUBLISHED if name and known.partition("-")[2].removesuffix("-eccv16") == name]


def find_by_sha256(sha256: str) -> Published | None:
    """The model whose file has that sha256; None where it is none that is known."""
    for model in PUBLISHED.values():
        if any(file.sha256 == sha256 for file in model.files):
            return model
    return None
