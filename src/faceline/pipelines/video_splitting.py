"""Workflows 3 and 4, first half: a clip that arrived → frames in the stage bucket, and a call of the second half.

With mode `first` the clip's first frame becomes `<stem>.jpg`. With mode `all` the sampled frames become
`<stem>/output-01.jpg` and so on, and `<stem>/frames.json` says when each of them is shown.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from faceline.activity import Kind
from faceline.config import Names
from faceline.errors import NotFoundError, VideoDamagedError, VideoError
from faceline.events import ObjectCreated
from faceline.images import encode_jpeg
from faceline.pipelines.entries import See, Work, unseen
from faceline.pipelines.fetching import fetched_clip
from faceline.pipelines.owning import disown, owns
from faceline.pipelines.rounds import rounds
from faceline.pipelines.staging import MANIFEST, StagedClip, StagedFrame, StagedVideo
from faceline.pipelines.video_outputs import Outputs
from faceline.ports import ObjectInfo, ObjectStore, Receipts
from faceline.types import Pixels
from faceline.videos import FIRST_FRAME, Clip, Sampling, VideoFrame, VideoLimits, opened_file

_STAGED = re.compile(r"output-\d+\.jpg")

_log = logging.getLogger("faceline.pipelines.video_splitting")


@dataclass(frozen=True, slots=True)
class Splitting:
    """What is kept of a clip. sampling: unless first_only. size: width and height of staged frames; None: full."""

    first_only: bool
    sampling: Sampling
    size: tuple[int, int] | None
    limits: VideoLimits


@dataclass(frozen=True, slots=True)
class VideoSplitter:
    """The function `video-splitting`. invoke: calls the function `face-recognition` without waiting for it.

    see: what the page lists; here only clips that cannot be used.
    """

    objects: ObjectStore
    receipts: Receipts
    names: Names
    splitting: Splitting
    invoke: Callable[[dict[str, Any]], object]
    see: See = unseen

    def handle(self, event: ObjectCreated) -> dict[str, Any]:
        """What was done, as a small document. Safe to repeat: everything has the same names and replaces itself.

        A clip that cannot be used is a result too: `<stem>.json` in the output bucket says why.
        """
        started = time.perf_counter()
        result = self._split(event)
        latency_ms = round((time.perf_counter() - started) * 1000, 1)
        _log.info("video split", extra={"bucket": event.bucket, "key": event.key, "latency_ms": latency_ms, **result})
        return result

    def _split(self, event: ObjectCreated) -> dict[str, Any]:
        """Until the clip that was split is still there: so an older one's frames never have the last word.

        Two workers may hold two events of one key, and the one with the older clip may be the slower one.
        """
        looks = rounds(event.bucket, event.key)
        while True:
            next(looks)
            etag = self.objects.head(event.bucket, event.key).etag  # before anything is written: it may be gone
            stem = self._stem(event)
            try:
                result = self._split_once(stem, event)
                still_there = self.objects.head(event.bucket, event.key).etag == etag
            except NotFoundError:  # deleted meanwhile, and what the deletion left out we have written since
                self._take_back(stem, event)
                continue  # if it was put back, another worker's frames went with ours
            if still_there:
                return self._handed_on(stem, result)

    def _handed_on(self, stem: str, result: dict[str, Any]) -> dict[str, Any]:
        if result["status"] == "done":
            key = f"{stem}.jpg" if self.splitting.first_only else f"{stem}/{MANIFEST}"
            self.invoke({"bucket_name": self.names.stage, "image_file_name": key})
        return result | {"stem": stem}

    def _split_once(self, stem: str, event: ObjectCreated) -> dict[str, Any]:
        """What was done with the clip that is there now."""
        work, max_bytes = Work.begun(), self.splitting.limits.max_bytes
        sampling = FIRST_FRAME if self.splitting.first_only else self.splitting.sampling
        try:
            with (
                fetched_clip(self.objects, event.bucket, event.key, max_bytes) as (info, file),
                opened_file(file, self.splitting.limits, sampling, event.key) as clip,
            ):
                return self._stage(stem, info, clip)
        except VideoError as error:
            reason = str(error)
        self._refuse(stem, event, reason)
        self.see(work.on(Kind.CLIP, self.objects.head(event.bucket, event.key), "", (), reason))
        return {"status": "error", "reason": reason}

    def _stem(self, event: ObjectCreated) -> str:
        """`<dirs>/<stem>`, or with the whole file name where another clip owns that."""
        short = str(PurePosixPath(event.key).with_suffix(""))
        return short if owns(self.receipts, f"{self.names.output}/{short}", event.key) else event.key

    def _stage(self, stem: str, info: ObjectInfo, clip: Clip) -> dict[str, Any]:
        if self.splitting.first_only:
            first = next(iter(clip.frames), None)
            if first is None:
                raise VideoError(f"{info.key}: has no frame; record it again")
            key = f"{stem}.jpg"
            self.objects.put(self.names.stage, key, self._jpeg(first))
            return {"status": "done", "staged": 1}
        staged, error = self._stage_all(stem, clip)
        said = clip.info
        video = StagedVideo(info.bucket, info.key, info.etag, said.duration_s, said.width, said.height, said.fps)
        manifest = f"{stem}/{MANIFEST}"
        self.objects.put(self.names.stage, manifest, StagedClip(video, staged, error).to_json())
        self._unstage(stem, {frame.key for frame in staged})
        return {"status": "done", "staged": len(staged)} | ({"reason": error} if error else {})

    def _stage_all(self, stem: str, clip: Clip) -> tuple[list[StagedFrame], str | None]:
        """What was staged, and what ended the clip early, if anything did."""
        staged: list[StagedFrame] = []
        try:
            for n, frame in enumerate(clip.frames, start=1):
                key = f"{stem}/output-{n:02d}.jpg"
                self.objects.put(self.names.stage, key, self._jpeg(frame))
                staged.append(StagedFrame(key, round(frame.time_s, 3), frame.number))
        except VideoDamagedError as error:
            if not staged:
                raise
            return staged, str(error)
        return staged, None

    def _jpeg(self, frame: VideoFrame) -> bytes:
        return encode_jpeg(_resized(frame.frame.pixels, self.splitting.size))

    def _unstage(self, stem: str, kept: Iterable[str]) -> None:
        """Deletes the frames of an earlier, longer clip of this name."""
        with suppress(NotFoundError):
            for info in list(self.objects.list(self.names.stage, f"{stem}/")):
                if info.key not in kept and _STAGED.fullmatch(info.key.removeprefix(f"{stem}/")):
                    self.objects.delete(self.names.stage, info.key)

    def unstage(self, stem: str) -> None:
        """Deletes all that was staged of a clip."""
        self._unstage(stem, ())
        for key in (f"{stem}.jpg", f"{stem}/{MANIFEST}"):
            self.objects.delete(self.names.stage, key)

    def _take_back(self, stem: str, event: ObjectCreated) -> None:
        """Deletes all that was made of a clip which is gone, and that a result's name was its."""
        self.unstage(stem)
        Outputs(self.objects, self.names.output).delete(stem)
        disown(self.receipts, f"{self.names.output}/{stem}", event.key)

    def _refuse(self, stem: str, event: ObjectCreated, reason: str) -> None:
        self.unstage(stem)
        Outputs(self.objects, self.names.output).put(stem, {"source": f"{event.bucket}/{event.key}"}, [], reason)


def _resized(pixels: Pixels, size: tuple[int, int] | None) -> Pixels:
    if size is None:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
