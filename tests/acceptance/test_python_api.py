"""faceline from Python: every kind of image, every verb, from many threads."""

import io
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import faceline
from acceptance.conftest import jpeg, varied
from commands import environment
from faceline.api import ImageInput
from faceline.errors import ImageError, ModelError, ModelMismatchError, NoFaceError, NotFoundError, UsageError
from faceline.types import Decision, Frame


@pytest.fixture
def f(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[faceline.Faceline]:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(models_dir))
    with faceline.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def inputs(photos: Path, portrait: Image.Image) -> dict[str, ImageInput]:
    """The same picture in every form that is taken."""
    path = photos / "ada.png"
    portrait.save(path)
    pixels: NDArray[np.uint8] = np.asarray(portrait)
    return {
        "path": path,
        "text": str(path),
        "bytes": path.read_bytes(),
        "pillow": portrait,
        "array": pixels,
        "frame": Frame(np.ascontiguousarray(pixels), 300, 300, "camera"),
    }


def test_every_form_of_an_image_gives_the_same_face(f: faceline.Faceline, inputs: dict[str, ImageInput]) -> None:
    assert len(inputs) == len(get_args(ImageInput))
    faces = {form: f.detect(image) for form, image in inputs.items()}
    assert {len(found) for found in faces.values()} == {1}
    boxes = {found[0].box for found in faces.values()}
    assert len(boxes) == 1
    (first, *others) = [found[0].embedding for found in faces.values()]
    assert first is not None
    assert first.values.shape == (128,)
    assert np.linalg.norm(first.values) == pytest.approx(1, abs=1e-5)
    assert all(other is not None and np.array_equal(other.values, first.values) for other in others)


@pytest.mark.parametrize("form", ["path", "text", "bytes", "pillow", "array", "frame"])
def test_every_form_can_be_enrolled_compared_identified_and_forgotten(
    f: faceline.Faceline, inputs: dict[str, ImageInput], photos: Path, form: str
) -> None:
    image = inputs[form]
    done = f.enroll(image, "Ada")
    assert (done.enrolled, done.already, done.refused) == (1, 0, ())
    assert (f.enroll(image, "Ada").enrolled, f.enroll(image, "Ada").already) == (0, 1)
    assert f.compare(image, image).similarity == 100
    assert f.compare(image, photos / "another.jpg").same
    (found,) = f.identify(image)
    assert (found.decision, found.name, found.similarity) == (Decision.MATCH, "Ada", 100)
    (found,) = f.identify(photos / "another.jpg")
    assert (found.name, found.candidates[0].name) == ("Ada", "Ada")
    assert f.forget("Ada") == 1
    assert f.identify(image)[0].decision is Decision.UNKNOWN
    with pytest.raises(NotFoundError, match="Ada"):
        f.forget("Ada")


def test_faces_come_the_largest_first(f: faceline.Faceline, photos: Path, portrait: Image.Image) -> None:
    wide = Image.new("RGB", (700, 400))
    wide.paste(portrait, (0, 0))
    wide.paste(portrait.resize((400, 400)), (300, 0))
    first, second = f.detect(wide)
    assert first.box.left > 300 > second.box.left
    assert f.detect(photos / "nobody.png") == []


def test_a_comparison_names_the_image_without_a_face(f: faceline.Faceline, photos: Path) -> None:
    with pytest.raises(NoFaceError, match=r"nobody\.png: no face"):
        f.compare(photos / "ada.jpg", photos / "nobody.png")
    with pytest.raises(NoFaceError, match="the second image"):
        f.compare((photos / "ada.jpg").read_bytes(), Image.open(photos / "nobody.png"))


def test_what_is_no_image_is_refused(f: faceline.Faceline, photos: Path) -> None:
    for bad in (photos / "text.jpg", photos / "absent.jpg", b"", b"<html>", np.zeros((4, 4, 2), np.uint8)):
        with pytest.raises(ImageError):
            f.detect(bad)


