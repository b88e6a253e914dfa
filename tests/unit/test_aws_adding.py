"""Many faces at once into a collection on AWS: how often the table is asked, and what others add meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from faceline.aws.face_table import meta_key
from faceline.aws.items import to_item
from faceline.errors import QuotaError
from faceline.gallery.ports import NewFace
from gallery_on_aws import STAFF, Place, made_place, people
from made import MODEL

Meet = Callable[[int], object]


@pytest.fixture
def place(aws: str) -> Place:
    made = made_place(aws)
    made.collections().create(STAFF, MODEL)
    return made


@contextmanager
def asking(place: Place, operation: str, meet: Meet = lambda number: None) -> Iterator[list[int]]:
    """The calls of an operation meanwhile. meet: is told of each before it is made, from 1."""
    calls: list[int] = []

    def note(**_: Any) -> None:
        calls.append(len(calls) + 1)
        meet(len(calls))

    event = f"provide-client-params.dynamodb.{operation}"
    place.clients.dynamodb.meta.events.register(event, note)
    yield calls
    place.clients.dynamodb.meta.events.unregister(event, note)


def again(faces: list[NewFace]) -> list[NewFace]:
    """The same images with the same boxes under other ids."""
    return [replace(face, record=replace(face.record, face_id=f"again {face.record.face_id}")) for face in faces]


def ids(place: Place) -> set[str]:
    return {record.face_id for record in place.records().find(STAFF)}


def count(place: Place, faces: int) -> None:
    """As if the collection had so many."""
    place.clients.dynamodb.update_item(
        TableName=place.table,
        Key=meta_key(STAFF),
        UpdateExpression="SET faces = :faces",
        ExpressionAttributeValues=to_item({":faces": faces}),
    )


@pytest.mark.parametrize("before", [0, 40])
def test_what_is_stored_is_read_once_for_all_steps(place: Place, before: int) -> None:
    place.records().add(STAFF, people(range(1000, 1000 + before)))
    with asking(place, "Query") as queries, asking(place, "TransactWriteItems") as steps:
        assert place.records().add(STAFF, people(range(150))) == {}
    assert len(steps) > 4
    assert len(queries) == 1
    assert len(ids(place)) == 150 + before


def test_in_a_large_collection_images_are_asked_for_one_by_one(place: Place) -> None:
    place.records().add(STAFF, people(range(21)))
    count(place, 481)
    faces = people(range(10, 34))
    with asking(place, "Query") as queries:
        twins = place.records().add(STAFF, again(faces))
    assert len(queries) == 24
    assert {given: twin.face_id for given, twin in twins.items()} == {
        f"again face {n}": f"face {n}" for n in range(10, 21)
    }


def test_twins_among_the_faces_of_several_steps_are_stored_once(place: Place) -> None:
    faces = people(range(70))
    twins = place.records().add(STAFF, [*faces, *again(faces[:40])])
    assert {given: twin.face_id for given, twin in twins.items()} == {f"again face {n}": f"face {n}" for n in range(40)}
    assert ids(place) == {f"face {n}" for n in range(70)}


@pytest.mark.parametrize("counted", [0, 100_000])
def test_what_others_add_between_two_steps_is_not_stored_twice(place: Place, counted: int) -> None:
    """counted: faces that the collection has so that it is read whole, or image by image."""
    faces = people(range(250))
    count(place, counted)

    def meet(number: int) -> None:
        if number == 3:
            other.records().add(STAFF, again(faces[80:82] + faces[240:242]))

    other = Place(place.table, place.bucket, type(place.clients)())
    with asking(place, "TransactWriteItems", meet):
        twins = place.records().add(STAFF, faces)
    assert {given: twin.face_id for given, twin in twins.items()} == {
        f"face {n}": f"again face {n}" for n in (80, 81, 240, 241)
    }
    assert len(ids(place)) == 250


def test_what_others_remove_between_two_steps_is_stored_again(place: Place) -> None:
    faces = people(range(110))
    place.records().add(STAFF, again(faces[100:]))

    def meet(number: int) -> None:
        if number == 2:
            other.records().remove(STAFF, ["again face 100"])

    other = Place(place.table, place.bucket, type(place.clients)())
    with asking(place, "TransactWriteItems", meet):
        twins = place.records().add(STAFF, faces)
    assert twins.keys() == {f"face {n}" for n in range(101, 110)}
    assert "face 100" in ids(place)


def test_of_faces_that_become_too_many_meanwhile_none_stays_even_one_that_was_given_twice(place: Place) -> None:
    first = people(range(60))

    def meet(number: int) -> None:
        if number == 2:
            other.records().add(STAFF, people(range(100, 110)))

    other = Place(place.table, place.bucket, type(place.clients)())
    with asking(place, "TransactWriteItems", meet), pytest.raises(QuotaError):
        place.records().add(STAFF, [first[0], *first], limit=61)
    assert ids(place) == {f"face {n}" for n in range(100, 110)}
