"""Erasure put together: which stores are asked, in which order. Part of the composition root."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec

from faceline.analytics.parquet_text import parquet_text
from faceline.called import Keys
from faceline.config import Settings
from faceline.erasure import Forgets, Receipt
from faceline.errors import NotFoundError, UsageError
from faceline.gallery.keeping import Kept
from faceline.gallery.names import MAX_LENGTH
from faceline.gallery.newface import SENT
from faceline.local.audit import AuditLog
from faceline.local.backup import back_up as write_backup
from faceline.local.backup import put_back, read_about
from faceline.local.contents import contents
from faceline.local.erasures import KEY, Erasures
from faceline.local.forgetting import Naming
from faceline.pipelines.belongings import Belongings, Finder, Place, Says
from faceline.pipelines.customers import Customers
from faceline.pipelines.forgetting import Eraser, Forgotten
from faceline.pipelines.images import Places
from faceline.pipelines.renaming import Renamer
from faceline.pipelines.retention import Expiry
from faceline.pipelines.verifying import Left, Wanted, left_of
from faceline.pipelines.video_outputs import Outputs
from faceline.storage import Storage


class Galleries(Protocol):
    """What of workflow 3 erasure needs: the results of clips, and the gallery files that people came from."""

    @property
    def outputs(self) -> Outputs: ...

    def forget_in_gallery(self, source: str, name: str) -> bool: ...

    def delete_stem(self, stem: str) -> None: ...

    def collection_name(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Restored:
    """created_at: of the backup. forgotten: how many people of it were forgotten again. erasures: made since then."""

    created_at: str
    forgotten: int
    erasures: int


@dataclass(frozen=True, slots=True)
class ErasureWorkflow:
    """stores: what else keeps something personal, by what receipts call it (`erasure.Forgets`).

    delete: an upload with all that was made of it.
    """

    storage: Storage
    places: Places
    videos: Galleries
    stores: Mapping[str, Forgets]
    delete: Callable[[str, str], None]

    def find(self, name: str, collection: str | None = None) -> Belongings:
        """What there is of a person, in one collection or everywhere, with the photos that show others too."""
        collections = [collection] if collection else [info.name for info in self.storage.collections.list()]
        return self._eraser().find(name, collections, collection is None, self.says(name))

    def forget(self, found: Belongings, delete_among_others: bool) -> Forgotten:
        """Raises NotFoundError when nothing anywhere named the person."""
        s, only = self.storage.settings, None if found.everywhere else found.collections
        photos = only is None or s.collection in only
        clips = only is None or self.videos.collection_name() in only
        return self._eraser().forget(found, photos, clips, delete_among_others, self.says(found.name))

    def forget_alias(self, alias: str, name: str, collection: str | None, delete_among_others: bool) -> Forgotten:
        """But for the person's own faces that are labelled so: those are counted as theirs."""
        theirs = self.find(name, collection).faces
        try:
            return self.forget(self.find(alias, collection).without(theirs), delete_among_others)
        except NotFoundError:  # nothing says it any more, but an older backup does
            receipt = self.journal.end(alias, (), (collection,) if collection else (), {})
            return Forgotten(alias, {}, (), 0, 0, (), receipt=receipt.receipt_id, ended_at=receipt.ended_at)

    def says(self, name: str) -> Says:
        """Whether a text names the person: the name by itself, and not within the name of somebody who is known."""
        gone = Belongings(name, [], everywhere=True).gone([])
        return Naming(gone, self.storage.known_names() - {name}).test()

    def receipt(self, receipt_id: str) -> Receipt:
        """Raises NotFoundError when there is none of that id."""
        for receipt in self.journal.all():
            if receipt.receipt_id == receipt_id:
                return receipt
        raise NotFoundError(f"there is no receipt {receipt_id} here; `faceline audit` lists erasures")

    def left_of(self, name: str, receipt_id: str | None = None) -> Sequence[Left]:
        """What is left of a person in the whole data directory: their name, and the ids of their erasures.

        receipt_id: of one of them only. Raises NotFoundError when there is none such.
        """
        receipts = [self.receipt(receipt_id)] if receipt_id else self.journal.of(name)
        ids = frozenset(hashed for receipt in receipts for hashed in receipt.ids)
        ids -= {self.journal.keyed.hashed(SENT)}  # receipts had it until it was no source of anybody's
        if receipt_id and receipts[0].person != self.journal.keyed.hashed(name):
            raise UsageError(f"the receipt {receipt_id} is of another person, or the name was spelled otherwise then")
        wanted = Wanted(name, self.says(name), ids, self.journal.keyed.hashed)
        return left_of(wanted, contents(self.storage.directory.path, parquet_text))

    def note_settings(self, actor: str) -> None:
        """Into the audit log, when they are others than the last time: which are not the default, as hashes."""
        settings, default = self.storage.settings, Settings()
        names = [field.name for field in msgspec.structs.fields(Settings) if field.name != "data"]
        changed = {n: str(getattr(settings, n)) for n in names if getattr(settings, n) != getattr(default, n)}
        now = {name: self.journal.keyed.hashed(value)[:8] for name, value in changed.items()}
        before = [entry.detail for entry in self.audit.entries() if entry.action == "settings"]
        if before[-1:] != [now]:
            self.audit.note(actor, "settings", detail=now)

    @property
    def journal(self) -> Erasures:
        return Erasures(self.storage.directory.path)

    @property
    def audit(self) -> AuditLog:
        return AuditLog(self.storage.directory.path, self.journal.keyed)

    def _eraser(self) -> Eraser:
        storage, s = self.storage, self.storage.settings
        names = s.names
        objects, records = storage.objects, storage.records
        finder = Finder(
            storage.face_records,
            objects,
            records,
            self.places,
            names.input,
            names.output,
            names.images,
            s.matching_prefix,
            Keys.of(s),
            Customers(objects, names.images, s.matching_manifest, s.matching_customer),
        )
        prefixes = {s.input_bucket: s.input_prefix, names.images: s.matching_prefix}
        mark = objects.index.mark_announced
        limit = max(s.max_upload_bytes, s.max_video_bytes)
        renamer = Renamer(
            objects, records, storage.activity, storage.receipts, self.places, mark, self.delete, prefixes, limit
        )
        return Eraser(
            face_records=storage.face_records,
            people=storage.people,
            objects=objects,
            records=records,
            places=self.places,
            outputs=self.videos.outputs,
            forget_in_gallery=self.videos.forget_in_gallery,
            finder=finder,
            renamer=renamer,
            delete=self.delete,
            delete_clip=self.videos.delete_stem,
            stores={"consents": storage.consents} | dict(self.stores),
            last={
                "activity": storage.activity,  # when photos have their new names and nothing is in hand
                "Parquet copies": storage.lake,  # when the JSON that they are made of is clean
                "messages and marks": storage.state,
                "ids of removed faces": storage.tombstones,
                "folders": storage.empty_folders,
            },
            journal=self.journal,
            in_hand=storage.state.in_hand,
        )


