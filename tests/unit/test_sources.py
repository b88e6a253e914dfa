"""Which photos a path stands for, and whom they show."""

import json
from pathlib import Path

import pytest

from faceline.errors import InputError, UsageError
from faceline.gallery.sources import expand, label_of


@pytest.mark.parametrize(
    ("file_name", "label"),
    [
        ("Ada_Lovelace_0001.jpg", "Ada_Lovelace"),
        ("john_doe.jpg", "john_doe"),
        ("Ada 2.png", "Ada"),
        ("Ada-17.jpeg", "Ada"),
        ("enroll/Grace_0002.webp", "Grace"),
        ("Louis_XIV_3.jpg", "Louis_XIV"),
        ("R2D2.jpg", "R2D2"),
        ("42.jpg", "42"),
        ("_1.jpg", "_1"),
        ("Zoë Müller_0001.JPG", "Zoë Müller"),
        ("J.R. Hartley.jpg", "J.R. Hartley"),
    ],
)
def test_a_label_is_the_file_name_without_suffix_and_number(file_name: str, label: str) -> None:
    assert label_of(file_name) == label


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def named(path: Path, name: str | None = None) -> dict[str, str]:
    folder = path if path.is_dir() else path.parent
    return {item.path.relative_to(folder).as_posix(): item.name for item in expand(path, name)}


def test_a_photo_is_labelled_by_its_name_or_as_told(tmp_path: Path) -> None:
    path = made(tmp_path, "Ada_1.jpg") / "Ada_1.jpg"
    assert named(path) == {"Ada_1.jpg": "Ada"}
    assert named(path, "Grace") == {"Ada_1.jpg": "Grace"}


def test_in_a_tree_the_first_folder_is_the_person(tmp_path: Path) -> None:
    made(tmp_path, "Ada/1.jpg", "Ada/2019/2.png", "Grace Hopper/x.webp", "Grace Hopper/notes.txt", ".cache/z.jpg")
    assert named(tmp_path) == {"Ada/1.jpg": "Ada", "Ada/2019/2.png": "Ada", "Grace Hopper/x.webp": "Grace Hopper"}


def test_in_a_flat_folder_the_file_names_say_who(tmp_path: Path) -> None:
    made(tmp_path, "Ada_0001.jpg", "Ada_0002.jpg", "Grace_0001.JPG", ".hidden.jpg", "list.pdf")
    assert named(tmp_path) == {"Ada_0001.jpg": "Ada", "Ada_0002.jpg": "Ada", "Grace_0001.JPG": "Grace"}


def test_one_name_for_a_whole_folder(tmp_path: Path) -> None:
    made(tmp_path, "Ada/1.jpg", "2.jpg")
    assert set(named(tmp_path, "Grace").values()) == {"Grace"}


def test_a_tree_and_loose_photos_may_be_mixed_and_come_in_order(tmp_path: Path) -> None:
    made(tmp_path, "b.jpg", "a/2.jpg", "a/1.jpg")
    assert list(named(tmp_path).items()) == [("a/1.jpg", "a"), ("a/2.jpg", "a"), ("b.jpg", "b")]


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_a_csv_manifest_names_paths_relative_to_itself(tmp_path: Path, start: str) -> None:
    manifest = tmp_path / "people.csv"
    manifest.write_text(f'{start}path,name,note\nsub/a.jpg,"Lovelace, Ada",x\nb.jpg,Zoë,\n', encoding="utf-8")
    assert named(manifest) == {"sub/a.jpg": "Lovelace, Ada", "b.jpg": "Zoë"}


def test_a_json_lines_manifest_names_paths_relative_to_itself(tmp_path: Path) -> None:
    manifest = tmp_path / "people.jsonl"
    rows = [{"path": "sub/a.jpg", "name": "Ada"}, {"path": str(tmp_path / "b.jpg"), "name": "Zoë", "more": 1}]
    manifest.write_text("\n\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    assert named(manifest) == {"sub/a.jpg": "Ada", "b.jpg": "Zoë"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "file,name\na.jpg,Ada\n", "entry 1 needs a path and a name"),
        ("a.csv", "path,name\na.jpg,Ada\nb.jpg,\n", "entry 2 needs a path and a name"),
        ("a.csv", "path,name\na.jpg\n", "entry 1 needs"),
        ("a.jsonl", '{"path": "a.jpg", "name": "Ada"}\n{"path": "b.jpg"}', "entry 2 needs"),
        ("a.jsonl", "path,name", "line 1 is not JSON"),
        ("a.jsonl", '["a.jpg", "Ada"]', "line 1 must be an object"),
    ],
)
def test_a_manifest_that_cannot_be_meant_is_refused_with_the_line(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told):
        expand(tmp_path / name)


def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("path,name\na.jpg,Zoë".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.csv"):
        expand(tmp_path / "latin.csv")
    with pytest.raises(InputError, match=r"absent\.csv"):
        expand(tmp_path / "absent.csv")


def test_where_there_is_nothing_to_enrol_it_is_said_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no photos")
    (tmp_path / "empty.csv").write_text("path,name\n")
    for path in (tmp_path, tmp_path / "empty.csv"):
        with pytest.raises(UsageError, match="Name/photo"):
            expand(path)
