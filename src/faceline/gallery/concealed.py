"""Ids of faces that were erased: a process that still has such a face learns that it went, and no file says its id.

What is kept is a hash. A CRC before it makes looking for it among many ids quick.
"""

import hashlib
import zlib
from collections.abc import Iterable, Sequence

_MARK = "#"
_CRC = 9  # the mark and eight digits


def concealed(face_id: str) -> str:
    """`#`, eight hexadecimal digits of the CRC-32 and 32 of the SHA-256 of a face id."""
    return _crc(face_id) + hashlib.sha256(face_id.encode()).hexdigest()[:32]


def revealed(removed: Sequence[str], known: Iterable[str]) -> list[str]:
    """The ids that were removed, concealed ones among them as those of `known` that they stand for."""
    hidden = {each for each in removed if each.startswith(_MARK)}
    if not hidden:
        return list(removed)
    sums = {each[:_CRC] for each in hidden}
    found = [face_id for face_id in known if _crc(face_id) in sums and concealed(face_id) in hidden]
    return [face_id for face_id in removed if face_id not in hidden] + found


def _crc(face_id: str) -> str:
    return f"{_MARK}{zlib.crc32(face_id.encode()):08x}"
