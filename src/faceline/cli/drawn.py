"""Annotated pictures in a folder."""

from pathlib import Path

from faceline.drawing import DETECTED, Label, annotate
from faceline.drawing_clips import colour_of, said
from faceline.errors import ConflictError
from faceline.images import save
from faceline.types import Face, Frame, Identification


def draw_detections(frame: Frame, faces: list[Face], folder: Path) -> Path:
    """Writes `<folder>/<stem>.png` or, when another photo has that name, `<stem>-2.png` and so on."""
    return _draw(frame, [Label(f.box, _detected(f), DETECTED, f.landmarks) for f in faces], folder)


def draw_identifications(frame: Frame, found: list[Identification], folder: Path) -> Path:
    """As `draw_detections`, with names and similarities."""
    labels = [Label(i.face.box, said(i), colour_of(i), i.face.landmarks) for i in found]
    return _draw(frame, labels, folder)


def _draw(frame: Frame, labels: list[Label], folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConflictError(f"cannot make the folder {folder}: {error.strerror}; name another with --draw") from error
    stem = Path(frame.source).stem
    target, number = folder / f"{stem}.png", 2
    while target.exists():
        target, number = folder / f"{stem}-{number}.png", number + 1
    save(annotate(frame, labels), target)
    return target


def _detected(face: Face) -> str:
    mood = f" {face.emotions[0].type}" if face.emotions else ""
    return f"{face.confidence:.0f}{mood}"
