"""Which files are clips and which are photos: by their first bytes, else by their names."""

from collections.abc import Iterable
from pathlib import Path

from faceline.files import is_file, is_folder, walk
from faceline.images import is_image_name

_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".flv", ".f4v", ".wmv", ".asf"),
    *(".mpg", ".mpeg", ".m2v", ".ts", ".m2ts", ".mts", ".ogv", ".ogg", ".mj2"),
)
_MAGIC = (b"\x1a\x45\xdf\xa3", b"FLV\x01", b"OggS", b"\x30\x26\xb2\x75", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide")  # the first of an MP4 or QuickTime file (ISO/IEC 14496-12)
_PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_TS_PACKET = 188  # bytes; each begins with 0x47 (ISO/IEC 13818-1)


def clips_and_photos(paths: Iterable[Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """All files in order, and of them the clips and the photos: the paths as they are, and what their folders hold.

    Of folders only files named like photos or clips are taken, sorted, nothing hidden. What is missing or cannot be
    read is kept where its name puts it, so that reading it says why.
    """
    files: list[Path] = []
    for path in paths:
        files += sorted(walk(path, _is_named_so)) if is_folder(path) else [path]
    clips = [file for file in files if is_clip(file)]
    chosen = set(clips)
    return files, clips, [file for file in files if file not in chosen]


def is_clip(path: Path) -> bool:
    """Whether a file is to be read as a clip."""
    if path.suffix.lower() in _SUFFIXES:
        return True
    return not is_image_name(path) and is_file(path) and _begins_as_clip(path)


def _is_named_so(path: Path) -> bool:
    return is_image_name(path) or (path.suffix.lower() in _SUFFIXES and not path.name.startswith("."))


def _begins_as_clip(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(_TS_PACKET + 1)
    except OSError:
        return False  # reading it as a photo says why
    if start[4:8] in _BOXES:
        return start[8:12] not in _PICTURE_BRANDS
    if len(start) > _TS_PACKET and start[0] == start[_TS_PACKET] == 0x47:
        return True
    return start.startswith(_MAGIC) or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")