class Notes(Protocol):
    """Writes into the audit log, as `App.note`."""

    def __call__(self, action: str, *, detail: Mapping[str, str | float | None]) -> None: ...


@dataclass(frozen=True, slots=True)
class RetentionWorkflow:
    """uploads: bucket and prefix of what people are enrolled by. delete: an upload with all that was made of it.

    forget: a person from one collection. unknown: ends unknown faces, and returns how many.
    """

    storage: Storage
    videos: Galleries
    uploads: Sequence[Place]
    delete: Callable[[str, str], None]
    forget: Callable[[str, str], object]
    unknown: Callable[[], int]
    note: Notes

    def kept(self) -> list[Kept]:
        """What holds for each collection; results are kept as the settings say where nothing else was said."""
        said = {each.collection: each for each in self.storage.retention.all()}
        names = {*self.storage.collections.models(), *said, *(name for name, _, _ in self._results())}
        names |= {*self.storage.activity.collections()}
        default = self.storage.settings.results_kept_days
        found = [said.get(name, Kept(name)) for name in sorted(names)]
        return [replace(each, results_days=default) if each.results_days is None else each for each in found]

    def run(self) -> dict[str, int]:
        """Deletes what has been kept long enough; returns how many faces, people, results, records, entries,
        unknown faces.
        """
        storage, s = self.storage, self.storage.settings
        done = Expiry(
            face_records=storage.face_records,
            retention=storage.retention,
            objects=storage.objects,
            traces=storage.state,
            activity=storage.activity.expire,
            tombstones=storage.tombstones.forget,
            results=self._results(),
            photos=(s.input_bucket, s.collection),
            forget=self.forget,
            delete=self.delete,
            uploads=self.uploads,
            kept=self.kept,
        ).run()
        done["unknown faces"] = self.unknown() + self._strangers()
        storage.lake.tidy()  # Parquet copies of what is gone
        if any(done.values()):
            self.note("retention run", detail=done)
        return done

    def _strangers(self) -> int:
        """Pictures of strangers before cameras end with the unknown faces."""
        days = self.storage.settings.unknown_faces_days
        before = datetime.now(UTC) - timedelta(days=days)
        return self.storage.activity.expire_strangers(before.isoformat()) if days else 0

    def _results(self) -> list[tuple[str, str, str]]:
        """Which collection's results lie in which bucket, under which prefix."""
        s = self.storage.settings
        return [
            (s.collection, s.input_bucket, s.processed_prefix),
            (self.videos.collection_name(), s.names.output, ""),
            (s.names.matching_collection, s.names.matches, s.matching_output_prefix),
        ]


def back_up(storage: Storage, file: Path) -> dict[str, Any]:
    """As of `local.backup.back_up`."""
    return write_backup(storage.directory.path, file)


def restore(file: Path, data: Path, live: Path | None, forget: Callable[[Path, Sequence[str]], None]) -> Restored:
    """Puts a backup in the place `data`, where nothing may be, without those who were forgotten since it was made.

    live: the data directory whose list of erasures holds; None: only the backup's own, which knows none that came
    later. forget: has these names forgotten in a data directory.
    Raises ConflictError, InputError, and NotFoundError when `live` has no list of erasures.
    """
    created = str(read_about(file)["created_at"])
    receipts = _erasures_in(live, created) if live else []
    forgotten = 0

    def prepare(staging: Path) -> None:
        nonlocal forgotten
        if live and receipts:
            keyed = Erasures(live).keyed
            persons = {receipt.person for receipt in receipts}
            texts = {content.text for content in contents(staging, parquet_text) if not content.raw}
            names = sorted(text for text in texts if len(text) <= MAX_LENGTH and keyed.hashed(text) in persons)
            forget(staging, names)
            forgotten = len(names)

    put_back(file, data, prepare)
    return Restored(created, forgotten, len(receipts))


def _erasures_in(live: Path, since: str) -> list[Receipt]:
    erasures = Erasures(live)
    if not erasures.exists():
        raise NotFoundError(f"{live} has no {KEY}; name the data directory that was in use, or a copy of its list")
    return [receipt for receipt in erasures.all() if receipt.ended_at > since]
