"""A models folder for tests that never look into the models."""

import hashlib
from pathlib import Path

from faceline.models.manifest import Entry, Manifest, Timing
from faceline.models.weights import model_names


def small_models(folder: Path) -> Path:
    """Makes it complete and small; the folder."""
    entries = {}
    for name in model_names():
        (folder / f"{name}.onnx").write_text(name)
        entries[name] = Entry(hashlib.sha256(name.encode()).hexdigest(), "0" * 64)
    Manifest(entries=entries, timing=Timing("this CPU", 2.0, 1.0)).write(folder)
    return folder
