"""Jobs on stored videos in SQLite: one row a job, one row a face in a frame."""

import json
import sqlite3
import time
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from faceline.errors import ConflictError, NotFoundError, QuotaError
from faceline.local.database import Database, Row
from faceline.ports import VideoJob, VideoJobState, VideoOutcome, VideoSighting, VideoTask
from faceline.types import Face

KEPT_S = 7 * 86_400.0  # as long as Amazon Rekognition keeps them
_JOB = "job_id, task, attempt, outcome"
_MINE = "job_id = ? AND attempt = ? AND outcome IS NULL"
_task = msgspec.json.Decoder(VideoTask).decode
_outcome = msgspec.json.Decoder(VideoOutcome).decode
_face = msgspec.json.Decoder(Face).decode


class SqliteVideoJobs:
    """Implements `ports.VideoJobs` and `ports.VideoSightings`. now: Unix time in seconds."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._database, self._now = database, now

    def start(self, task: VideoTask, token: str | None, limit: int) -> VideoJob:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM video_jobs WHERE ended_at <= ?", (self._oldest(),))
            known = connection.execute(f"SELECT {_JOB} FROM video_jobs WHERE token = ?", (token,)).fetchone()  # noqa: S608
            if known:
                return _same(_job(known), task)
            count = connection.execute("SELECT count(*) FROM video_jobs WHERE ended_at IS NULL").fetchone()[0]
            if count >= limit:
                raise QuotaError(f"{count} video jobs have not ended yet, at most {limit} may; start it again later")
            job = VideoJob(uuid.uuid4().hex, task)
            connection.execute(
                "INSERT INTO video_jobs (job_id, token, task, started_at) VALUES (?, ?, ?, ?)",
                (job.job_id, token, msgspec.json.encode(task).decode(), self._now()),
            )
        return job

    def get(self, job_id: str) -> VideoJob:
        sql = f"SELECT {_JOB} FROM video_jobs WHERE job_id = ? AND (ended_at IS NULL OR ended_at > ?)"  # noqa: S608
        rows = self._database.rows(sql, (job_id, self._oldest()))
        if not rows:
            raise NotFoundError(f"there is no job {job_id}; results are kept for {KEPT_S / 86_400:g} days")
        return _job(rows[0])

    def begin(self, job_id: str) -> VideoJob | None:
        sql = f"UPDATE video_jobs SET attempt = attempt + 1 WHERE job_id = ? AND outcome IS NULL RETURNING {_JOB}"  # noqa: S608
        with self._database.transaction() as connection:
            begun = connection.execute(sql, (job_id,)).fetchall()
            if begun:
                _delete_sightings(connection, job_id)
        return _job(begun[0]) if begun else None

    def finish(self, job_id: str, attempt: int, outcome: VideoOutcome) -> bool:
        sql = f"UPDATE video_jobs SET outcome = ?, ended_at = ? WHERE {_MINE}"  # noqa: S608 (constants)
        values = (msgspec.json.encode(outcome).decode(), self._now(), job_id, attempt)
        with self._database.transaction() as connection:
            mine = connection.execute(sql, values).rowcount == 1
            if mine and outcome.state is VideoJobState.FAILED:
                _delete_sightings(connection, job_id)
        return mine

    def unfinished(self) -> Sequence[str]:
        sql = "SELECT job_id FROM video_jobs WHERE ended_at IS NULL ORDER BY started_at"
        return [job_id for (job_id,) in self._database.rows(sql)]

    def add(self, job_id: str, attempt: int, sightings: Sequence[VideoSighting]) -> bool:
        sql = "INSERT INTO video_sightings (job_id, time_ms, person, face) VALUES (?, ?, ?, ?)"
        rows = [(job_id, each.time_ms, each.person, _packed(each.face)) for each in sightings]
        with self._database.transaction() as connection:
            mine = _is_mine(connection, job_id, attempt)
            if mine:
                connection.executemany(sql, rows)
        return mine

    def renumber(self, job_id: str, attempt: int, numbers: Mapping[int, int]) -> bool:
        changed = [(new, job_id, old) for old, new in numbers.items() if new != old]
        nobody = """DELETE FROM video_sightings
                    WHERE job_id = ? AND person NOT IN (SELECT value FROM json_each(?))"""
        with self._database.transaction() as connection:
            mine = _is_mine(connection, job_id, attempt)
            if mine:
                connection.execute(nobody, (job_id, json.dumps(list(numbers))))
                connection.executemany("UPDATE video_sightings SET person = ? WHERE job_id = ? AND person = ?", changed)
        return mine

    def page(self, job_id: str, after: int, limit: int, by_person: bool = False) -> Sequence[tuple[int, VideoSighting]]:
        order, following = "position", "position > :after"
        if by_person:
            order = "person, position"
            place = "SELECT person, position FROM video_sightings WHERE position = :after"
            following = f"(person, position) > ({place})" if after else "1"
        sql = f"""SELECT position, time_ms, face, person FROM video_sightings
                  WHERE job_id = :job_id AND {following} ORDER BY {order} LIMIT :limit"""  # noqa: S608 (constants)
        rows = self._database.rows(sql, {"job_id": job_id, "after": after, "limit": limit})
        return [(position, VideoSighting(time_ms, _unpacked(face), who)) for position, time_ms, face, who in rows]

    def _oldest(self) -> float:
        return self._now() - KEPT_S


def _job(row: Row) -> VideoJob:
    job_id, task, attempt, outcome = row
    return VideoJob(job_id, _task(task), attempt, None if outcome is None else _outcome(outcome))


def _same(job: VideoJob, task: VideoTask) -> VideoJob:
    if job.task != task:
        raise ConflictError(f"the token started the job {job.job_id} for another task; make a new one")
    return job


def _is_mine(connection: sqlite3.Connection, job_id: str, attempt: int) -> bool:
    return bool(connection.execute(f"SELECT 1 FROM video_jobs WHERE {_MINE}", (job_id, attempt)).fetchall())  # noqa: S608


def _delete_sightings(connection: sqlite3.Connection, job_id: str) -> None:
    connection.execute("DELETE FROM video_sightings WHERE job_id = ?", (job_id,))


def _packed(face: Face) -> bytes:
    return zlib.compress(msgspec.json.encode(replace(face, embedding=None)), 1)


def _unpacked(packed: bytes) -> Face:
    return _face(zlib.decompress(packed))
