"""Reading pictures: from files, bytes and streams that nobody vouches for."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from threading import Lock
from types import TracebackType
from typing import IO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from impasto.errors import ImpastoError, MissingExtra, PictureError, PictureTooLarge, UnsupportedFormat
from impasto.picture.formats.tiff_page import TiffPage, check_decoded, raw_file
from impasto.picture.pillow_modes import unpack
from impasto.picture.raster import Raster

__all__ = ["READABLE", "Source", "from_pil", "open_image", "read", "read_pipe"]

READABLE = ("jpeg", "png", "webp", "tiff", "gif", "bmp", "avif", "heif")
"""Formats that can be read; ``heif`` with the extra of that name."""

Source = str | os.PathLike[str] | bytes | IO[bytes]

_MAX_BYTES = 2**30
_PLUGINS: dict[str, type[ImageFile.ImageFile]] = {
    # JPEG's own class also for MPO: it sees the first frame alone, which is the one we want.
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
}
_SIGNATURES = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
}
_RAW_SIGNATURES = (
    # Canon's, Panasonic's, Olympus' (three), Fujifilm's, Sigma's and Minolta's; other makers' are TIFF.
    b"II*\0\x10\0\0\0CR",
    b"IIU\0",
    b"IIRO",
    b"IIRS",
    b"MMOR",
    b"FUJIFILMCCD-RAW",
    b"FOVb",
    b"\0MRM",
)
_RAW_BRAND = b"crx "
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}


def read(source: Source, *, max_pixels: int) -> Raster:
    """Read a file, its bytes or a binary stream as an upright sRGB picture; of several frames, the first.

    Of a TIFF's pages it is the first that is not a reduced version of another; a camera's raw file is refused. TIFF
    and grey PNG keep 16 bits a channel, unless colours have to be converted; 16-bit colour PNG is read with 8. WebP,
    and JPEG inside of TIFF, are bound by twice ``PIL.Image.MAX_IMAGE_PIXELS``, 179 megapixels, as well. Raises
    :class:`PictureTooLarge` before decoding, :class:`UnsupportedFormat`, :class:`MissingExtra` for HEIF without its
    reader, and :class:`PictureError` for whatever else is wrong; each names the file and the reason.
    """
    with open_image(source) as (image, format_, name):
        return _checked(image, format_, name, max_pixels)


def from_pil(image: Image.Image, *, max_pixels: int) -> Raster:
    """Take over a Pillow image of any mode, as :func:`read` would have read it.

    Raises :class:`PictureTooLarge` before decoding and :class:`PictureError` where it cannot be decoded.
    """
    orientation = _remaining_orientation(image)
    own = {"MPO": "jpeg"}.get(image.format or "", (image.format or "").lower())
    format_ = own if own in READABLE else None
    with _picture_errors("the picture", format_):
        file = getattr(image, "fp", None)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            if image.tile and file is not None:
                with TiffPage(file, "the picture", image.tell()) as page:
                    return _checked(page, format_, "the picture", max_pixels)
            check_decoded(image, "the picture")
        return _checked(image, format_, "the picture", max_pixels, orientation)


def _remaining_orientation(image: Image.Image) -> int | None:
    """1 where an image that was made from another has been turned by hand, though its EXIF says as before."""
    if isinstance(image, ImageFile.ImageFile):
        return None
    try:
        exif = image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        camera = exif.get_ifd(ExifTags.IFD.Exif)
        width, height = (camera.get(tag) for tag in (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight))
    except Exception:  # EXIF is hostile input; a picture without it is still a picture
        return None
    if orientation not in range(2, 9):
        return None
    if orientation > 4 and isinstance(width, int) and isinstance(height, int) and width != height:
        lies, stands = (_same_proportions(image.size, size) for size in ((width, height), (height, width)))
        if lies != stands:
            return 1 if stands else None
    warnings.warn(
        f"the image was made from another, and its EXIF still has orientation {orientation}, which is applied; "
        "where it was turned already, turn it with PIL.ImageOps.exif_transpose, or delete the tag",
        stacklevel=4,
    )
    return None


def _same_proportions(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether ``size`` has the proportions of ``other``, to a pixel."""
    return abs(size[0] * other[1] - size[1] * other[0]) <= max(other)


@contextmanager
def open_image(source: Source) -> Iterator[tuple[Image.Image | TiffPage, str, str]]:
    """A Pillow image, or a TIFF's page, whose pixels are not decoded yet, its format, and what to call it in messages.

    Whatever goes wrong, also inside the ``with`` block, is raised as one :class:`ImpastoError`.
    """
    name = _name(source)
    with _picture_errors(name), BytesIO(source) if isinstance(source, bytes) else _file(source, name) as file:
        format_ = _format(file.read(64), name)
        file.seek(0)
        # The plugin itself, not Image.open: that one refuses by a limit of its own, which only a
        # change for the whole process could lift.
        with _picture_errors(name, format_), _image(format_, file, name) as image:
            yield image, format_, name


