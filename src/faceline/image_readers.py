"""Pillow's readers of the kinds that are not most photos, in a module of their own: they take 0.1 s to import."""

from io import BytesIO

from PIL import BmpImagePlugin, GifImagePlugin, IcoImagePlugin, Image, ImageFile, TiffImagePlugin, WebPImagePlugin


class Tiff(TiffImagePlugin.TiffImageFile):
    """Without Pillow's own turning, which holds the full-size picture twice; `images` turns the reduced one."""

    def getexif(self) -> Image.Exif:
        return Image.Exif()


class Webp(WebPImagePlugin.WebPImageFile):
    """Lets go of libwebp's two canvases, 8 bytes per pixel, before Pillow makes room for its own picture."""

    def load_prepare(self) -> None:
        self.__dict__.pop("_decoder", None)
        super().load_prepare()


def reader_of(kind: str) -> type[ImageFile.ImageFile]:
    """kind: WEBP, GIF, BMP or TIFF."""
    readers: dict[str, type[ImageFile.ImageFile]] = {
        "WEBP": Webp,
        "GIF": GifImagePlugin.GifImageFile,
        "BMP": BmpImagePlugin.BmpImageFile,
        "TIFF": Tiff,
    }
    return readers[kind]


def icon_file(data: bytes) -> IcoImagePlugin.IcoFile:
    """The directory of an .ico file. Raises what Pillow raises."""
    return IcoImagePlugin.IcoFile(BytesIO(data))
