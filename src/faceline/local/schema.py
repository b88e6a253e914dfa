"""The tables of `<data>/state.sqlite`, as migrations: append a step, never change one that was released."""

from faceline.local.activity_schema import ACTIVITY
from faceline.local.api_keys import ACCESS
from faceline.local.database import Step
from faceline.local.outbox import OUTBOX
from faceline.local.work_counts import WORK_COUNTS

STATE: tuple[Step, ...] = (
    """
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL,
        message_id TEXT NOT NULL UNIQUE,
        deduplication_id TEXT,
        body TEXT NOT NULL,
        visible_at REAL NOT NULL,
        receive_count INTEGER NOT NULL DEFAULT 0,
        lease TEXT,
        died_at REAL,
        reason TEXT,
        UNIQUE (queue, deduplication_id)
    );
    CREATE INDEX living_messages ON messages (queue, visible_at, id) WHERE died_at IS NULL;
    CREATE INDEX dead_messages ON messages (queue, died_at, id) WHERE died_at IS NOT NULL;

    CREATE TABLE receipts (
        event_id TEXT PRIMARY KEY,
        token TEXT NOT NULL,
        expires_at REAL NOT NULL,
        result TEXT
    ) WITHOUT ROWID;

    CREATE TABLE FaceRecognitionResults (
        bucket TEXT NOT NULL,
        key TEXT NOT NULL,
        face_number INTEGER NOT NULL,
        image_id TEXT NOT NULL,
        timestamp TEXT NOT NULL,
        unix_time REAL NOT NULL,
        face_id TEXT,
        person TEXT,
        confidence REAL NOT NULL,
        bounding_box TEXT,
        emotions TEXT,
        etag TEXT NOT NULL,
        status TEXT NOT NULL,
        error TEXT,
        PRIMARY KEY (bucket, key, face_number)
    );
    CREATE INDEX results_by_image ON FaceRecognitionResults (image_id);
    CREATE INDEX results_by_key ON FaceRecognitionResults (key);
    CREATE INDEX results_by_person ON FaceRecognitionResults (person);
    CREATE INDEX results_by_face ON FaceRecognitionResults (face_id);
    CREATE INDEX results_by_time ON FaceRecognitionResults (unix_time);
    CREATE INDEX results_by_status ON FaceRecognitionResults (status, unix_time);

    CREATE TABLE objects (
        bucket TEXT NOT NULL,
        key TEXT NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        etag TEXT NOT NULL,
        announced TEXT,
        PRIMARY KEY (bucket, key)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE video_jobs (
        job_id TEXT PRIMARY KEY,
        token TEXT UNIQUE,
        task TEXT NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0,
        started_at REAL NOT NULL,
        ended_at REAL,
        outcome TEXT
    );
    CREATE INDEX ended_video_jobs ON video_jobs (ended_at, started_at);

    CREATE TABLE video_sightings (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL REFERENCES video_jobs (job_id) ON DELETE CASCADE,
        time_ms INTEGER NOT NULL,
        person INTEGER,
        face BLOB NOT NULL
    );
    CREATE INDEX sightings_by_time ON video_sightings (job_id, position);
    CREATE INDEX sightings_by_person ON video_sightings (job_id, person, position);
    """,
    """
    CREATE TABLE sent (
        queue TEXT NOT NULL,
        deduplication_id TEXT NOT NULL,
        message_id TEXT NOT NULL,
        expires_at REAL NOT NULL,
        PRIMARY KEY (queue, deduplication_id)
    ) WITHOUT ROWID;
    CREATE INDEX sent_by_end ON sent (expires_at);
    """,
    OUTBOX,
    ACTIVITY,
    ACCESS,
    WORK_COUNTS,
)
