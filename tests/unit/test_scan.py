"""The full-gallery scan against brute force, on made embeddings: pairs of names, groups in a name, going on, files."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from faceline.errors import ConflictError, ModelMismatchError, StorageError, UsageError
from faceline.gallery.linkage import average_linkage
from faceline.gallery.named_faces import NamedFaces, named_faces
from faceline.gallery.review import Kind
from faceline.gallery.scan import AllPairs, Progress
from faceline.pipelines.scan_checkpoint import Checkpoint, fingerprint
from faceline.pipelines.scan_files import scan_csv, scan_document, write_scan
from faceline.pipelines.scan_page import PAIRS_SHOWN, meaning, scan_page
from faceline.pipelines.scanning import Ask, Scan, Scanner, Settled, suspects
from faceline.similarity import pair_scores
from made import MODEL, mixed, new_face, open_app, vector
from scanned import CALIBRATION, RULE, SCORER, gallery, people


def brute(faces: NamedFaces, min_score: float) -> dict[tuple[int, int], float]:
    """The best score of each pair of names that reaches the score, of the whole matrix at once in float64."""
    e, owner = faces.embeddings, faces.owner.tolist()
    vectors, gain, offset = e.vectors.astype(float), e.gain.astype(float), e.offset.astype(float)
    scores = (vectors @ vectors.T) * (gain[:, None] + gain) - offset[:, None] - offset
    best: dict[tuple[int, int], float] = {}
    for i, j in np.argwhere(scores >= min_score).tolist():
        a, b = owner[i], owner[j]
        if a < b:
            best[a, b] = max(best.get((a, b), -np.inf), float(scores[i, j]))
    return best


def run(all_pairs: AllPairs, threads: int = 2) -> Progress:
    return all_pairs.run(all_pairs.start, threads, lambda _: None)


def scan(faces: NamedFaces, folder: Path, ask: Ask = Ask(90.0), settled: Settled = Settled()) -> Scan:  # noqa: B008
    return Scanner(faces, SCORER, RULE, ask).run(folder / "c.npz", settled, lambda _: None)


@pytest.fixture(scope="module")
def many() -> NamedFaces:
    return gallery(*people(600, 3, 0.9))


# All pairs


@pytest.mark.parametrize("block", [64, 511, 4096])
@pytest.mark.parametrize("min_score", [25.0, 36.0])
def test_the_pairs_are_those_of_brute_force_whatever_the_blocks(many: NamedFaces, block: int, min_score: float) -> None:
    wanted = brute(many, min_score)
    kept = run(AllPairs(many.embeddings, many.owner, min_score, 10**6, block)).kept
    found = {(int(a), int(b)): float(score) for (a, b), score in zip(kept.names, kept.scores, strict=True)}
    assert len(wanted) > 40
    assert found.keys() == wanted.keys()
    np.testing.assert_allclose([found[key] for key in wanted], list(wanted.values()), rtol=1e-12)


def test_the_two_faces_of_a_pair_are_its_most_alike_and_in_the_order_of_its_names(many: NamedFaces) -> None:
    kept = run(AllPairs(many.embeddings, many.owner, 25.0, 10**6, 100)).kept
    assert (many.owner[kept.rows] == kept.names).all()
    assert (kept.names[:, 0] < kept.names[:, 1]).all()
    for rows, score in zip(kept.rows[:50], kept.scores[:50], strict=True):
        e = many.embeddings
        i, j = map(int, rows)
        exact = float(e.vectors[i].astype(float) @ e.vectors[j]) * (float(e.gain[i]) + float(e.gain[j]))
        assert score == pytest.approx(exact - float(e.offset[i]) - float(e.offset[j]), abs=1e-6)


def test_of_more_pairs_than_are_kept_the_best_are_there_and_it_is_told_from_where_on(many: NamedFaces) -> None:
    everything = run(AllPairs(many.embeddings, many.owner, 25.0, 10**6, 128))
    few = run(AllPairs(many.embeddings, many.owner, 25.0, 40, 128))
    assert everything.complete_from == 25.0
    assert len(everything.kept) > 40
    np.testing.assert_array_equal(few.kept.names, everything.kept.names[:40])
    np.testing.assert_array_equal(few.kept.rows, everything.kept.rows[:40])
    assert few.complete_from == few.kept.scores[-1]


def test_every_pair_is_counted_once(many: NamedFaces) -> None:
    all_pairs = AllPairs(many.embeddings, many.owner, 3.0, 10, 100)
    n = len(many)
    assert sum(map(all_pairs.pairs_in, range(all_pairs.blocks))) == n * (n - 1) // 2


# Groups by average linkage


def greedy(scores: NDArray[np.float64], least: float) -> set[frozenset[int]]:
    """What average linkage means, slowly: the two nearest groups are joined until none are near enough."""
    groups = [frozenset({n}) for n in range(len(scores))]
    while len(groups) > 1:
        near = {(a, b): scores[np.ix_(sorted(a), sorted(b))].mean() for a, b in combinations(groups, 2)}
        (a, b), best = max(near.items(), key=lambda each: each[1])
        if best < least:
            break
        groups = [group for group in groups if group not in (a, b)] + [a | b]
    return set(groups)


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_those_of_joining_the_two_nearest_again_and_again(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.normal(size=(14, 14))
    scores += scores.T
    for least in (-1.0, 0.0, 0.7, 2.5):
        assert {frozenset(group) for group in average_linkage(scores, least)} == greedy(scores, least)


def test_equal_scores_end_too() -> None:
    assert average_linkage(np.ones((9, 9)), 1.0) == [list(range(9))]
    assert average_linkage(np.ones((3, 3)), 1.1) == [[0], [1], [2]]


# The scan


def test_one_person_under_two_names_is_found_with_its_figures(tmp_path: Path) -> None:
    ada = [mixed(vector(1), vector(50 + n), 0.85) for n in range(3)]
    faces = gallery([0, 0, 1, 2], np.stack([ada[0], ada[1], ada[2], vector(9)]))
    found = scan(faces, tmp_path)
    (pair,) = found.two_names
    scores = pair_scores(faces.embeddings, faces.embeddings)[:2, 2]
    similarities = CALIBRATION.similarity(scores)
    assert pair.names == ("name 00000", "name 00001")
    assert pair.similarity == round(float(similarities.max()), 2)
    assert pair.mean_similarity == pytest.approx(similarities.mean(), abs=0.01)
    assert (pair.pairs, pair.of_pairs) == (int((similarities >= 90).sum()), 2)
    assert [face.face_id for face in pair.faces] == [f"face-{scores.argmax()}", "face-2"]
    assert (found.faces, found.names, found.pairs, found.complete_from) == (4, 3, 6, None)


def test_the_same_photo_under_two_names_has_similarity_100(tmp_path: Path) -> None:
    found = scan(gallery([0, 1], np.stack([vector(1), vector(1)])), tmp_path)
    assert found.two_names[0].similarity == 100.0


def test_two_people_under_one_name_are_told_apart(tmp_path: Path) -> None:
    rows = [mixed(vector(1), vector(50 + n), 0.85) for n in range(3)] + [vector(2), vector(9)]
    found = scan(gallery([0, 0, 0, 0, 1], np.stack(rows)), tmp_path)
    (name,) = found.two_people
    assert name.name == "name 00000"
    assert [group.face_ids for group in name.groups] == [("face-0", "face-1", "face-2"), ("face-3",)]
    assert name.groups[0].similarity is None
    assert name.groups[1].similarity is not None
    assert name.groups[1].similarity < 50
    assert scan(gallery([0, 0, 0, 1, 2], np.stack(rows)), tmp_path).two_people == ()
    least = Ask(90.0, same_person=name.groups[1].similarity - 1)
    assert scan(gallery([0, 0, 0, 0, 1], np.stack(rows)), tmp_path, least).two_people == ()


def test_unless_told_the_threshold_is_what_a_gallery_of_so_many_faces_needs(many: NamedFaces, tmp_path: Path) -> None:
    found = scan(many, tmp_path, Ask())
    assert found.min_similarity == RULE.threshold(len(many))
    # Each of n faces may be taken for another's with strangers_named, and of each pair either finds the other.
    assert found.strangers_expected == pytest.approx(RULE.strangers_named * len(many) / 2, rel=0.02)


def test_what_was_settled_does_not_come_back(many: NamedFaces, tmp_path: Path) -> None:
    before = scan(many, tmp_path)
    one = before.two_names[0].names
    after = scan(many, tmp_path, settled=Settled(lambda a, b: {a, b} == set(one)))
    assert after.two_names == before.two_names[1:]
    assert (before.settled, after.settled) == (0, 1)
    rows = np.stack([vector(1), vector(1), vector(2), vector(9)])
    settled = Settled(faces=lambda a, b: {a, b} == {"face-1", "face-2"})
    assert scan(gallery([0, 0, 0, 1], rows), tmp_path).two_people
    assert scan(gallery([0, 0, 0, 1], rows), tmp_path, settled=settled).two_people == ()


@pytest.mark.parametrize("ask", [Ask(0.0), Ask(100.0), Ask(90.0, same_person=-1.0)])
def test_a_similarity_that_nothing_can_be_asked_for_is_refused(ask: Ask) -> None:
    with pytest.raises(UsageError, match="is no similarity to ask for"):
        Scanner(gallery([0, 1], np.stack([vector(1), vector(2)])), SCORER, RULE, ask)


def test_the_queue_gets_a_suspect_for_each_pair_and_each_group(tmp_path: Path) -> None:
    rows = np.stack([vector(1), vector(1), vector(2), vector(1)])
    names, group = suspects(scan(gallery([0, 0, 0, 1], rows), tmp_path))
    assert (names.pair.kind, names.pair.a, names.pair.b) == (Kind.PEOPLE, "name 00000", "name 00001")
    assert (names.similarity, names.pairs, names.origin) == (100.0, 2, "scan")
    assert group.pair.kind is Kind.FACES
    assert (group.person, group.faces) == ("name 00000", ("face-0", "face-2"))


# Going on


class KilledError(Exception):
    """Stands in for the end of the process after a checkpoint."""


def test_a_scan_that_was_stopped_goes_on_and_finds_the_same(many: NamedFaces, tmp_path: Path) -> None:
    whole = scan(many, tmp_path)
    told: list[int] = []

    def stop(count: int) -> None:
        told.append(count)
        if len(told) == 3:
            raise KilledError

    path = tmp_path / "scans" / "c.npz"
    with pytest.raises(KilledError):
        Scanner(many, SCORER, RULE, Ask(90.0)).run(path, Settled(), stop)
    assert path.is_file()
    rest: list[int] = []
    again = Scanner(many, SCORER, RULE, Ask(90.0)).run(path, Settled(), rest.append)
    assert again.resumed_at == pytest.approx(sum(told) / again.pairs)
    assert rest[0] == sum(told)
    assert sum(rest) == again.pairs
    assert replace(again, resumed_at=0.0) == whole
    assert not path.exists()


def test_a_changed_collection_or_another_threshold_starts_from_the_beginning(many: NamedFaces, tmp_path: Path) -> None:
    all_pairs = AllPairs(many.embeddings, many.owner, 3.0, 100)
    path = tmp_path / "c.npz"
    of = fingerprint(many, 3.0, 100)
    Checkpoint(path, of).save(run(all_pairs))
    loaded = Checkpoint(path, of).load()
    assert loaded is not None
    assert loaded.blocks == all_pairs.blocks
    renamed = replace(many, names=("Ada", *many.names[1:]))
    for other in (fingerprint(many, 3.1, 100), fingerprint(many, 3.0, 99), fingerprint(renamed, 3.0, 100)):
        assert Checkpoint(path, other).load() is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY", b"no checkpoint"])
def test_a_damaged_checkpoint_is_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.npz").write_bytes(content)
    assert Checkpoint(tmp_path / "c.npz", "x").load() is None


def test_a_checkpoint_that_cannot_be_written_is_told(many: NamedFaces, tmp_path: Path) -> None:
    (tmp_path / "scans").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*c\.npz"):
        scan(many, tmp_path / "scans")


def test_a_checkpoint_has_no_names_ids_or_vectors(many: NamedFaces, tmp_path: Path) -> None:
    kept = run(AllPairs(many.embeddings, many.owner, 3.0, 100))
    Checkpoint(tmp_path / "c.npz", "of").save(kept)
    content = (tmp_path / "c.npz").read_bytes()
    assert not any(word in content for word in (b"name 0", b"face-", many.embeddings.vectors[0, :4].tobytes()))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
from faceline.pipelines.scanning import Ask, Scanner, Settled
from scanned import RULE, SCORER, gallery, people
told = []
def advance(count):
    told.append(count)
    if len(told) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
Scanner(gallery(*people(600, 3, 0.9)), SCORER, RULE, Ask(90.0)).run(Path({checkpoint!r}), Settled(), advance)
"""


