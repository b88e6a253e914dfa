"""Erasure on AWS put together: which stores are asked, in which order. Part of the composition root."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import chain

from faceline.aws.contents import Content, of_bucket, of_faces, of_letters, of_table
from faceline.aws.erasure import (
    DynamoTraces,
    FacesAtRekognition,
    Letters,
    QueryAnswers,
    RefusedKeys,
    RowsOfNoPhoto,
    S3Journal,
    erasure_key,
    letters_of,
    names_in,
)
from faceline.aws.face_table import FaceTable
from faceline.aws.faces import ENGINE
from faceline.aws.objects import S3Objects
from faceline.aws.rekognition_api import Rekognition
from faceline.aws.snapshots import key_of, most_bytes
from faceline.aws.state import StateTable
from faceline.aws_app import AwsApp
from faceline.aws_operations import check_bucket, queues
from faceline.called import Keys
from faceline.erasure import Forgets, Gone, Receipt
from faceline.errors import NotFoundError, UsageError
from faceline.events import ObjectCreated
from faceline.gallery.names import like_names, problem_of
from faceline.gallery.newface import SENT
from faceline.gallery.ports import PersonInfo
from faceline.local.forgetting import Naming
from faceline.local.keyed import Keyed
from faceline.pipelines.belongings import Belongings, Finder, Says
from faceline.pipelines.customers import Customers
from faceline.pipelines.forgetting import Eraser, Forgotten
from faceline.pipelines.images import Places
from faceline.pipelines.verifying import Left, Wanted, left_of


class NobodyWithoutFaces:
    """Implements `pipelines.forgetting.Persons`: a person is there with their first face and goes with the last."""

    def get(self, collection: str, user_id: str) -> PersonInfo:
        raise NotFoundError(f"nobody without a face is in {collection}")

    def delete(self, collection: str, user_id: str) -> None:
        raise NotFoundError(f"nobody without a face is in {collection}")


class KeepsNames:
    """Implements `pipelines.forgetting.Renames`: a copy under another key would start the work on it once more, so an
    object that stays keeps its key, and whoever forgets is told of it.
    """

    def rename(self, bucket: str, key: str) -> str | None:
        return key


class AwsErasure:
    """People who are forgotten in a deployment of deploy/aws/template.yaml. It may work meanwhile."""

    def __init__(self, app: AwsApp) -> None:
        self._app = app
        self._state = StateTable(app.clients, app.names.state)

    def find(self, name: str, collection: str | None = None) -> Belongings:
        """What there is of a person, in one collection or everywhere, with the photos that show others too.

        Raises UsageError for what nobody can be called, NotFoundError without one of the template's buckets.
        """
        if problem := problem_of(name):
            raise UsageError(f"nobody can be forgotten by this name: {problem}")
        for bucket in self._buckets():
            check_bucket(self._app, bucket, "the template makes it; set the setting that names it as you deployed it")
        collections = [collection] if collection else list(self._app.collections.models())
        return self._eraser().find(name, collections, collection is None, self.says(name))

    def forget(self, found: Belongings, delete_among_others: bool = False) -> Forgotten:
        """To be repeated when it was cut off. Raises NotFoundError when nothing named the person."""
        app, only = self._app, None if found.everywhere else found.collections
        known = self.known_names()  # before they are gone
        photos = only is None or app.settings.collection in only
        clips = only is None or app.videos.collection_name() in only
        try:
            return self._eraser().forget(found, photos, clips, delete_among_others, lambda key: False)
        except NotFoundError as error:
            where = ", ".join(found.collections) if only else "this deployment"
            near = like_names(found.name, known)
            raise NotFoundError(f"nothing in {where} says {found.name}{near}; see `faceline aws status`") from error

    def keys_that_say(self, name: str, kept: tuple[str, ...]) -> list[str]:
        """Of objects that stay, as bucket/key, those whose key says the person."""
        says = self.says(name)
        return [place for place in kept if self._keys.mentions(place, says)]

    def says(self, name: str) -> Says:
        """Whether a text names the person: the name by itself, and not within the name of somebody who is known."""
        return self._says_of(Belongings(name, [], everywhere=True).gone([]))

    def known_names(self) -> frozenset[str]:
        """Of everybody in every collection."""
        return names_in(self._app.clients, self._app.names.state, self._app.collections.models())

    def left_of(self, name: str) -> list[Left]:
        """What is left of a person: their name, and the ids of their erasures. Reads tables and buckets whole."""
        ids = frozenset(hashed for receipt in self.journal.of(name) for hashed in receipt.ids)
        ids -= {self._keyed.hashed(SENT)}
        wanted = Wanted(name, self.says(name), ids, self._keyed.hashed)
        return list(left_of(wanted, self._contents()))

    def receipts(self, name: str) -> list[Receipt]:
        """Of erasures of this person, oldest first."""
        return list(self.journal.of(name))

    @property
    def journal(self) -> S3Journal:
        return S3Journal(self._app.objects, self._app.names.work, self._keyed)

    @cached_property
    def _keyed(self) -> Keyed:
        return Keyed(erasure_key(self._state))

    @cached_property
    def _traces(self) -> DynamoTraces:
        return DynamoTraces(self._state, self._says_of, self._key_says_of)

    @property
    def _keys(self) -> Keys:
        return Keys.of(self._app.settings, self._app.names.work)

    def _says_of(self, gone: Gone) -> Says:
        return Naming(gone, self.known_names()).test()

    def _key_says_of(self, gone: Gone) -> Says:
        return Naming(gone, self.known_names()).test_key(self._keys)

    def _eraser(self) -> Eraser:
        app = self._app
        return Eraser(
            face_records=app.face_records,
            people=NobodyWithoutFaces(),
            objects=app.objects,
            records=app.records,
            places=Places.of(app.settings),
            outputs=app.videos.outputs,
            forget_in_gallery=app.videos.forget_in_gallery,
            finder=self._finder(),
            renamer=KeepsNames(),
            delete=self._delete,
            delete_clip=app.videos.delete_stem,
            stores=self._stores(),
            last=self._last(),
            journal=self.journal,
            in_hand=self._traces.in_hand,
        )

    def _finder(self) -> Finder:
        app, s, names = self._app, self._app.settings, self._app.settings.names
        return Finder(
            app.face_records,
            app.objects,
            app.records,
            Places.of(s),
            names.input,
            names.output,
            names.images,
            s.matching_prefix,
            self._keys,
            Customers(app.objects, names.images, s.matching_manifest, s.matching_customer),
        )

    def _stores(self) -> Mapping[str, Forgets]:
        app = self._app
        return {
            "faces at Amazon Rekognition": FacesAtRekognition(
                app.clients, app.face_records, self._at_rekognition, self._says_of
            ),
            "consents": app.consents,
            "notices": app.notices,
            "match reports": app.matching.reports,
        }

    def _last(self) -> Mapping[str, Forgets]:
        """When photos are gone and nothing is in hand."""
        app = self._app
        return {
            "receipts and marks": self._traces,
            "rows of photos that are gone": RowsOfNoPhoto(app.records, app.objects, self._says_of, self._key_says_of),
            "answers of Athena": QueryAnswers(app.objects, app.names.work, self._says_of),
            "objects of keys that are refused": RefusedKeys(
                self._every_object, self._buckets(), self._keys, self._key_says_of
            ),
            "ids of removed faces": app.face_records,
            "dead letters": Letters(lambda: queues(app), self._says_of, self._key_says_of),
        }

    def _delete(self, bucket: str, key: str) -> None:
        """An upload with all that was made of it, its receipt last."""
        app, event_id = self._app, self._event_id(bucket, key)
        if app.matching.starts_work(bucket, key):
            # The image goes first: a worker that has it in hand looks for it at the end, and takes back what it did.
            app.objects.delete(bucket, key)
            app.matching.matcher().remove(bucket, key)
        else:
            self._delete_results(bucket, key, json.loads(app.receipts.result(event_id) or "{}"))
            app.objects.delete(bucket, key)
        app.receipts.discard(event_id)

    def _delete_results(self, bucket: str, key: str, done: Mapping[str, str]) -> None:
        """done: what a function said that it made of the upload."""
        self._app.records.delete(bucket, key)
        if "processed" in done:
            self._app.objects.delete(bucket, done["processed"])
        if "stem" in done:
            self._app.videos.delete_stem(done["stem"])

    def _event_id(self, bucket: str, key: str) -> str:
        """Of the bytes that are there; of an upload that is gone no event's."""
        try:
            etag = self._app.objects.head(bucket, key).etag
        except NotFoundError:
            etag = ""
        return ObjectCreated(bucket, key, etag, 0, "").event_id

    def _at_rekognition(self) -> list[str]:
        """The collections that are recognised there; of one whose first face has no record yet, only settings know."""
        app, s = self._app, self._app.settings
        known = [name for name, model in app.collections.models().items() if model.startswith(f"{ENGINE}/")]
        chosen = [s.collection, s.names.matching_collection] if s.engine == "rekognition" else []
        return list(dict.fromkeys([*known, *chosen]))

    def _buckets(self) -> tuple[str, ...]:
        """All that the template makes."""
        app, names = self._app, self._app.settings.names
        return (app.settings.input_bucket, *names[:4], names.images, names.matches, app.names.work)

    @cached_property
    def _every_object(self) -> S3Objects:
        """Also those of keys that faceline refuses."""
        return S3Objects(self._app.clients, any_key=True)

    def _snapshots(self) -> dict[str, int]:
        """By key, the bytes that they may have, as `Snapshots.read` has it: of many faces more than other objects."""
        table = FaceTable(self._app.clients, self._app.names.state)
        return {key_of(name): most_bytes(table.meta(name).newest) for name in self._app.collections.models()}

    def _letters(self) -> Iterator[Content]:
        found = queues(self._app)
        with ThreadPoolExecutor(8) as threads:
            looked_at = list(threads.map(letters_of, found))
        for queue, (letters, unseen) in zip(found, looked_at, strict=True):
            yield from of_letters(queue.name, letters, unseen)

    def _contents(self) -> Iterator[Content]:
        app = self._app
        tables = (of_table(app.clients, table) for table in (app.names.state, app.names.results))
        snapshots = self._snapshots()
        objects = (of_bucket(self._every_object, bucket, snapshots) for bucket in self._buckets())
        faces = (of_faces(Rekognition(app.clients, name)) for name in self._at_rekognition())
        return chain.from_iterable(chain(tables, objects, [self._letters()], faces))
