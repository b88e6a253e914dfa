"""Whether work can be taken in now, and what is in the way."""

import logging
import os
import shutil

from faceline.app import App
from faceline.errors import FacelineError
from faceline.files import is_file

_log = logging.getLogger("faceline.http")


def obstacles(app: App) -> list[str]:
    """A sentence for each; none when all is well."""
    return [*_of_storage(app), *_of_models(app), *_of_disk(app)]


def _of_storage(app: App) -> list[str]:
    """Who asks may have no key, so where the data lies is only said in the log."""
    data, answers = app.settings.data, _answers(app)
    if not is_file(data / "schema") or not is_file(app.directory.state):  # a deleted file that is open still answers
        return ["the data directory is gone; bring it back, and start faceline again"]
    if not answers:
        return ["the storage does not answer; the log says why"]
    return [] if os.access(data, os.W_OK) else ["the data directory cannot be written to"]


def _answers(app: App) -> bool:
    try:
        app.queue.depth()
        app.collections.models()
    except FacelineError as error:
        _log.warning("the storage does not answer", extra={"error": str(error)})
        return False
    return True


def _of_models(app: App) -> list[str]:
    return [] if app.engines.loaded else ["the models are not loaded yet"]


def _of_disk(app: App) -> list[str]:
    """Full where the largest upload that is allowed would not fit."""
    try:
        free = shutil.disk_usage(app.settings.data).free
    except OSError as error:
        return [f"the disk of the data directory cannot be asked: {error.strerror}"]
    if free >= app.settings.max_upload_bytes:
        return []
    least = f"max_upload_bytes is {app.settings.max_upload_bytes}"
    return [f"the disk is full: {free} bytes are free, and {least}; delete something, or lower that setting"]