def test_a_scan_that_was_killed_goes_on_in_the_next_process(many: NamedFaces, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    code = KILLED.format(path=sys.path, checkpoint=str(path))
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=120)
    assert killed.returncode == -9, killed.stderr
    again = Scanner(many, SCORER, RULE, Ask(90.0)).run(path, Settled(), lambda _: None)
    assert 0 < again.resumed_at < 1
    assert replace(again, resumed_at=0.0) == scan(many, tmp_path / "other")


# The snapshot


def test_persons_and_labels_are_names_and_faces_of_nobody_are_counted(tmp_path: Path) -> None:
    with open_app(tmp_path / "data") as app:
        app.collections.create("c", MODEL)
        labelled = new_face("b", "Grace", vector(2))
        labelled = replace(labelled, record=replace(labelled.record, person=None))
        nobody = new_face("x", None, vector(3))
        app.face_records.add("c", [new_face("a", "Ada", vector(1)), labelled, nobody, new_face("d", "Ada", vector(4))])
        faces = named_faces(app.face_records, "c", SCORER)
        with pytest.raises(ModelMismatchError):
            named_faces(app.face_records, "c", replace(SCORER, model="another"))
        nothing = named_faces(app.face_records, "none", SCORER)
    assert (faces.face_ids, faces.names, faces.unnamed) == (("a", "b", "d"), ("Ada", "Grace"), 1)
    assert faces.owner.tolist() == [0, 1, 0]
    assert [rows.tolist() for rows in faces.rows()] == [[0, 2], [1]]
    np.testing.assert_array_equal(faces.embeddings.vectors[2], vector(4))
    assert len(nothing) == 0
    assert scan(nothing, tmp_path).two_names == ()


