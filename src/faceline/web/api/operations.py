"""All operations of the native API, in the order of its documentation."""

from faceline.web.api import (
    activity,
    changes,
    clips,
    collections,
    dead_letters,
    exports,
    faces,
    health,
    labels,
    people,
    pictures,
    reports,
    reviewing,
    seen_faces,
    statistics,
    trying,
    unknowns,
)
from faceline.web.operations import Operation

OPERATIONS: tuple[Operation, ...] = (
    *activity.OPERATIONS,
    *seen_faces.OPERATIONS,
    *pictures.OPERATIONS,
    *collections.OPERATIONS,
    *people.OPERATIONS,
    *changes.OPERATIONS,
    *faces.OPERATIONS,
    *labels.OPERATIONS,
    *unknowns.OPERATIONS,
    *clips.OPERATIONS,
    *trying.OPERATIONS,
    *reviewing.OPERATIONS,
    *reports.OPERATIONS,
    *statistics.OPERATIONS,
    *exports.OPERATIONS,
    *health.OPERATIONS,
    *dead_letters.OPERATIONS,
)
