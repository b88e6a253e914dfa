"""People from other systems, and collections as open files and back, with made faces."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commands import Cli
from compreface import KEY, Examples, serving
from contract.face_records import as_told
from faceline.app import App
from faceline.cli.interchange import export_open, import_compreface, import_folder, import_manifest, import_open
from faceline.errors import ConflictError, InputError, UsageError
from faceline.gallery.names import user_id_of
from faceline.gallery.ports import Crop, NewFace
from faceline.images import encode_jpeg
from faceline.interchange.compreface import CompreFace, Example
from faceline.interchange.open_files import is_exported, read_folder
from faceline.interchange.parquet import read_vectors
from made import MODEL, face, mixed, new_face, open_app, photo, record, vector
from networks import added

STAFF = "staff"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with open_app(tmp_path / "data", models_dir=tmp_path / "models") as app:
        yield app


def people_of(app: App, name: str) -> list[str | None]:
    return [r.person for r in app.face_records.find(name)]


# Folders


def put(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(person=number, salt=number))


def test_a_face_recognition_folder_names_people_by_files(app: App, tmp_path: Path) -> None:
    put(tmp_path / "known_people", "Ada Lovelace.jpg", "Bob.png", "Bob_2.png")
    done = import_folder(app, tmp_path / "known_people", STAFF, False)
    assert done.enrolled == 3
    assert people_of(app, STAFF) == ["Ada Lovelace", "Bob", "Bob"]


def test_a_deepface_folder_names_people_by_their_own_folder_however_deep(app: App, tmp_path: Path) -> None:
    put(tmp_path / "db", "Ada/1.jpg", "Ada/2.jpg", "team/north/Bob/1.jpg")
    done = import_folder(app, tmp_path / "db", STAFF, False)
    assert (done.enrolled, done.already) == (3, 0)
    assert people_of(app, STAFF) == ["Ada", "Ada", "Bob"]
    assert import_folder(app, tmp_path / "db", STAFF, False).already == 3


def test_pickled_representations_are_refused_with_a_reason(
    app: App, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "db", "Ada/1.jpg")
    pickle = tmp_path / "db" / "ds_model_vggface_detector_opencv.pkl"
    pickle.write_bytes(b"cos\nsystem\n(S'touch /tmp/p7/owned'\ntR.")
    assert import_folder(app, tmp_path / "db", STAFF, False).enrolled == 1
    assert "would run what is in it" in capsys.readouterr().err
    with pytest.raises(InputError, match="import the photos that it was made from"):
        import_folder(app, pickle, STAFF, False)


# CompreFace


@pytest.mark.parametrize("paged", [True, False])
def test_all_examples_of_compreface_are_enrolled_once(app: App, paged: bool) -> None:
    examples = Examples(paged=paged)
    for number in range(130):
        examples.add(f"Subject {number % 40}", photo(person=number % 40, salt=number))
    with serving(examples) as url:
        done = import_compreface(app, f"{url}/", KEY, STAFF, False)
        again = import_compreface(app, url, KEY, STAFF, False)
    assert (done.enrolled, done.already, done.refused) == (130, 0, ())
    assert (again.enrolled, again.already) == (0, 130)
    assert app.collections.get(STAFF).people == 40


def test_a_photo_that_compreface_did_not_keep_is_refused_and_the_others_come(app: App) -> None:
    examples = Examples()
    examples.add("Ada", photo(person=1))
    examples.add("Bob", b"")
    examples.add("Cy", b"no picture")
    with serving(examples) as url:
        done = import_compreface(app, url, KEY, STAFF, False)
    assert done.enrolled == 1
    assert len(done.refused) == 2
    assert done.refused[0].reason.startswith("CompreFace did not keep this photo")
    assert all(refusal.source.startswith(url) for refusal in done.refused)


def test_a_refused_key_and_a_dead_server_are_told(app: App) -> None:
    with serving(Examples()) as url, pytest.raises(InputError, match=r"refuses the API key \(401\)"):
        import_compreface(app, url, "another", STAFF, False)
    with pytest.raises(InputError, match="does not answer"):
        import_compreface(app, url, KEY, STAFF, False)
    assert STAFF not in app.collections.models()


def test_something_that_is_no_compreface_is_told(tmp_path: Path) -> None:
    for address in ("localhost:8000", "ftp://localhost", "http://", "http://[::1", "http://h:99999", "http://:80"):
        with pytest.raises(UsageError, match="no address"):
            CompreFace(address, KEY, 1000)
    with serving(Examples()) as url, pytest.raises(InputError, match="answers 404"):
        CompreFace(f"{url}/other", KEY, 1000).examples()


def test_no_more_than_the_limit_is_read_of_a_photo() -> None:
    examples = Examples()
    examples.add("Ada", bytes(2000))
    with serving(examples) as url:
        server = CompreFace(url, KEY, 1000)
        (arrival,) = server.arrivals(server.examples())
        with pytest.raises(InputError, match="more than 1,000 bytes"):
            arrival.read()
        server.close()


@pytest.mark.parametrize("pages", ['"abc"', "Infinity", "NaN", "[1]", "-1", "1.5", "true", "1e999", "9" * 400])
def test_a_number_of_pages_that_is_none_is_told(pages: str) -> None:
    examples = Examples(said=lambda page: f'{{"faces": [{_listed(page)}], "total_pages": {pages}}}')
    with serving(examples) as url, pytest.raises(InputError, match="does not answer as CompreFace"):
        CompreFace(url, KEY, 1000).examples()


@pytest.mark.parametrize("image_id", ['"\\ud800"', '""', '"a\\nb"', "1", f'"{"x" * 300}"'])
def test_an_image_id_that_cannot_be_asked_for_is_told(image_id: str) -> None:
    examples = Examples(said=lambda _: f'{{"faces": [{{"image_id": {image_id}, "subject": "Ada"}}]}}')
    with serving(examples) as url, pytest.raises(InputError, match="without image_id and subject"):
        CompreFace(url, KEY, 1000).examples()


def test_a_list_without_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.interchange.compreface._MAX_EXAMPLES", 20)
    growing = Examples(said=lambda page: f'{{"faces": [{_listed(page)}], "total_pages": 20}}')
    repeated = Examples(said=lambda _: f'{{"faces": [{_listed(1)}], "total_pages": 20}}')
    for examples, said in ((growing, "more than 20 examples"), (repeated, "on page 1 what it listed before")):
        with serving(examples) as url, pytest.raises(InputError, match=said):
            CompreFace(url, KEY, 1000).examples()


def test_a_photo_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faceline.interchange.compreface._BODY_S", 0.3)
    examples = Examples()
    image_id = examples.add("Ada", bytes(100))
    with serving(examples) as url:
        (arrival,) = CompreFace(url, KEY, 1000).arrivals([Example(image_id, "Ada")])
        examples.pause_s = 0.03
        with pytest.raises(InputError, match=r"took more than 0\.3 s"):
            arrival.read()


def test_an_impossible_host_name_is_told() -> None:
    with pytest.raises(InputError, match="does not answer"):
        CompreFace(f"http://{'a' * 70}..b", KEY, 1000).examples()


def _listed(page: int) -> str:
    return ", ".join(json.dumps({"image_id": f"{page}-{n}", "subject": "Ada"}) for n in range(2))


# Rekognition


def test_a_manifest_is_indexed_again_from_the_bucket_as_it_was_copied(app: App, tmp_path: Path) -> None:
    put(tmp_path / "copy", "photos/ada 1.jpg", "bucket/photos/bob.jpg", "cy.jpg")
    lines = [
        {"S3Uri": "s3://bucket/photos/ada 1.jpg", "ExternalImageId": "ada1", "UserId": "ada"},
        {"uri": "s3://bucket/photos/bob.jpg", "ExternalImageId": "bob"},
        {"path": "cy.jpg", "UserId": "cy"},
        {"uri": "s3://bucket/gone.jpg", "UserId": "dan"},
    ]
    manifest = tmp_path / "faces.jsonl"
    manifest.write_text("\n".join(json.dumps(line) for line in lines))
    done = import_manifest(app, manifest, tmp_path / "copy", STAFF, False)
    assert done.enrolled == 3
    assert people_of(app, STAFF) == ["ada", "bob", "cy"]
    assert [(r.source, r.reason.partition(" in ")[0]) for r in done.refused] == [
        ("s3://bucket/gone.jpg", "there is no bucket/gone.jpg or gone.jpg")
    ]


def test_a_manifest_names_nothing_outside_of_its_root(app: App, tmp_path: Path) -> None:
    put(tmp_path, "secret.jpg", "copy/ada.jpg")
    (tmp_path / "copy" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    manifest = tmp_path / "faces.csv"
    rows = ("../secret.jpg,a", f"{tmp_path}/secret.jpg,b", "link.jpg,c", "s3://../secret.jpg,d", "ada.jpg,ada")
    manifest.write_text("path,UserId\n" + "\n".join(rows))
    done = import_manifest(app, manifest, tmp_path / "copy", STAFF, False)
    assert done.enrolled == 1
    assert [refusal.reason.partition(" of ")[0].rpartition(" ")[2] for refusal in done.refused] == ["outside"] * 4


@pytest.mark.parametrize("text", ["", "uri,ExternalImageId\n", "uri,name\na.jpg,Ada\n", 'uri,UserId\n"a\n'])
def test_a_manifest_that_is_none_is_told(app: App, tmp_path: Path, text: str) -> None:
    manifest = tmp_path / "faces.csv"
    manifest.write_text(text)
    with pytest.raises(InputError, match=r"faces\.csv"):
        import_manifest(app, manifest, tmp_path, STAFF, False)


# Open files


def filled(app: App) -> None:
    """Four people, one of them without a face; a label, a face of nobody, and crops for some."""
    app.collections.create(STAFF, MODEL)
    app.people.create(STAFF, "Zoë the first", 100)
    faces = [new_face(f"f{n}", f"Person {n % 3}", mixed(vector(n % 3), vector(50 + n), 0.8)) for n in range(9)]
    faces += [NewFace(replace(record("label", None, vector(20)), external_image_id="a label"))]
    faces += [NewFace(replace(record("nobody", None, vector(21)), external_image_id=None, image_size=(640, 480)))]
    crop = Crop(encode_jpeg(np.full((60, 60, 3), 90, np.uint8)), ((1.0, 2.0),) * 5)
    app.face_records.add(STAFF, [replace(f, crop=crop) if n % 2 else f for n, f in enumerate(faces)])


def test_open_files_come_back_as_they_were(app: App, tmp_path: Path) -> None:
    filled(app)
    assert export_open(app, STAFF, tmp_path / "out", False) == (11, 4)
    assert is_exported(tmp_path / "out")
    with open_app(tmp_path / "other", models_dir=tmp_path / "models") as other:
        name, done = import_open(other, tmp_path / "out", None, False)
        assert (name, done.enrolled, done.already, done.refused) == (STAFF, 11, 0, ())
        before, after = app.face_records.find(STAFF), other.face_records.find(STAFF)
        assert [as_told(each) for each in after] == [as_told(each) for each in before]
        people = [[p.name for p in each.people.page(STAFF, 0, 100)] for each in (app, other)]
        assert people[0] == people[1]
        for each in before:
            assert other.face_records.crop(STAFF, each.face_id) == app.face_records.crop(STAFF, each.face_id)
        probes = [face(mixed(vector(n % 4), vector(80 + n), 0.7)) for n in range(40)]
        answers = [
            [
                (who.decision, who.name, who.similarity, who.candidates)
                for who in each.collection(STAFF).identify(probes)
            ]
            for each in (app, other)
        ]
        assert answers[0] == answers[1]
        assert import_open(other, tmp_path / "out", None, False)[1].already == 11


def test_what_is_exported_can_be_read_by_anybody(app: App, tmp_path: Path) -> None:
    import duckdb  # noqa: PLC0415 (an extra)

    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    about = json.loads((tmp_path / "out" / "README.json").read_text())
    assert (about["model"], about["faces"], about["people"], about["crops"]) == (MODEL, 11, 4, 5)
    assert about["calibration"]["from"] == "shipped"
    query = f"SELECT face_id, person, vector FROM '{tmp_path}/out/faces.parquet'"
    rows = duckdb.connect().execute(query).fetchall()
    assert {row[0]: row[1] for row in rows}["label"] == "a label"
    assert (
        np.array(rows[0][2], dtype=np.float32).tobytes() == app.face_records.find(STAFF)[0].embedding.values.tobytes()
    )
    assert len(list((tmp_path / "out" / "crops").iterdir())) == 5


def test_nothing_is_overwritten_and_nothing_is_left_half_written(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(app)
    (tmp_path / "there").mkdir()
    with pytest.raises(ConflictError, match="exists"):
        export_open(app, STAFF, tmp_path / "there", False)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("faceline.interchange.open_files.write_vectors", full)
    with pytest.raises(ConflictError, match="No space left"):
        export_open(app, STAFF, tmp_path / "new", False)
    assert [path.name for path in tmp_path.iterdir() if "new" in path.name] == []


def test_a_copy_beside_the_original_gets_faces_of_its_own(app: App, tmp_path: Path) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    name, done = import_open(app, tmp_path / "out", "copy", False)
    assert (name, done.enrolled) == ("copy", 11)
    ids = [{r.face_id for r in app.face_records.find(each)} for each in (STAFF, "copy")]
    assert len(ids[0] | ids[1]) == 22


def test_an_empty_collection_is_exported_and_imported(app: App, tmp_path: Path) -> None:
    app.collections.create("empty", MODEL)
    assert export_open(app, "empty", tmp_path / "out", False) == (0, 0)
    assert import_open(app, tmp_path / "out", "again", False)[1].enrolled == 0


def test_faces_of_another_model_are_embedded_anew_from_their_crops(app: App, tmp_path: Path) -> None:
    space = added(tmp_path / "models")
    pixels = np.random.default_rng(1).integers(0, 255, (60, 60, 3)).astype(np.uint8)
    crop = Crop(encode_jpeg(pixels), tuple(map(tuple, record("x", None, vector(1)).landmarks.as_array().tolist())))
    app.collections.create(STAFF, MODEL)
    app.face_records.add(STAFF, [replace(new_face("a", "Ada", vector(1)), crop=crop), new_face("b", "Bob", vector(2))])
    export_open(app, STAFF, tmp_path / "out", False)
    app.collections.create("other", space.model)
    _, done = import_open(app, tmp_path / "out", "other", False)
    assert done.enrolled == 1
    assert [(r.source, r.reason) for r in done.refused] == [("b.jpg", "no crop was kept")]
    (only,) = app.face_records.find("other")
    assert (only.person, only.embedding.model, len(only.embedding.values)) == ("Ada", space.model, 32)


def test_consent_is_asked_for_those_who_come_in_too(app: App, tmp_path: Path) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    with open_app(tmp_path / "strict", consent_required=True) as strict:
        _, done = import_open(strict, tmp_path / "out", None, False)
        assert done.enrolled == 1  # nobody's face
        assert {refusal.reason.partition(":")[0] for refusal in done.refused} == {"no consent"}


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("README.json", "{", "is not JSON"),
        ("README.json", '{"format": "faceline-collection", "version": 2}', "is not of format"),
        ("faces.jsonl", '{"face_id": "f0"}\n', "line 1 is no face as exported"),
        ("faces.jsonl", "[1]\n", "line 1 must be an object"),
        ("people.jsonl", '{"name": ""}\n', "line 1 has a name that cannot be used"),
        ("faces.parquet", "PAR1", "cannot be read as Parquet"),
        ("README.json", '{"format": NaN}', "is not JSON"),
    ],
)
def test_damaged_open_files_are_told_by_file_and_line(
    app: App, tmp_path: Path, file: str, text: str, said: str
) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    (tmp_path / "out" / file).write_text(text)
    with pytest.raises(InputError, match=said) as raised:
        read_folder(tmp_path / "out")
    assert file in str(raised.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"box": [float("nan"), 1, 2, 3]},
        {"box": [0, 0, float("inf"), 3]},
        {"box": [10**400, 1, 2, 3]},
        {"box": [1, 2, 3]},
        {"box": [1, 2, -3, 4]},
        {"box": "1234"},
        {"confidence": float("nan")},
        {"confidence": 101},
        {"confidence": True},
        {"landmarks": [[1, 2]] * 4},
        {"landmarks": [[1, float("inf")]] * 5},
        {"crop_landmarks": [[1, 2]] * 4},
        {"crop_landmarks": [[1, 10**400]] * 5},
        {"crop_landmarks": 5},
        {"quality": {"brightness": 10**400, "sharpness": 1, "size_px": 20, "reasons": []}},
        {"quality": {"brightness": 1, "sharpness": 1, "size_px": 20, "reasons": "blurred"}},
        {"quality": []},
        {"image_size": [0, 0]},
        {"image_size": [-1, 5]},
        {"image_size": [1]},
        {"image_size": [10**30, 1]},
        {"image_size": 7},
        {"source": {"a": 1}},
        {"source": "a\x1b[2Jb"},
        {"source": "\ud800"},
        {"image_id": None},
        {"created_at": "2026-01-31T12:00:00"},
        {"created_at": "0001-01-01T00:00:00+14:00"},
        {"face_id": "f2"},
        {"face_id": "unheard-of"},
        {"face_id": []},
        {"person": float("nan")},
    ],
)
def test_a_tampered_face_is_told_by_its_line_and_nothing_is_stored(
    app: App, tmp_path: Path, changed: dict[str, object]
) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    lines = (tmp_path / "out" / "faces.jsonl").read_text().splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | changed)
    (tmp_path / "out" / "faces.jsonl").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"faces\.jsonl: line 4"):
        import_open(app, tmp_path / "out", "copy", False)
    assert "copy" not in app.collections.models()


@pytest.mark.parametrize("dimensions", ["Infinity", "1e999", '"128"', "-1", "true", "null", "64"])
def test_dimensions_that_cannot_be_are_told_and_nothing_is_stored(app: App, tmp_path: Path, dimensions: str) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    about = tmp_path / "out" / "README.json"
    about.write_text(about.read_text().replace('"dimensions": 128', f'"dimensions": {dimensions}'))
    with pytest.raises(InputError, match=r"is not JSON|lacks collection|64 numbers"):
        import_open(app, tmp_path / "out", "copy", False)
    assert "copy" not in app.collections.models()


@pytest.mark.parametrize("vector_sql", [
    "['a', 'b']", "[[1.0], [2.0, 3.0]]", "{'a': 1}", "[1e300]", "NULL", "[NULL, 1]", "'x'", "list_value(1, 2)",
    "repeat([1000.0], 128)", "repeat(['nan'::FLOAT], 128)",
    "repeat([3e38::FLOAT], 128)", "repeat([0.0], 128)",
])  # fmt: skip
def test_vectors_that_are_none_are_told(app: App, tmp_path: Path, vector_sql: str) -> None:
    import duckdb  # noqa: PLC0415 (an extra)

    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    path = tmp_path / "out" / "faces.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 'f0' AS face_id, {vector_sql} AS vector) TO '{path}' (FORMAT parquet)")
    with pytest.raises(InputError, match=r"faces\.parquet"):
        read_folder(tmp_path / "out")


def test_embeddings_of_another_size_than_the_models_are_told(app: App, tmp_path: Path) -> None:
    import duckdb  # noqa: PLC0415 (an extra)

    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    about, path = tmp_path / "out" / "README.json", tmp_path / "out" / "faces.parquet"
    about.write_text(about.read_text().replace('"dimensions": 128', '"dimensions": 1'))
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t AS SELECT face_id, [1.0] AS vector FROM '{path}'")
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    with pytest.raises(InputError, match="1 dimensions"):
        import_open(app, tmp_path / "out", "copy", False)
    assert "copy" not in app.collections.models()


def test_only_the_own_embeddings_are_read_whatever_the_folder_is_called(app: App, tmp_path: Path) -> None:
    filled(app)
    app.collections.create("other", MODEL)
    app.face_records.add("other", [new_face("x", "Xi", vector(7))])
    export_open(app, "other", tmp_path / "e1", False)
    for number, name in enumerate(("e[1]", "e?", "e*", "face_id=e'[!1]", "~")):
        export_open(app, STAFF, tmp_path / name, False)
        _, done = import_open(app, tmp_path / name, f"copy-{number}", False)
        assert (done.enrolled, done.refused) == (11, ())
    with pytest.raises(InputError, match="rename the folder"):
        read_vectors(tmp_path / "a\\b[1]" / "faces.parquet", 128)


@pytest.mark.parametrize(
    "name", ["crops/f1.jpg", "crops", "faces.jsonl", "faces.parquet", "people.jsonl", "README.json"]
)
def test_a_link_gives_no_file_from_outside(app: App, tmp_path: Path, name: str) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    (tmp_path / "out" / name).rename(tmp_path / "outside")
    (tmp_path / "out" / name).symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match="leads out of"):
        read_folder(tmp_path / "out")


@pytest.mark.parametrize("content", [b"root:x:0:0:", b"\xff\xd8\xff\xe0", photo(), b""])
def test_a_crop_that_is_no_jpeg_is_told(app: App, tmp_path: Path, content: bytes) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    (tmp_path / "out" / "crops" / "f1.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"f1\.jpg"):
        read_folder(tmp_path / "out")


def test_a_crop_that_is_far_too_large_is_told(app: App, tmp_path: Path) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    (tmp_path / "out" / "crops" / "f1.jpg").write_bytes(encode_jpeg(np.zeros((10, 5000, 3), np.uint8)))
    with pytest.raises(InputError, match="no crop as exported"):
        read_folder(tmp_path / "out")


def test_a_face_of_somebody_who_is_refused_is_refused_and_the_others_come(app: App, tmp_path: Path) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    app.collections.create("copy", MODEL)
    app.people.create("copy", "Person 1!", 100)
    lines = (tmp_path / "out" / "faces.jsonl").read_text()
    taken = json.dumps(user_id_of("Person 1!"))
    (tmp_path / "out" / "faces.jsonl").write_text(lines.replace('"person": "Person 1"', f'"person": {taken}'))
    _, done = import_open(app, tmp_path / "out", "copy", False)
    assert (done.enrolled, len(done.refused)) == (8, 4)


def test_a_face_id_reads_no_other_file(app: App, tmp_path: Path) -> None:
    filled(app)
    export_open(app, STAFF, tmp_path / "out", False)
    lines = (tmp_path / "out" / "faces.jsonl").read_text()
    (tmp_path / "out" / "faces.jsonl").write_text(lines.replace('"f1"', '"../../secret"'))
    with pytest.raises(InputError, match="secret"):
        read_folder(tmp_path / "out")


def test_the_commands_export_and_import(app: App, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(app)
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("FACELINE_DATA", str(app.settings.data))
    done = cli("collections", "export", STAFF, "out", "--format", "open", "--json")
    assert done.json == {"collection": STAFF, "folder": "out", "faces": 11, "people": 4}
    done = cli("collections", "import", "out", "--collection", "copy", "--json")
    assert done.json == {"collection": "copy", "enrolled": 11, "already": 0, "refused": [], "faces": 11}
    assert cli("collections", "export", STAFF, "out", "--format", "open").code == 1
    assert cli("collections", "import", "http://127.0.0.1:1").code == 2
    assert cli("collections", "import", "representations.pkl").code == 1
