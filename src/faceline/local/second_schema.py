"""Tables of second indexes and of calibrations that collections have of their own."""

SECOND_INDEX_CALIBRATIONS = """
    CREATE TABLE second_indexes (
        collection TEXT PRIMARY KEY REFERENCES collections (name) ON DELETE CASCADE,
        model TEXT NOT NULL,
        switched INTEGER NOT NULL,
        started_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE second_vectors (
        face_id TEXT PRIMARY KEY REFERENCES faces (face_id) ON DELETE CASCADE,
        vector BLOB NOT NULL
    );
    CREATE TABLE calibrations (
        collection TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
        model TEXT NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (collection, model)
    );
    """