def _image(format_: str, file: IO[bytes], name: str) -> Image.Image | TiffPage:
    return TiffPage(file, name) if format_ == "tiff" else _plugin(format_)(file)


def read_pipe(path: str | os.PathLike[str]) -> bytes:
    """All that comes out of a pipe. Raises :class:`PictureError`, also where nothing does, and
    :class:`PictureTooLarge` for more than 1024 MiB."""
    name = _name(path)
    with _picture_errors(name), _file(path, name) as file:
        data = file.read()
    if not data:
        raise PictureError(f"{name} is empty")
    return data


def _checked(
    image: Image.Image | TiffPage, format_: str | None, name: str, max_pixels: int, orientation: int | None = None
) -> Raster:
    _check_size(image.size, name, max_pixels)
    picture = unpack(image, format_, orientation)
    # HEIF learns its true size while it decodes.
    _check_size(picture.size, name, max_pixels)
    return picture


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise PictureError(f"{name} cannot be read: it is {width} x {height} pixels")
    if width * height > max_pixels:
        raise PictureTooLarge(
            f"{name} is {width} x {height} pixels, {width * height / 1e6:.3g} megapixels; the limit is "
            f"{max_pixels / 1e6:.3g} (raise it with --max-pixels or max_pixels=)"
        )


def _name(source: Source) -> str:
    if isinstance(source, bytes):
        return "the picture"
    if isinstance(source, (str, os.PathLike)):
        return str(os.fspath(source))
    named = getattr(source, "name", None)
    return named if isinstance(named, str) and named else "the picture"


def _file(source: str | os.PathLike[str] | IO[bytes], name: str) -> IO[bytes]:
    """A seekable file of at most ``_MAX_BYTES``: the one named, or the rest of a stream in memory."""
    if not isinstance(source, (str, os.PathLike)):
        return _read_stream(source, name)
    file = open(source, "rb")  # noqa: SIM115 - the caller closes it
    try:
        status = os.fstat(file.fileno())
        if stat.S_ISREG(status.st_mode):
            if status.st_size > _MAX_BYTES:
                raise _too_many_bytes(name)
            return file
        with file:
            return _read_stream(file, name)
    except BaseException:
        file.close()
        raise


def _read_stream(stream: IO[bytes], name: str) -> IO[bytes]:
    kept = BytesIO()
    while part := stream.read(2**20):
        if not isinstance(part, bytes):
            raise PictureError(f"{name} cannot be read: it was opened as text; open it in binary mode")
        kept.write(part)
        if kept.tell() > _MAX_BYTES:
            raise _too_many_bytes(name)
    kept.seek(0)
    return kept


def _too_many_bytes(name: str) -> PictureTooLarge:
    return PictureTooLarge(f"{name} is larger than {_MAX_BYTES // 2**20} MiB; give a smaller file")


def _format(head: bytes, name: str) -> str:
    if not head:
        raise PictureError(f"{name} is empty")
    if head.startswith(_RAW_SIGNATURES) or head[4:12] == b"ftyp" + _RAW_BRAND:
        raise raw_file(name)
    for signature, format_ in _SIGNATURES.items():
        if head.startswith(signature):
            return format_
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        length = int.from_bytes(head[:4], "big")
        brands = {head[i : i + 4] for i in range(8, min(length, len(head)), 4)}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & _HEIF_BRANDS:
            return "heif"
    raise UnsupportedFormat(f"{name} is not a picture that can be read; give one of {', '.join(READABLE)}")


def _plugin(format_: str) -> type[ImageFile.ImageFile]:
    if format_ != "heif":
        return _PLUGINS[format_]
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise MissingExtra("reading HEIF pictures", "heif") from None
    return HeifImageFile  # type: ignore[no-any-return]


@contextmanager
def _picture_errors(name: str, format_: str | None = None) -> Iterator[None]:
    """Turn every exception into one of ours: Pillow's decoders raise a dozen kinds on broken input."""
    try:
        with _silenced:
            yield
    except ImpastoError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(
            f"{name} is larger than Pillow decodes in this format; raise PIL.Image.MAX_IMAGE_PIXELS"
        ) from error
    except MemoryError as error:
        raise PictureTooLarge(f"{name} does not fit into memory; give a smaller picture") from error
    except Exception as error:
        kind = f" as {format_.upper()}" if format_ else ""
        raise PictureError(f"{name} cannot be read{kind}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.split("\n")[0][:200] or type(error).__name__


class _SilencedWarnings:
    """Silences Pillow's warnings for as long as any thread is reading.

    ``warnings.catch_warnings`` alone is not safe here: threads that overlap would restore each
    other's filters.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._readers = 0
        self._before = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._readers == 0:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.|pillow_heif\b")
            self._readers += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._before.__exit__(kind, error, at)


_silenced = _SilencedWarnings()
