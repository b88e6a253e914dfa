"""Faces followed from frame to frame: by where they are, and by who they are where that says too little.

A face goes on as the track that is expected where it is (`faceline.tracking`). Where that is doubtful - the face looks
different, or moved far - its embedding must agree with the track's. A face that no track is near, and every face after
a cut, is compared with the tracks out of sight, so that somebody who comes back is still the same appearance. Each
track is embedded a few times: when it starts, when in doubt, and for more and better shots; the best few are kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from faceline.engine.analyzer import Sighting
from faceline.pipelines.shots import Scene, alike, look_of, scene_of, weight_of
from faceline.pipelines.tracks import Followed, Seen, Shot, Track
from faceline.similarity import Scorer
from faceline.tracking import distance, pairings, reach
from faceline.types import Embedding, Pixels
from faceline.videos import VideoFrame

__all__ = ["FollowRule", "Follower", "Track"]

_MOMENT_S = 0.5  # in less a face does not go far from its place, and nobody else comes there


@dataclass(frozen=True, slots=True)
class FollowRule:
    """When a face is the same as before. Similarities are 0–100, calibrated, of the best of a track's usable shots.

    gap_s: how long a face may be out of sight and still be the same appearance; sight_s: and still be expected where
    it was. kept: embeddings of each track. far: the distance (`tracking.distance`) from which on a place is doubtful.
    same_place: the similarity needed by a face where the track is expected, but that looks different; a lower one is
    somebody else who took the place. same_face: needed near the old place. same_person: needed anywhere.
    shot_every_s: how often a track is embedded while it has few shots; check_every_s: later on. better: a shot of so
    many times the weight of the best is embedded at once. single_confidence: of the
    detector, 0–100, that one frame must have for a track to be more than noise, or two frames sure_confidence.
    """

    gap_s: float = 5.0
    sight_s: float = 2.0
    kept: int = 5
    far: float = 0.8
    same_place: float = 50.0
    same_face: float = 80.0
    same_person: float = 90.0
    shot_every_s: float = 0.5
    check_every_s: float = 2.0
    better: float = 1.5
    single_confidence: float = 98.0
    sure_confidence: float = 95.0


class Follower:
    """Follows the faces of one clip or camera. Not thread-safe. Memory: a crop and a few embeddings for each track.

    embed: chips uint8 (side, side, 3) RGB → embeddings, as `Analyzer.embed_chips`. scorer: of the same model.
    What was seen in a few frames, in none with much confidence, is taken for noise: no answer but that of `add` has it.
    """

    def __init__(
        self, embed: Callable[[Sequence[Pixels]], list[Embedding]], scorer: Scorer, rule: FollowRule = FollowRule()
    ) -> None:
        self._embed, self._scorer, self._rule = embed, scorer, rule
        self._followed: list[Followed] = []
        self._ended: list[Track] = []
        self._joined: dict[int, int] = {}
        self._started = 0
        self._scene: Scene | None = None
        self._step_s = 0.0
        self._time_s = -np.inf

    def add(self, frame: VideoFrame, sightings: Sequence[Sighting]) -> list[int]:
        """The track number of each sighting; see `joined`. Frames come in the order of their times."""
        self._arrive(frame)
        faces = [Seen(s, frame.time_s, look_of(s.chip), weight_of(s.face)) for s in sightings]
        self._pair(faces)
        self._embed_all([seen for seen in faces if self._due(seen)])
        for seen in faces:
            if seen.followed is not None and self._refuted(seen, seen.followed):
                seen.followed = None
        self._embed_all([seen for seen in faces if seen.followed is None and seen.shot is None])
        self._recognise(faces)
        for seen in faces:
            seen.followed = seen.followed or self._start(seen, frame)
            seen.followed.go_on(seen, frame, self._rule.kept)
        present = [seen.followed for seen in faces if seen.followed is not None]
        self._tell_apart(present)
        for seen in faces:
            self._join_if_same(seen)
        return [self.joined(followed.number) for followed in present]

    def living(self) -> list[Track]:
        """Those that have not ended: in sight, or out of it for no longer than the gap.

        One that turns out to be an older one that came back goes on as that: its own number is seen no more, neither
        here nor among the ended.
        """
        return [followed.track() for followed in self._followed if self._is_no_noise(followed)]

    def ended(self) -> list[Track]:
        """Those that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def finish(self) -> list[Track]:
        """Ends all. Those not yet given by `ended`."""
        self._expire(np.inf)
        return self.ended()

    def joined(self, number: int) -> int:
        """The number under which a track goes on: its own, or that of the older track that it turned out to be."""
        while number in self._joined:
            number = self._joined[number]
        return number

    def _arrive(self, frame: VideoFrame) -> None:
        self._expire(frame.time_s)
        before, self._scene = self._scene, scene_of(frame.frame)
        self._step_s, self._time_s = frame.time_s - self._time_s, frame.time_s
        if before is not None and not before.goes_on(self._scene):
            for followed in self._followed:  # after a cut, places mean nothing
                followed.placed = False

    def _pair(self, faces: Sequence[Seen]) -> None:
        """Gives faces the tracks that are expected where they are."""
        in_sight_s = max(self._rule.sight_s, 1.5 * self._step_s)
        expected = [f for f in self._followed if f.placed and self._time_s - f.last_s <= in_sight_s]
        boxes = [seen.face.box for seen in faces]
        for pairing in pairings([followed.motion for followed in expected], boxes, self._time_s):
            seen, followed = faces[pairing.box], expected[pairing.motion]
            seen.followed, seen.distance = followed, pairing.distance
            far = pairing.distance > self._rule.far
            away = seen.usable and self._time_s - followed.last_s > max(_MOMENT_S, 1.5 * self._step_s)
            seen.doubtful = far or away or followed.suspect or not alike(followed.look, seen.look)

    def _due(self, seen: Seen) -> bool:
        """Whether to embed this face now."""
        followed = seen.followed
        if followed is None or seen.doubtful:
            return True
        if not seen.usable:
            return False
        best = followed.shots[0]
        if not best.usable or seen.weight > self._rule.better * best.weight:
            return True
        few = len(followed.shots) < self._rule.kept
        return self._time_s - followed.embedded_s >= (self._rule.shot_every_s if few else self._rule.check_every_s)

    def _embed_all(self, faces: Sequence[Seen]) -> None:
        if not faces:
            return
        embeddings = self._embed([seen.sighting.chip for seen in faces])
        normalised = self._scorer.normalise(np.stack([embedding.values for embedding in embeddings]))
        for row, (seen, embedding) in enumerate(zip(faces, embeddings, strict=True)):
            seen.shot = Shot.of(seen, embedding, normalised, row)

    def _refuted(self, seen: Seen, followed: Followed) -> bool:
        """Whether this is somebody else in the track's place, or may as well be."""
        if seen.shot is None:
            return False
        if not seen.usable:
            return seen.doubtful and (self._time_s - followed.last_s > _MOMENT_S or seen.distance > self._rule.far)
        similarity = followed.similarity(seen.shot, self._scorer)
        agrees = similarity is None or similarity >= self._rule.same_place
        followed.suspect = not agrees and not seen.doubtful
        return not agrees and seen.doubtful

    def _recognise(self, faces: Sequence[Seen]) -> None:
        """Gives faces the tracks out of sight that they are like, the most similar first."""
        taken = {seen.followed.number for seen in faces if seen.followed is not None}
        free = [followed for followed in self._followed if followed.number not in taken]
        likely = [
            (similarity, seen, followed)
            for seen in faces
            for followed in free
            if seen.followed is None and (similarity := self._likeness(seen, followed)) is not None
        ]
        for _, seen, followed in sorted(likely, key=lambda each: -each[0]):
            if seen.followed is None and followed.number not in taken:
                seen.followed, followed.suspect = followed, False
                taken.add(followed.number)

    def _likeness(self, seen: Seen, followed: Followed) -> float | None:
        """How similar a face is to a track; None when not enough to be the same."""
        similarity = followed.similarity(seen.shot, self._scorer) if seen.shot else None
        away = distance(followed.motion.box, seen.face.box)
        near = followed.placed and away <= reach(self._time_s - followed.last_s)
        needed = self._rule.same_face if near else self._rule.same_person
        return similarity if similarity is not None and similarity >= needed else None

    def _start(self, seen: Seen, frame: VideoFrame) -> Followed:
        self._started += 1
        followed = Followed.started(self._started, seen, frame)
        self._followed.append(followed)
        return followed

    def _tell_apart(self, present: Sequence[Followed]) -> None:
        numbers = {followed.number for followed in present}
        for followed in present:
            followed.beside |= numbers - {followed.number}

    def _join_if_same(self, seen: Seen) -> None:
        """A track whose first shots were too poor to tell may be known by a better one."""
        followed, shot = seen.followed, seen.shot
        if followed is None or shot is None:
            return
        others = [other for other in self._followed if other is not followed and not self._are_two(followed, other)]
        similarity, other = max(
            ((other.similarity(shot, self._scorer) or 0.0, other) for other in others),
            key=lambda found: found[0],
            default=(0.0, followed),
        )
        if similarity >= self._rule.same_person:
            old, young = sorted((followed, other), key=lambda each: each.number)
            self._join(old, young)

    def _are_two(self, a: Followed, b: Followed) -> bool:
        """Whether both were seen in one frame."""
        return a.number in b.beside or b.number in a.beside

    def _join(self, old: Followed, young: Followed) -> None:
        self._followed.remove(young)
        self._joined[young.number] = old.number
        old.absorb(young, self._rule.kept)
        for other in self._followed:
            if young.number in other.beside:
                other.beside.add(old.number)

    def _expire(self, time_s: float) -> None:
        over = [followed for followed in self._followed if time_s - followed.last_s > self._rule.gap_s]
        if not over:
            return
        self._ended += [followed.track() for followed in over if self._is_no_noise(followed)]
        self._followed = [followed for followed in self._followed if followed not in over]
        numbers = {followed.number for followed in self._followed}
        for followed in self._followed:
            followed.beside &= numbers

    def _is_no_noise(self, followed: Followed) -> bool:
        once, twice = followed.confidences
        return once >= self._rule.single_confidence or twice >= self._rule.sure_confidence
