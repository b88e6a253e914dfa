"""Workflows 3 and 4, second half: what was staged of a clip → who is in it, in the output bucket."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec

from faceline.activity import Kind, SeenFace
from faceline.documents import parsed
from faceline.engine.analyzer import Analyzer, Wanted
from faceline.errors import ConflictError, InputError, NotFoundError
from faceline.gallery.collection import Collection
from faceline.images import ImageLimits, decode
from faceline.pipelines.clips import appearances
from faceline.pipelines.documents import appearance_document, identification_document
from faceline.pipelines.entries import See, Work, clip_faces, first_face, unseen
from faceline.pipelines.naming import UNKNOWN, name_of, principal
from faceline.pipelines.rounds import rounds
from faceline.pipelines.staging import MANIFEST, StagedClip, read_staged
from faceline.pipelines.telling import Tell, in_clip, untold
from faceline.pipelines.video_outputs import Outputs
from faceline.ports import ObjectInfo, ObjectStore
from faceline.types import Appearance, Decision
from faceline.videos import VideoFrame

_MAX_MANIFEST_BYTES = 200_000_000
_log = logging.getLogger("faceline.pipelines.video_recognition")


@dataclass(frozen=True, slots=True)
class Recognition:
    """Who is known, and what finds them. nearest_wins: one image's name is the nearest person's, however far.

    most_frames: of a clip; a list of more is refused.
    """

    collection: Collection
    analyzer: Analyzer
    wanted: Wanted
    limits: ImageLimits
    nearest_wins: bool = False
    workers: int = 1
    most_frames: int = 21_601


@dataclass(frozen=True, slots=True)
class VideoRecognizer:
    """The function `face-recognition`. recognition: asked at each call, since galleries come and go.

    tell: of whom was seen in a clip. source_of: bucket and key of the clip of a stem. see: what the page lists.
    """

    objects: ObjectStore
    outputs: Outputs
    recognition: Callable[[], Recognition]
    tell: Tell = untold
    source_of: Callable[[str], tuple[str, str]] = lambda stem: ("", stem)
    see: See = unseen

    def take(self, body: str) -> None:
        """One call, as a queue brings it. Raises InputError when it is none."""
        try:
            payload = parsed(body)
        except ValueError as error:
            raise InputError(f"the call is not JSON ({error}); expected {_EXPECTED}") from error
        try:
            answer = self.handle(payload)
        except ConflictError as error:  # another clip's result has the name that a folder of this one's would need
            raise InputError(f"the result cannot be kept: {error}") from error
        if answer["statusCode"] == 400 and not _place(payload):
            raise InputError(answer["body"])

    def handle(self, payload: Any) -> dict[str, Any]:
        """payload: `{"bucket_name", "image_file_name"}` (or `img_file_name`): a staged image, or a clip's frames.json.

        `{"statusCode", "body"}`: 200 with the names, 400 with the reason. Safe to repeat.
        """
        place = _place(payload)
        if place is None:
            return {"statusCode": 400, "body": f"the call has no bucket_name or image_file_name; expected {_EXPECTED}"}
        started = time.perf_counter()
        bucket, key = place
        try:
            answer = self._clip(bucket, key) if PurePosixPath(key).name == MANIFEST else self._image(bucket, key)
        except (NotFoundError, InputError) as error:  # taken away before its turn came, or nothing to be read
            answer = {"statusCode": 400, "body": str(error)}
        latency_ms = round((time.perf_counter() - started) * 1000, 1)
        _log.info(
            "video recognised",
            extra={"bucket": bucket, "key": key, "latency_ms": latency_ms, "status": answer["statusCode"]},
        )
        return answer

    def _image(self, bucket: str, key: str) -> dict[str, Any]:
        """The largest usable face of one image. Once more when that was replaced meanwhile, as a clip."""
        looks = rounds(bucket, key)
        while True:
            next(looks)
            asked = self.recognition()
            info, data = self.objects.get(bucket, key, asked.limits.max_bytes)
            answer = self._first(info, data, asked)
            if self.objects.head(bucket, key).etag == info.etag:
                return answer

    def _first(self, info: ObjectInfo, data: bytes, asked: Recognition) -> dict[str, Any]:
        work, key = Work.begun(), info.key
        document = self._document(f"{info.bucket}/{key}", asked, "first")
        stem = str(PurePosixPath(key).with_suffix(""))
        try:
            faces = asked.analyzer.analyze([decode(data, key, asked.limits)], asked.wanted)[0]
        except InputError as error:
            self._list(self.source_of(stem), work, asked, (), str(error))
            return self._nothing(stem, document, str(error))
        if not faces:
            self._list(self.source_of(stem), work, asked, (), None)
            return self._nothing(stem, document, f"No face detected or recognized in {key}")
        (who,) = asked.collection.identify([faces[principal(faces)]])
        name = name_of(who, asked.nearest_wins)
        self.outputs.put(stem, document | {"etag": info.etag, "face": identification_document(who)}, [name], None)
        self._list(self.source_of(stem), work, asked, first_face(who), None)
        return {"statusCode": 200, "body": name}

    def _clip(self, bucket: str, key: str) -> dict[str, Any]:
        """Everybody in a clip. Once more when the clip was replaced meanwhile: old frames never have the last word."""
        looks = rounds(bucket, key)
        while True:
            next(looks)
            asked, manifest = self.recognition(), self._manifest(bucket, key)
            if len(manifest.frames) > asked.most_frames:
                raise InputError(
                    f"{key} lists {len(manifest.frames):,} frames, and with max_video_s, video_per_second and "
                    f"video_most_frames as they are a clip has {asked.most_frames:,} at most; upload the clip again"
                )
            answer = self._recognise(bucket, key, asked, manifest)
            if self._manifest(bucket, key).video.etag == manifest.video.etag:
                return answer

    def _recognise(self, bucket: str, key: str, asked: Recognition, manifest: StagedClip) -> dict[str, Any]:
        stem, video, work = str(PurePosixPath(key).parent), manifest.video, Work.begun()
        frames = self._frames(bucket, manifest, asked.limits)
        found = appearances(frames, asked.analyzer, asked.wanted, asked.collection, asked.workers)
        document = self._document(f"{video.bucket}/{video.key}", asked, "all") | {
            "video": msgspec.structs.asdict(video),
            "sampled_frames": len(manifest.frames),
            "appearances": [appearance_document(each) | {"best_frame": _best(each, manifest)} for each in found],
        }
        if not found:
            self._list((video.bucket, video.key), work, asked, (), manifest.error)
            error = manifest.error or f"No face detected or recognized in {stem}"
            return self._nothing(stem, document, error)
        names = most_seen_first(found) or [UNKNOWN]
        self.outputs.put(stem, document, names, manifest.error)
        self._list((video.bucket, video.key), work, asked, clip_faces(found), manifest.error)
        when = document["processed_at"]
        for notice in in_clip(f"{video.bucket}/{video.key}", video.etag, when, asked.collection.name, found):
            self.tell(notice)
        return {"statusCode": 200, "body": ", ".join(names)}

    def _list(
        self, clip: tuple[str, str], work: Work, asked: Recognition, faces: tuple[SeenFace, ...], error: str | None
    ) -> None:
        with suppress(NotFoundError):  # taken away meanwhile: there is nothing to look at
            info = self.objects.head(*clip)
            self.see(work.on(Kind.CLIP, info, asked.collection.name, faces, error))

    def _frames(self, bucket: str, manifest: StagedClip, limits: ImageLimits) -> Iterator[VideoFrame]:
        for staged in manifest.frames:
            _, data = self.objects.get(bucket, staged.key, limits.max_bytes)
            yield VideoFrame(decode(data, staged.key, limits), staged.time_s, staged.number)

    def _manifest(self, bucket: str, key: str) -> StagedClip:
        return read_staged(self.objects.get(bucket, key, _MAX_MANIFEST_BYTES)[1], key)

    def _document(self, source: str, asked: Recognition, mode: str) -> dict[str, Any]:
        return {
            "source": source,
            "mode": mode,
            "processed_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "collection": asked.collection.name,
            "model": asked.analyzer.model,
            "calibrated": asked.collection.scorer.calibration.measured,
        }

    def _nothing(self, stem: str, document: dict[str, Any], reason: str) -> dict[str, Any]:
        self.outputs.put(stem, document, [], reason)
        return {"statusCode": 400, "body": reason}


_EXPECTED = '{"bucket_name": …, "image_file_name": …}'


def most_seen_first(found: list[Appearance]) -> list[str]:
    """The names of those who were recognised, by how many sampled frames show them."""
    frames: dict[str, int] = {}
    for each in found:
        if each.who.decision is Decision.MATCH and each.who.name:
            frames[each.who.name] = frames.get(each.who.name, 0) + each.frames
    return sorted(frames, key=lambda name: -frames[name])


def _place(payload: Any) -> tuple[str, str] | None:
    """Bucket and key of what is to be looked at. A key without a file's name, such as `.`, is none."""
    if not isinstance(payload, dict):
        return None
    bucket, key = payload.get("bucket_name"), payload.get("image_file_name") or payload.get("img_file_name")
    if not isinstance(bucket, str) or not isinstance(key, str):
        return None
    return (bucket, key) if bucket and PurePosixPath(key).name else None


def _best(each: Appearance, manifest: StagedClip) -> str | None:
    """The key of the frame that shows the person best."""
    return next((frame.key for frame in manifest.frames if frame.time_s == each.best_frame_s), None)
