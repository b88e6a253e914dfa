"""Embedders and detectors of the user's: turned into our form, tried, kept, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from faceline.engine.embed import Embedder
from faceline.engine.session import Model
from faceline.engine.trial import try_out
from faceline.engine.yunet import Yunet
from faceline.errors import ConflictError, ModelError, UsageError
from faceline.models import added
from faceline.models.added import Form, added_path, read_registry
from faceline.models.adding import Adder, Asked, Terms, read_file
from faceline.models.spaces import space_named, spaces
from networks import FORM, embedder, expected, yunet

TERMS = Terms("Apache-2.0")


@pytest.fixture
def chips() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (3, 112, 112, 3), dtype=np.uint8)


def add(folder: Path, model: onnx.ModelProto | bytes, asked: Asked | None = None, terms: Terms = TERMS) -> str:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    return Adder(folder, try_out).add(data, "made.onnx", asked or Asked("mine", FORM), terms)


def run(folder: Path, image: NDArray[np.uint8], name: str = "mine") -> NDArray[Any]:
    return Model(added_path(folder, name)).run({"image": image})["embedding"]


def unit(vectors: NDArray[Any]) -> NDArray[Any]:
    units: NDArray[Any] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units


# What the maker asks for


@pytest.mark.parametrize("planes_first", [True, False])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8, TensorProto.FLOAT16])
def test_a_network_takes_our_pixels(planes_first: bool, kind: int, tmp_path: Path, chips: NDArray[np.uint8]) -> None:
    add(tmp_path, embedder(planes_first=planes_first, kind=kind))
    np.testing.assert_allclose(run(tmp_path, chips), expected(chips), rtol=1e-3, atol=0.5)
    assert Model(added_path(tmp_path, "mine")).inputs == {"image": ("tensor(uint8)", ["n", 112, 112, 3])}


def test_channels_mean_and_scale_are_what_the_maker_asks_for(tmp_path: Path, chips: NDArray[np.uint8]) -> None:
    form = Form(template="arcface-112", channels="bgr", mean=(104.0, 117.0, 123.0), scale=(0.5, 0.25, 2.0))
    add(tmp_path, embedder(), Asked("mine", form))
    fed = (chips[..., ::-1].astype(np.float64) - form.mean) * form.scale
    np.testing.assert_allclose(run(tmp_path, chips), expected(fed), rtol=1e-4, atol=0.01)


def test_a_network_of_one_face_at_a_time_embeds_several(tmp_path: Path, chips: NDArray[np.uint8]) -> None:
    add(tmp_path, embedder(batch=1))
    model = Model(added_path(tmp_path, "mine"))
    assert model.inputs["image"][1] == [1, 112, 112, 3]
    embeddings = Embedder(model, mirrored=False).embed(chips)
    np.testing.assert_allclose(embeddings, unit(expected(chips)), atol=1e-5)


def test_further_outputs_beside_the_embedding_are_left_out(tmp_path: Path, chips: NDArray[np.uint8]) -> None:
    model = embedder()
    model.graph.node.append(helper.make_node("ReduceL2", ["fc1"], ["norm"], axes=[1], keepdims=1))
    model.graph.output.append(helper.make_tensor_value_info("norm", TensorProto.FLOAT, ["N", 1]))
    add(tmp_path, model)
    np.testing.assert_allclose(run(tmp_path, chips), expected(chips), rtol=1e-4, atol=0.01)


def test_a_network_whose_own_names_are_ours_is_taken(tmp_path: Path, chips: NDArray[np.uint8]) -> None:
    text = embedder().SerializeToString().replace(b"data", b"imag").replace(b"floats", b"embedd")
    model = onnx.load_model_from_string(text)
    model.graph.input[0].name = "image"
    model.graph.node[0].input[0] = "image"
    model.graph.node[0].output[0] = model.graph.node[1].input[0] = "embedding"
    add(tmp_path, model)
    np.testing.assert_allclose(run(tmp_path, chips), expected(chips), rtol=1e-4, atol=0.01)


def test_the_made_sface_is_wired_as_the_pack_says(tmp_path: Path, chips: NDArray[np.uint8]) -> None:
    """Input and output as those of the real one, which could not be downloaded here."""
    from faceline.models.packs import SFACE  # noqa: PLC0415

    add(tmp_path, embedder(batch=1, dimensions=128), Asked("sface", SFACE.form))
    space = space_named("sface", tmp_path)
    assert (space.dimensions, space.template, space.mirrored, space.threshold) == (128, "arcface-112", False, 0.363)
    np.testing.assert_allclose(run(tmp_path, chips[:1], "sface"), expected(chips[:1], 128), rtol=1e-4, atol=0.01)


def test_a_yunet_is_recognised_by_its_outputs_and_named_yunet(tmp_path: Path) -> None:
    assert add(tmp_path, yunet(), Asked()) == "yunet"
    assert read_registry(tmp_path).models["yunet"].kind == "detector"
    Yunet(Model(added_path(tmp_path, "yunet")))
    assert [space.name for space in spaces(tmp_path)] == ["dlib-resnet"]


# What is kept


def test_a_model_is_kept_with_what_is_known_of_it(tmp_path: Path) -> None:
    add(tmp_path, embedder(), terms=Terms("CC-BY-NC-4.0", False, "nobody said"))
    record = json.loads((tmp_path / "added" / "registry.json").read_text())["models"]["mine"]
    assert (record["licence"], record["commercial"], record["training_data"]) == ("CC-BY-NC-4.0", False, "nobody said")
    assert (record["source"], record["dimensions"], record["form"]["threshold"]) == ("made.onnx", 32, 0.363)
    assert [checked.ok for checked in added.verify(tmp_path)] == [True]


def test_the_id_names_weights_template_and_views_and_nothing_else(tmp_path: Path) -> None:
    def model_id(folder: str, **changes: Any) -> str:
        form = Form(**{"template": "arcface-112", **changes})
        add(tmp_path / folder, embedder(), Asked("mine", form))
        return space_named("mine", tmp_path / folder).model

    plain = model_id("a")
    assert plain.startswith("mine-")
    assert plain.endswith("+arcface-112")
    assert model_id("b", threshold=0.2) == plain
    changed = [model_id("c", mirrored=True), model_id("d", channels="bgr"), model_id("e", mean=(127.5,))]
    changed += [model_id("f", scale=(1 / 128,)), model_id("g", mean=(1.0, 2.0, 3.0))]
    assert len({plain, *changed}) == 6
    add(tmp_path / "h", embedder(dimensions=33))
    assert space_named("mine", tmp_path / "h").model.partition("+")[0] != plain.partition("+")[0]


def test_a_name_is_not_given_twice_but_the_same_model_may_come_again(tmp_path: Path) -> None:
    add(tmp_path, embedder())
    add(tmp_path, embedder())
    with pytest.raises(ConflictError, match=r"another model mine already, from made\.onnx.*models remove mine"):
        add(tmp_path, embedder(dimensions=64))
    added.remove(tmp_path, "mine")
    assert not (tmp_path / "added" / "mine.onnx").exists()
    add(tmp_path, embedder(dimensions=64))


@pytest.mark.parametrize(
    "name", ["", "../x", "a/b", "Ä", "a" * 41, ".x", "x.", "a..b", "mtcnn-onet", "dlib-resnet", "haar"]
)
def test_names_that_are_none_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        add(tmp_path, embedder(), Asked(name, FORM))
    assert not (tmp_path / "added").exists()


def test_a_detector_and_an_embedder_do_not_take_each_others_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a detector's file is named yunet"):
        add(tmp_path, yunet(), Asked("mine"))
    with pytest.raises(UsageError, match="a detector's file is named yunet"):
        add(tmp_path, embedder(), Asked("yunet", FORM))
    with pytest.raises(ModelError, match=r"made\.onnx is no detector: its outputs are of the kind embedder"):
        add(tmp_path, embedder(), Asked("mine", FORM, "detector"))


def test_a_damaged_file_is_told_and_not_used(tmp_path: Path) -> None:
    add(tmp_path, embedder())
    file = tmp_path / "added" / "mine.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    assert [checked.why for checked in added.verify(tmp_path)] == [
        "is damaged: its SHA-256 is not the one in registry.json"
    ]
    with pytest.raises(ModelError, match=r"mine\.onnx is damaged.*add mine again"):
        added_path(tmp_path, "mine")
    file.unlink()
    with pytest.raises(ModelError, match=r"mine\.onnx is gone"):
        added_path(tmp_path, "mine")


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"models": {"x": {}}}', '{"models": {"../x": RECORD}}', '{"models": {"x": {"kind": "embedder"}}}'],
)
def test_a_registry_that_is_not_ours_is_refused(text: str, tmp_path: Path) -> None:
    add(tmp_path, embedder())
    file = tmp_path / "added" / "registry.json"
    record = json.dumps(json.loads(file.read_text())["models"]["mine"])
    file.write_text(text.replace("RECORD", record))
    with pytest.raises(ModelError, match=r"registry\.json is damaged.*delete it"):
        read_registry(tmp_path)


def test_what_was_not_added_cannot_be_removed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model 'mine' was pulled or added"):
        added.remove(tmp_path, "mine")


# What is refused


def _external(model: onnx.ModelProto) -> onnx.ModelProto:
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../../../etc/passwd")
    return model


def _hidden_external() -> onnx.ModelProto:
    """In an attribute of a node in a branch."""
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "secret")
    tensor.external_data.add(key="location", value="/etc/passwd")
    inner = helper.make_node("Constant", [], ["y"], value=tensor)
    branch = helper.make_graph([inner], "branch", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
    model = embedder()
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))
    return model


def _with_loop() -> onnx.ModelProto:
    model = embedder()
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))
    return model


def _two_inputs() -> onnx.ModelProto:
    model = embedder()
    model.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, [1]))
    return model


def _old() -> onnx.ModelProto:
    model = embedder()
    model.opset_import[0].version = 6
    return model


def _zero() -> onnx.ModelProto:
    model = embedder()
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.zeros((48, 32), np.float32), "weights"))
    return model


def _constant() -> onnx.ModelProto:
    model = embedder()
    ones = numpy_helper.from_array(np.ones((1, 32), np.float32), "ones")
    model.graph.initializer.append(ones)
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("Mul", ["before", "zero"], ["nothing"]))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 32), np.float32), "zero"))
    model.graph.node.append(helper.make_node("Add", ["nothing", "ones"], ["fc1"]))
    return model


def _huge() -> onnx.ModelProto:
    """A few bytes that ask for a petabyte."""
    model = embedder()
    shape = numpy_helper.from_array(np.array([2**25, 2**23]), "size")
    model.graph.initializer.append(shape)
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["size"], ["huge"]))
    model.graph.node.insert(1, helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0))
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("Add", ["before", "sum"], ["fc1"]))
    return model


REFUSED = {
    "garbage": (b"\x00garbage" * 50, "is not an ONNX file"),
    "text": (b"<html>not found</html>", "is not an ONNX file"),
    "empty": (b"", "is not an ONNX file"),
    "a pickle": (b"\x80\x04\x95\x10", "is not an ONNX file"),
    "a broken torch file": (b"PK\x03\x04rest", "made.onnx"),
    "external data": (_external(embedder()), "keeps its numbers in other files"),
    "hidden external data": (_hidden_external(), "keeps its numbers in other files"),
    "a loop": (_with_loop(), "has loops"),
    "two inputs": (_two_inputs(), "takes 2 inputs instead of one picture"),
    "another side": (embedder(side=128), r"takes float \(\?, 3, 128, 128\).*choose another template"),
    "old": (_old(), "opset 6; convert it"),
    "a vector of no length": (_zero(), "have no length; check mean and scale"),
    "the same for all": (_constant(), "the same vector for different pictures"),
    "huge": (_huge(), "cannot be run"),
    "detector of another kind": (yunet().SerializeToString().replace(b"kps_32", b"kps_33"), "gives|takes"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_embedder_is_refused_and_leaves_nothing(
    given: onnx.ModelProto | bytes, message: str, tmp_path: Path
) -> None:
    form = Form(template="box-160") if given == REFUSED["a broken torch file"][0] else FORM
    with pytest.raises(ModelError, match=message):
        add(tmp_path, given, Asked("mine", form))
    assert not (tmp_path / "added").exists()


def test_a_yunet_with_other_outputs_is_refused(tmp_path: Path) -> None:
    model = yunet()
    for node in model.graph.node:
        if node.output[0] == "kps_8":
            node.attribute[0].ints[:] = [0, 1, 2]
    with pytest.raises(ModelError, match=r"made\.onnx cannot be run"):
        add(tmp_path, model, Asked())


def test_damaged_networks_never_end_in_anything_but_a_model_error(tmp_path: Path) -> None:
    data = bytearray(embedder().SerializeToString())
    random = np.random.default_rng(7)
    refused = 0
    for _ in range(300):
        damaged = bytearray(data)
        for place in random.integers(0, len(data) - 6_200, 3):  # before the weights, which may be any
            damaged[place] = random.integers(256)
        adder = Adder(tmp_path, lambda *_: (32, ""))
        try:
            adder.add(bytes(damaged), "made.onnx", Asked("mine", FORM), TERMS)
            added.remove(tmp_path, "mine")
        except ModelError:
            refused += 1
    assert refused > 50


def test_an_embedder_needs_a_template_and_torch_weights_theirs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="say with --template"):
        add(tmp_path, embedder(), Asked("mine"))
    with pytest.raises(UsageError, match="only --template box-160 fits"):
        add(tmp_path, b"PK\x03\x04rest", Asked("mine", FORM))


def test_a_file_that_is_not_there_or_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_file(tmp_path / "none.onnx")
    with pytest.raises(UsageError, match="no such file"):
        read_file(tmp_path)
    with (tmp_path / "sparse.onnx").open("wb") as stream:
        stream.truncate(2**31)
    with pytest.raises(ModelError, match="more than 1073741824"):
        read_file(tmp_path / "sparse.onnx")


def test_more_numbers_than_an_embedding_has_are_refused_and_the_registry_stays_readable(tmp_path: Path) -> None:
    wide = embedder(dimensions=70_000)
    with pytest.raises(ModelError, match="70,000 numbers for a face"):
        add(tmp_path, wide)
    assert read_registry(tmp_path).models == {}
