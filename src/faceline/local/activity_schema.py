"""The tables of what was seen: a row an entry, its details apart, and a row for each thing that is asked for."""

# activity has short rows without texts of any length, so that walking over many is quick. activity_faces has a row for
# each face, in the order of its number, or one of status `none`; and one of status `error` where there was one. The
# row with number 0 stands for its entry in sums. Every index ends with the position: in walking it, newest first.
ACTIVITY = """
    CREATE TABLE activity (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        time_ms INTEGER NOT NULL,
        uploaded_ms INTEGER NOT NULL,
        bucket TEXT NOT NULL,
        key TEXT NOT NULL,
        camera TEXT,
        collection TEXT,
        waited_ms REAL,
        took_ms REAL
    );
    CREATE UNIQUE INDEX activity_by_key ON activity (bucket, key) WHERE camera IS NULL;
    CREATE INDEX activity_by_kind ON activity (kind, position);
    CREATE INDEX activity_by_bucket ON activity (bucket, position);
    CREATE INDEX activity_by_camera ON activity (camera, position) WHERE camera IS NOT NULL;
    CREATE INDEX activity_by_upload ON activity (uploaded_ms, position);
    CREATE INDEX activity_by_time ON activity (time_ms, waited_ms, took_ms);

    CREATE TABLE activity_details (
        position INTEGER PRIMARY KEY REFERENCES activity (position) ON DELETE CASCADE,
        width INTEGER,
        height INTEGER,
        error TEXT,
        faces TEXT NOT NULL,
        picture BLOB
    );

    CREATE TABLE activity_faces (
        position INTEGER NOT NULL REFERENCES activity (position) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        status TEXT NOT NULL,
        similarity REAL,
        person TEXT,
        time_ms INTEGER NOT NULL,
        PRIMARY KEY (position, number)
    ) WITHOUT ROWID;
    CREATE INDEX activity_by_person ON activity_faces (person, position, time_ms, status, similarity)
        WHERE person IS NOT NULL;
    CREATE INDEX activity_by_status ON activity_faces (status, position, similarity);
    CREATE INDEX activity_by_similarity ON activity_faces (similarity, position, status)
        WHERE similarity IS NOT NULL;
    CREATE INDEX activity_faces_by_time ON activity_faces (time_ms, number, status, similarity);
"""
