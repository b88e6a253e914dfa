"""faceline: photos in, people out.

>>> import faceline
>>> with faceline.open("my-data") as f:
...     f.enroll("ada.jpg", "Ada")
...     f.identify("party.jpg")
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from faceline.api import Faceline as Faceline
    from faceline.api import open as open  # noqa: A004 (its public name)

__all__ = ["Faceline", "__version__", "open"]


def __getattr__(name: str) -> Any:
    # NumPy and ONNX Runtime take a third of a second to import: only who opens faceline pays for it.
    if name in {"open", "Faceline"}:
        from faceline import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module 'faceline' has no attribute {name!r}")
