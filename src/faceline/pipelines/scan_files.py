"""What a scan leaves in a folder: scan.json, scan.csv, scan.html."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faceline.errors import ConflictError
from faceline.pipelines.scan_page import Picture, scan_page
from faceline.pipelines.scanning import Group, Scan, Shown
from faceline.spreadsheets import csv_line

_COLUMNS = (
    *("kind", "name_a", "name_b", "similarity", "mean_similarity", "pairs", "of_pairs"),
    *("face_a", "source_a", "face_b", "source_b"),
)


def scan_document(scan: Scan) -> dict[str, Any]:
    """The JSON of a scan, as docs/reference/results.md describes it."""
    return {
        "collection": scan.collection,
        "model": scan.model,
        "scanned_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "faces": scan.faces,
        "names": scan.names,
        "unnamed": scan.unnamed,
        "pairs": scan.pairs,
        "min_similarity": scan.min_similarity,
        "same_person": scan.same_person,
        "strangers_expected": round(scan.strangers_expected, 3),
        "complete_from": scan.complete_from,
        "settled": scan.settled,
        "not_divided": list(scan.not_divided),
        "two_names": [
            {
                "names": list(each.names),
                "similarity": each.similarity,
                "mean_similarity": each.mean_similarity,
                "pairs": each.pairs,
                "of_pairs": each.of_pairs,
                "faces": [_shown(face) for face in each.faces],
            }
            for each in scan.two_names
        ],
        "two_people": [
            {"name": each.name, "groups": [_group(group) for group in each.groups]} for each in scan.two_people
        ],
    }


def scan_csv(scan: Scan) -> str:
    """A line for each pair of names, and one for each group of faces apart from the largest of its name.

    Names and sources come from uploaders; none of them is a formula.
    """
    return "".join(map(csv_line, _lines(scan)))


def write_scan(scan: Scan, folder: Path, picture: Picture) -> list[Path]:
    """Writes the three files and returns where they are. Raises ConflictError when one cannot be written."""
    texts = {
        "scan.json": json.dumps(scan_document(scan), ensure_ascii=False, indent=2) + "\n",
        "scan.csv": scan_csv(scan),
        "scan.html": scan_page(scan, picture),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    except (OSError, ValueError) as error:
        reason = isinstance(error, OSError) and error.strerror
        raise ConflictError(f"{folder} cannot be written ({reason or error}); name another folder") from error
    return [folder / name for name in texts]


def _lines(scan: Scan) -> Iterator[tuple[object, ...]]:
    yield _COLUMNS
    for each in scan.two_names:
        figures = (each.similarity, each.mean_similarity, each.pairs, each.of_pairs)
        yield ("two names", *each.names, *figures, *_cells(*each.faces))
    for name in scan.two_people:
        largest, *others = name.groups
        for group in others:
            of_pairs = len(largest.face_ids) * len(group.face_ids)
            cells = _cells(largest.example, group.example)
            yield ("two people", name.name, name.name, "", group.similarity, "", of_pairs, *cells)


def _shown(face: Shown) -> dict[str, str]:
    return {"face_id": face.face_id, "source": face.source}


def _group(group: Group) -> dict[str, Any]:
    return {
        "faces": len(group.face_ids),
        "similarity": group.similarity,
        "example": _shown(group.example),
        "face_ids": list(group.face_ids),
    }


def _cells(*faces: Shown) -> Iterator[str]:
    for face in faces:
        yield face.face_id
        yield face.source
