"""The tables of the review in `gallery.sqlite`: one of the steps of `local.gallery.GALLERY`."""

REVIEW = """
    CREATE TABLE suspects (
        collection TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        a TEXT NOT NULL,
        b TEXT NOT NULL,
        person TEXT,
        similarity REAL NOT NULL,
        pairs INTEGER NOT NULL,
        face_a TEXT,
        face_b TEXT,
        origin TEXT NOT NULL,
        found_at TEXT NOT NULL,
        PRIMARY KEY (collection, kind, a, b)
    ) WITHOUT ROWID;
    CREATE TABLE verdicts (
        collection TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        a TEXT NOT NULL,
        b TEXT NOT NULL,
        answer TEXT NOT NULL,
        decided_by TEXT NOT NULL,
        note TEXT NOT NULL,
        decided_at TEXT NOT NULL,
        PRIMARY KEY (collection, kind, a, b)
    ) WITHOUT ROWID;
    CREATE TABLE negatives (
        mark_id TEXT PRIMARY KEY,
        collection TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
        person TEXT NOT NULL,
        face_id TEXT REFERENCES faces (face_id) ON DELETE CASCADE,
        source TEXT NOT NULL,
        image_id TEXT NOT NULL,
        model TEXT NOT NULL,
        vector BLOB NOT NULL,
        jpeg BLOB,
        landmarks TEXT,
        marked_by TEXT NOT NULL,
        marked_at TEXT NOT NULL
    );
    CREATE INDEX negatives_by_person ON negatives (collection, person);
    CREATE INDEX negatives_by_face ON negatives (face_id);
    CREATE TABLE unknown_faces (
        face_id TEXT PRIMARY KEY,
        collection TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
        image_id TEXT NOT NULL,
        source TEXT NOT NULL,
        box TEXT NOT NULL,
        landmarks TEXT NOT NULL,
        confidence REAL NOT NULL,
        quality TEXT NOT NULL,
        model TEXT NOT NULL,
        vector BLOB NOT NULL,
        image_width INTEGER,
        image_height INTEGER,
        jpeg BLOB,
        crop_landmarks TEXT,
        seen_at TEXT NOT NULL
    );
    CREATE INDEX unknown_faces_by_time ON unknown_faces (collection, seen_at);
    CREATE INDEX unknown_faces_by_source ON unknown_faces (collection, source);
    CREATE TABLE journal (
        entry INTEGER PRIMARY KEY AUTOINCREMENT,
        collection TEXT NOT NULL REFERENCES collections (name) ON DELETE CASCADE,
        action TEXT NOT NULL,
        made_by TEXT NOT NULL,
        made_at TEXT NOT NULL,
        names TEXT NOT NULL,
        faces INTEGER NOT NULL,
        detail TEXT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL
    );
    CREATE INDEX journal_by_collection ON journal (collection, entry);
"""
