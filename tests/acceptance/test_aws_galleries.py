"""Workflow 4 by a gallery file, on AWS on loopback with permissions enforced: a `data.pt` in, then clips, then names.

FaceNet's weights cannot be had here. A MobileFaceNet stands in for it, whose 128 numbers are turned into 512 that have
the same cosines: it tells the people of the reference clips apart, and all but the network is as it is with FaceNet's.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from acceptance.conftest import linked
from acceptance.test_aws_videos import clips, identities, names
from aws_stack import Aws, deployed, program, sized
from embedded import differences, opened, put_in
from faceline.aws_storage import AwsStorage
from faceline.config import Settings
from faceline.engine.trial import try_out
from faceline.gallery.ports import FaceRecords
from faceline.images import decode
from faceline.loading import image_limits, open_analyzer, wanted
from faceline.models.added import Form
from faceline.models.adding import Adder, Asked, Terms
from faceline.models.importers.torch_gallery import gallery_bytes, read_gallery
from faceline.models.spaces import space_named
from faceline.pipelines.naming import principal

CLIPS, STAGE, OUTPUT, EMBEDDINGS = (f"faceline-{name}" for name in ("input", "stage-1", "output", "embeddings"))
QUEUE, RECOGNITION = "faceline-clip-queue", "face-recognition"
# Of the eight people the first four are in the older gallery, with two frames each, and all but the first two in the
# newer, with one. The clips of every second person show some who are in one of them only, and some who are in both.
OLDER, NEWER, SHOWN = slice(4), slice(2, None), slice(None, None, sized(2, 1))
# After these files clips are put in: by the older gallery when a damaged file has come since, and by the newer.
NAMING = ("damaged", "newer")

Objects = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Left:
    """What the gallery files, one after another under one key, and the clips between them left in a profile.

    faces: of the collection after each file, as all that two profiles must say alike. reasons: of the dead letters.
    """

    faces: Mapping[str, list[tuple[str | None, str, str, str]]]
    reasons: list[str]
    staged: list[str]
    output: Objects


@pytest.fixture(scope="module")
def models(models_dir: Path, test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built models, and one called `facenet`."""
    made = linked(models_dir, tmp_path_factory.mktemp("models"))
    network = turned(test_data / "models" / "mobilefacenet_arcface_128d.onnx")
    asked = Asked("facenet", Form(template="arcface-112", threshold=0.28))
    Adder(made, try_out).add(network, "turned.onnx", asked, Terms("unknown", commercial=False))
    return made


def turned(file: Path) -> bytes:
    """An ONNX embedder of 128 dimensions as one of 512, through a matrix whose rows are orthonormal."""
    model = onnx.load(file)
    columns, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(512, 128)))
    model.graph.initializer.append(numpy_helper.from_array(columns.T.astype(np.float32), "turn"))
    model.graph.node.append(helper.make_node("MatMul", [model.graph.output[0].name, "turn"], ["turned"]))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("turned", TensorProto.FLOAT, ["N", 512]))
    data: bytes = model.SerializeToString()
    return data