# What is written


@pytest.fixture
def found(tmp_path: Path) -> Scan:
    rows = np.stack([vector(1), vector(1), vector(2), vector(1)])
    faces = replace(gallery([0, 0, 0, 1], rows), names=("Ada", "<script>alert(1)</script>"))
    return scan(faces, tmp_path)


def test_the_three_files_say_the_same(found: Scan, tmp_path: Path) -> None:
    written = write_scan(found, tmp_path / "a" / "b", lambda _: None)
    assert [file.name for file in written] == ["scan.json", "scan.csv", "scan.html"]
    document = json.loads(written[0].read_text(encoding="utf-8"))
    assert document["two_names"][0]["names"] == ["Ada", "<script>alert(1)</script>"]
    assert [group["faces"] for group in document["two_people"][0]["groups"]] == [2, 1]
    lines = list(csv.DictReader(io.StringIO(written[1].read_text(encoding="utf-8"))))
    assert [line["kind"] for line in lines] == ["two names", "two people"]
    assert (lines[0]["name_b"], lines[0]["similarity"], lines[1]["face_b"]) == (
        found.two_names[0].names[1],
        "100.0",
        "face-2",
    )
    assert scan_csv(found).count("\n") == 3
    assert scan_document(found)["pairs"] == 6


def test_no_name_and_no_source_in_the_csv_is_a_formula(found: Scan) -> None:
    face = replace(found.two_names[0].faces[0], source="@b/k")
    people = [replace(each, name="-Ada") for each in found.two_people]
    pair = replace(found.two_names[0], names=("=cmd|' /C calc'!A0", "Ada"), faces=(face, face))
    text = scan_csv(replace(found, two_names=(pair,), two_people=tuple(people)))
    names, person = csv.DictReader(io.StringIO(text))
    assert (names["name_a"], names["name_b"], names["source_a"]) == ("'=cmd|' /C calc'!A0", "Ada", "'@b/k")
    assert (names["similarity"], person["name_a"]) == ("100.0", "'-Ada")
    assert float(person["mean_similarity"]) == found.two_people[0].groups[1].similarity


