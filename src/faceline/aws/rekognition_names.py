"""Names as Amazon Rekognition's ExternalImageId takes them: letters of `[a-zA-Z0-9_.\\-:]`, 1 to 255 of them.

https://docs.aws.amazon.com/rekognition/latest/APIReference/API_IndexFaces.html
"""

import re

from faceline.gallery.names import user_id_of

_MOST = 255
_OTHER = re.compile(rb"[^a-zA-Z0-9_.-]")
_ESCAPE = re.compile(rb":([0-9a-f]{2})")


def external_id(name: str) -> str:
    """The name itself where it fits; of other letters each byte of UTF-8 is `:` and two hexadecimal digits.

    `name_of` reads it back. A name that is too long so has what `gallery.names.user_id_of` makes of it, which only the
    face's record leads back from.
    """
    escaped = _OTHER.sub(lambda found: b":%02x" % found[0][0], name.encode()).decode()
    return escaped if len(escaped) <= _MOST else user_id_of(name, _MOST)


def name_of(external_image_id: str) -> str:
    """The name that `external_id` made this of; anything that others wrote there stays as it is."""
    raw = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), external_image_id.encode())
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        return external_image_id
    return name if external_id(name) == external_image_id else external_image_id