def test_a_folder_is_enrolled_as_the_command_line_does(f: faceline.Faceline, photos: Path) -> None:
    done = f.enroll(photos, "Ada")
    assert done.enrolled == 2
    assert {Path(refusal.source).name for refusal in done.refused} == {"nobody.png", "two.png", "dark.png", "text.jpg"}
    assert f.identify(photos / "ada.jpg")[0].name == "Ada"


def test_an_image_in_memory_needs_a_name_and_is_refused_with_a_reason(
    f: faceline.Faceline, portrait: Image.Image
) -> None:
    with pytest.raises(UsageError, match="say whom the image shows"):
        f.enroll(portrait)
    blank = Image.new("RGB", (300, 300))
    assert [refusal.reason for refusal in f.enroll(blank, "Ada").refused] == ["no face"]


def test_collections_are_apart_and_outlive_the_process(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch, portrait: Image.Image
) -> None:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(models_dir))
    with faceline.open(tmp_path, collection="staff") as staff:
        staff.enroll(portrait, "Ada")
    with faceline.open(tmp_path, collection="guests") as guests:
        assert guests.identify(portrait)[0].name is None
    with faceline.open(tmp_path, collection="staff") as staff:
        assert staff.identify(portrait)[0].name == "Ada"


def test_what_one_opened_faceline_enrols_another_knows_at_once(f: faceline.Faceline, portrait: Image.Image) -> None:
    with faceline.open(f.settings.data) as other:
        assert other.identify(portrait)[0].name is None
        f.enroll(portrait, "Ada")
        assert other.identify(portrait)[0].name == "Ada"
        other.forget("Ada")
        assert f.identify(portrait)[0].name is None


def test_embeddings_of_another_model_are_an_error_and_never_a_number(
    f: faceline.Faceline, portrait: Image.Image
) -> None:
    (face,) = f.detect(portrait)
    assert face.embedding is not None
    with pytest.raises(ModelMismatchError, match="other-model"):
        f._app.scorer().check("other-model")
    f._app.collections.create("of-another-model", "other-model")
    with faceline.open(f.settings.data, collection="of-another-model") as other, pytest.raises(ModelError):
        other.enroll(portrait, "Ada")


def test_eight_threads_get_the_answers_that_one_gets(f: faceline.Faceline, portrait: Image.Image) -> None:
    """The first call of all opens models and databases: eight threads make it together."""
    photos = [varied(portrait, number) for number in range(16)]
    with faceline.open(f.settings.data) as alone:
        alone.enroll(photos[0], "Ada")
        expected = [described(alone, photo) for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda photo: described(f, photo), photos * 2))
    assert answers == expected * 2
    assert {answer[0] for answer in answers} == {"Ada"}


def described(f: faceline.Faceline, photo: bytes) -> tuple[str | None, float, tuple[float, ...]]:
    (found,) = f.identify(photo)
    box = found.face.box
    return found.name, round(found.similarity, 1), (box.left, box.top, box.width, box.height)


def test_many_threads_may_enrol_and_forget_while_others_identify(f: faceline.Faceline, portrait: Image.Image) -> None:
    f.enroll(portrait, "Ada")
    others = [varied(portrait.resize((300 + n, 300 + n)), n) for n in range(6)]

    def change(number: int) -> None:
        f.enroll(others[number], f"person {number}")
        f.forget(f"person {number}")

    def ask(_: int) -> str | None:
        return f.identify(portrait)[0].candidates[0].name

    with ThreadPoolExecutor(8) as pool:
        changing = [pool.submit(change, number) for number in range(6)]
        names = {pool.submit(ask, number) for number in range(10)}
        for change_ in changing:
            change_.result()
        assert {name.result() for name in names} <= {"Ada", *(f"person {n}" for n in range(6))}
    assert f.identify(portrait)[0].name == "Ada"


def test_importing_faceline_loads_neither_numpy_nor_the_engine() -> None:
    program = "import sys, faceline; print([n for n in ('numpy', 'onnxruntime', 'PIL', 'sqlite3') if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="recognise"):
        faceline.recognise  # noqa: B018


def test_a_jpeg_from_a_stream_is_an_image_as_well(f: faceline.Faceline, portrait: Image.Image) -> None:
    assert len(f.detect(io.BytesIO(jpeg(portrait)).read())) == 1
