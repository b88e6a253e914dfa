"""Files of pairs: what they may look like, and what is said when they do not."""

from pathlib import Path

import pytest

from faceline.errors import InputError
from faceline.evaluation.pairs import Pair, people_of, read_pairs


def pairs_file(folder: Path, text: str, *photos: str) -> Path:
    for photo in photos:
        (folder / photo).parent.mkdir(parents=True, exist_ok=True)
        (folder / photo).touch()
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_pairs_are_read_relative_to_their_file_in_any_order_of_columns(tmp_path: Path) -> None:
    path = pairs_file(tmp_path, "\ufefffold,same,path_b,path_a,note\nx,1,b.jpg,s/a.jpg,hm\n", "s/a.jpg", "b.jpg")
    assert read_pairs(path) == [Pair(tmp_path / "s/a.jpg", tmp_path / "b.jpg", True, "x")]


def test_without_the_column_there_is_no_fold(tmp_path: Path) -> None:
    path = pairs_file(tmp_path, "path_a,path_b,same\na.jpg,b.jpg,0\n", "a.jpg", "b.jpg")
    assert read_pairs(path) == [Pair(tmp_path / "a.jpg", tmp_path / "b.jpg", False)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 lacks the column path_a"),
        ("path_a,same\na.jpg,1\n", "line 1 lacks the column path_b"),
        ("path_a,path_b,same\n", "no pairs after line 1"),
        ("path_a,path_b,same\na.jpg,a.jpg,1\na.jpg,a.jpg,yes\n", "line 3: same must be 0 or 1, not 'yes'"),
        ("path_a,path_b,same\na.jpg,a.jpg\n", "line 2: same must be 0 or 1, not None"),
        ("path_a,path_b,same\na.jpg,gone.jpg,1\n", "line 2: there is no photo .*gone.jpg"),
        ("path_a,path_b,same\na.jpg,,1\n", "line 2: there is no photo"),
        ("path_a,path_b,same,fold\na.jpg,a.jpg,1,\n", "line 2: the fold is empty"),
        ("path_a,path_b,same,fold\na.jpg,a.jpg,1\n", "line 2: the fold is empty"),
    ],
)
def test_a_malformed_file_is_refused_naming_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_pairs(pairs_file(tmp_path, text, "a.jpg"))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the pairs"):
        read_pairs(tmp_path / "gone.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot read the pairs"):
        read_pairs(tmp_path / "bytes.csv")


def groups(*pairs: tuple[str, str, int]) -> list[set[str]]:
    people = people_of([Pair(Path(a), Path(b), bool(same)) for a, b, same in pairs])
    return [{str(photo) for photo, p in people.items() if p == person} for person in sorted(set(people.values()))]


def test_photos_of_one_folder_are_one_person() -> None:
    assert groups(("ada/1.jpg", "bob/1.jpg", 0), ("ada/x.jpg", "bob/1.jpg", 0)) == [
        {"ada/1.jpg", "ada/x.jpg"},
        {"bob/1.jpg"},
    ]


def test_in_a_flat_folder_photos_of_one_label_are_one_person() -> None:
    assert groups(("ada_1.jpg", "bob_1.jpg", 0), ("ada_2.jpg", "bob_1.jpg", 0)) == [
        {"ada_1.jpg", "ada_2.jpg"},
        {"bob_1.jpg"},
    ]


def test_where_names_say_nothing_only_same_pairs_join() -> None:
    assert groups(("i_1.jpg", "i_2.jpg", 0), ("i_2.jpg", "i_3.jpg", 1), ("i_3.jpg", "i_4.jpg", 1)) == [
        {"i_1.jpg"},
        {"i_2.jpg", "i_3.jpg", "i_4.jpg"},
    ]