def test_a_name_cannot_write_html_and_the_page_asks_nothing_of_anybody(found: Scan) -> None:
    html = scan_page(found, lambda _: None)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not any(word in html for word in ("http://", "https://", "<link", "@import", "url("))
    assert "default-src &#x27;none&#x27;" in html


@pytest.mark.parametrize("jpeg", [b"root:x:0:0:", b"\xff\xd8\xff\xe0", b""])
def test_a_crop_that_is_no_picture_is_shown_as_none(found: Scan, jpeg: bytes) -> None:
    html = scan_page(found, lambda _: jpeg)
    assert "no crop kept" in html
    assert "data:image" not in html


def test_a_page_says_that_it_does_not_show_all(many: NamedFaces, tmp_path: Path) -> None:
    found = scan(many, tmp_path, Ask(50.0, most=PAIRS_SHOWN + 5))
    assert found.complete_from is not None
    html = scan_page(found, lambda _: None)
    assert html.count('class="pair"') == PAIRS_SHOWN
    assert f"The first {PAIRS_SHOWN} of {PAIRS_SHOWN + 5}" in html
    assert "There are more" in html


@pytest.mark.parametrize(
    ("similarity", "words"),
    [
        (50.0, "1 in 100 "),
        (90.0, "1 in 10,000 "),
        (99.9, "1 in 1,000,000 "),
        (99.99, "10 million"),
        (100.0, "same photo"),
    ],
)
def test_a_similarity_is_told_in_words(similarity: float, words: str) -> None:
    assert words in meaning(similarity)


def test_a_folder_that_cannot_be_written_is_told(found: Scan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConflictError, match="name another folder"):
        write_scan(found, tmp_path / "file", lambda _: None)