@pytest.fixture(scope="module")
def files(models: Path, test_data: Path) -> Objects:
    """Gallery files: `torch` as torch itself wrote it, of FaceNet's embeddings, `older`, `damaged`, `newer`."""
    frames, rows = test_data / "cse546" / "frames", identities(test_data)
    newer = gallery(models, [(row["label"], found) for row in rows[NEWER] for found in later(frames, row["video"])[:1]])
    older = gallery(models, [(row["label"], found) for row in rows[OLDER] for found in later(frames, row["video"])[:2]])
    torch = (test_data / "cse546" / "gallery79_video_data.pt").read_bytes()
    return {"torch": torch, "older": older, "damaged": newer[: len(newer) // 2], "newer": newer}


def later(frames: Path, video: str) -> list[Path]:
    """Frames of a clip that come after its first."""
    return sorted(frames.glob(f"{Path(video).stem}_f*.jpg"))


def gallery(models: Path, shown: Sequence[tuple[str, Path]]) -> bytes:
    """A `data.pt` of who is largest in these photos, each under its name."""
    settings = Settings(models_dir=models, model="facenet", threads=1)
    analyzer, limits = open_analyzer(settings), image_limits(settings)
    vectors = []
    for _, photo in shown:
        (faces,) = analyzer.analyze([decode(photo.read_bytes(), photo.name, limits)], wanted(settings))
        embedding = faces[principal(faces)].embedding
        assert embedding is not None
        vectors.append(embedding.values)
    return gallery_bytes(np.stack(vectors), [name for name, _ in shown])


def test_clips_are_named_by_the_newest_sound_gallery_file_as_embedded(
    models: Path, files: Objects, tmp_path: Path, test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = dict(list(clips(test_data).items())[SHOWN])
    with deployed(program(), tmp_path, models, {}, VideoMode="first") as stack:
        stack.lead(monkeypatch)
        assert AwsStorage(Settings()).collections.models() == {}
        left = left_on_aws(stack, files, shown)
        assert AwsStorage(Settings()).collections.models() == {EMBEDDINGS: space_named("facenet", models).model}
    check_faces(left, files)
    check_names(texts(left.output), shown, test_data)
    (reason,) = left.reasons
    assert re.fullmatch(rf"{EMBEDDINGS}/data\.pt .+; save it again with .+", reason)
    own = left_embedded(tmp_path, models, files, shown)
    assert (own.faces, own.reasons, own.staged) == (left.faces, left.reasons, left.staged)
    assert texts(own.output) == texts(left.output)
    assert list(differences(documents(own.output), documents(left.output))) == []


def left_on_aws(stack: Aws, files: Objects, shown: Objects) -> Left:
    storage, faces = AwsStorage(Settings()), {}
    for name, file in files.items():
        stack.put(EMBEDDINGS, "data.pt", file)
        stack.settle()
        faces[name] = told(storage.face_records)
        if name in NAMING:
            name_clips(stack, name, shown)
    stack.set_variable(RECOGNITION, "FACELINE_NEAREST_WINS", "true")
    name_clips(stack, "nearest", shown)
    reasons = [letter.reason for letter in storage.queue_of(QUEUE).list()]
    return Left(faces, reasons, stack.keys(STAGE), stack.objects(OUTPUT))


def name_clips(stack: Aws, folder: str, shown: Objects) -> None:
    """Puts the clips into a folder of the input bucket and waits for the text and the document of each."""
    stack.put_all(CLIPS, {f"{folder}/{name}": data for name, data in shown.items()})
    stack.wait(lambda: len(stack.keys(OUTPUT, f"{folder}/")) == 2 * len(shown), f"the names of {folder}")


def left_embedded(folder: Path, models: Path, files: Objects, shown: Objects) -> Left:
    """As `left_on_aws`."""
    faces, settings = {}, {"video_mode": "first"}
    with opened(folder, models, settings) as app:
        split, recognise = app.videos.workers()
        for name, file in files.items():
            put_in(app, EMBEDDINGS, {"data.pt": file}, split.drain)
            faces[name] = told(app.face_records)
            if name in NAMING:
                put_in(app, CLIPS, {f"{name}/{clip}": data for clip, data in shown.items()}, split.drain)
                recognise.drain()
    with opened(folder, models, settings | {"nearest_wins": True}) as app:
        split, recognise = app.videos.workers()
        put_in(app, CLIPS, {f"nearest/{clip}": data for clip, data in shown.items()}, split.drain)
        recognise.drain()
        reasons = [letter.reason for letter in app.videos.queue.list()]
        output = {info.key: app.objects.get(OUTPUT, info.key, 10_000_000)[1] for info in app.objects.list(OUTPUT)}
        return Left(faces, reasons, [info.key for info in app.objects.list(STAGE)], output)


def told(records: FaceRecords) -> list[tuple[str | None, str, str, str]]:
    found = records.find(EMBEDDINGS)
    return sorted(((each.person, each.image_id, each.source, each.embedding.model) for each in found), key=str)


def texts(output: Objects) -> dict[str, str]:
    return {key: data.decode() for key, data in output.items() if key.endswith(".txt")}


def documents(output: Objects) -> dict[str, Any]:
    return {key: json.loads(data) for key, data in output.items() if key.endswith(".json")}


def check_faces(left: Left, files: Objects) -> None:
    """Each sound file's entries, equal ones once, and nothing of an earlier file; a damaged one leaves all as it is."""
    for file in ("torch", "older", "newer"):
        vectors, people = read_gallery(files[file], file)
        unlike = {(name, vector.tobytes()) for name, vector in zip(people, vectors, strict=True)}
        assert Counter(person for person, *_ in left.faces[file]) == Counter(name for name, _ in unlike), file
    assert left.faces["damaged"] == left.faces["older"]


def check_names(said: Mapping[str, str], shown: Objects, test_data: Path) -> None:
    """Who is in the gallery has their name; who is not is unknown, or has the name of somebody who is."""
    rows = identities(test_data)
    older, newer = ({row["label"] for row in rows[part]} for part in (OLDER, NEWER))
    assert len(said) == 3 * len(shown)
    for name in shown:
        stem, right = Path(name).stem, names(test_data)[Path(name).stem]
        assert said[f"damaged/{stem}.txt"] == (right if right in older else "Unknown")
        assert said[f"newer/{stem}.txt"] == (right if right in newer else "Unknown")
        assert said[f"nearest/{stem}.txt"] in ({right} if right in newer else newer)
