"""What is deployed on AWS, made from wheels that hold nothing: no index is asked."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import faceline
from commands import Cli
from faceline.building.archive import UNPACKED_LIMIT_BYTES, check_fits, unpacked_bytes, write_zip
from faceline.building.baking import bake, bake_known, built_names
from faceline.building.bytecode import compiler
from faceline.building.lambda_zip import Built, build_zip
from faceline.building.pruning import is_unneeded, prune
from faceline.building.requirements import HANDLERS, VIDEO, constraints, pinned, requirements
from faceline.building.source import copy_source
from faceline.building.target import Arch, Target
from faceline.building.wheels import unpack_wheels
from faceline.config import Settings, load
from faceline.errors import ArtefactError, ModelError, UsageError
from small_models import small_models

HERE = Target(f"{sys.version_info.major}.{sys.version_info.minor}")
NOBODYS = Target("3.99")
CACHED = f"lambdas.{sys.implementation.cache_tag}.pyc"


@dataclass(frozen=True)
class Index:
    """A folder of wheels, the only ones that pip finds."""

    folder: Path

    def fill(self, tag: str = "py3-none-any") -> None:
        """With a wheel for each package that may be wanted."""
        for requirement in pinned(video=True):
            name, _, version = requirement.partition("==")
            _wheel(self.folder, name.replace("-", "_"), version, tag)


def _wheel(folder: Path, name: str, version: str, tag: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "NAMES = {'one', 'two', 'three'}\n")
        wheel.writestr(f"{name}/__init__.pyi", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/licenses/LICENSE", "As you like it.")
        wheel.writestr(f"{info}/RECORD", "")


@contextmanager
def indexed(folder: Path) -> Iterator[Index]:
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            patched.delenv(name)
        patched.setenv("PIP_CONFIG_FILE", os.devnull)
        patched.setenv("PIP_NO_INDEX", "1")
        patched.setenv("PIP_FIND_LINKS", str(folder))
        yield Index(folder)


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with indexed(tmp_path_factory.mktemp("index")) as empty:
        yield empty


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_models(tmp_path_factory.mktemp("small-models"))


@pytest.fixture(scope="module")
def built(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The zip for this Python, to look at only."""
    with indexed(tmp_path_factory.mktemp("index")) as index:
        index.fill()
        return build_zip(tmp_path_factory.mktemp("built") / "out.zip", settings_of(models_dir), HERE)


def settings_of(models_dir: Path) -> Settings:
    return Settings(models_dir=models_dir)


def names_of(file: Path) -> set[str]:
    with zipfile.ZipFile(file) as archive:
        return set(archive.namelist())


def test_a_zip_has_our_package_its_packages_and_the_models(built: Built) -> None:
    names = names_of(built.file)
    assert {"bootstrap", "faceline.toml", "faceline/lambdas.py"} <= names
    assert "faceline/models/data/dlib-resnet-v1.cohort.npz" in names
    assert {f"{name.replace('-', '_')}/__init__.py" for name in HANDLERS} <= names
    assert {f"models/{name}.onnx" for name in built_names(Settings())} <= names
    unwanted = re.compile(r"av/|faceline/(cli|web|local)/|models/(gender|iris|face-mesh)")
    assert not [name for name in names if unwanted.match(name)]


def test_only_bootstrap_is_a_program_in_the_zip(built: Built) -> None:
    with zipfile.ZipFile(built.file) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes.pop("bootstrap") == 0o100755
    assert set(modes.values()) == {0o100644}


def test_both_sizes_are_the_zips(built: Built) -> None:
    with zipfile.ZipFile(built.file) as archive:
        assert built.unpacked_bytes == sum(entry.file_size for entry in archive.infolist())
    assert built.packed_bytes == built.file.stat().st_size


def test_licences_stay_and_stubs_go(built: Built) -> None:
    names = names_of(built.file)
    assert sum(name.endswith(".dist-info/licenses/LICENSE") for name in names) == len(HANDLERS) + 1
    assert f"faceline-{faceline.__version__}.dist-info/licenses/NOTICE.md" in names
    assert not [name for name in names if name.endswith((".pyi", "/RECORD"))]


def test_the_same_inputs_give_the_same_bytes(built: Built, index: Index, models_dir: Path, tmp_path: Path) -> None:
    index.fill()
    again = build_zip(tmp_path / "again.zip", settings_of(models_dir), HERE)
    assert again.file.read_bytes() == built.file.read_bytes()


def test_modules_are_compiled_by_hash_so_that_times_do_not_matter(built: Built) -> None:
    assert built.compiled
    with zipfile.ZipFile(built.file) as archive:
        cached = archive.read(f"faceline/__pycache__/{CACHED}")
    assert int.from_bytes(cached[4:8], "little") == 0b01  # PEP 552: by hash, unchecked


def test_a_python_on_the_path_that_does_not_start_compiles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "python3.99"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compiler(NOBODYS) is None


def test_the_zip_for_clips_has_pyav_which_is_said_and_no_networks(
    index: Index, cli: Cli, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.fill()
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(models_dir))
    done = cli("build", "lambda", "--zip", "out.zip", "--video", "--python", NOBODYS.python)
    assert re.search(r"out\.zip: \d+\.\d MB, unpacked \d+\.\d MB of 250 MB", done.out)
    assert "GPL as a whole" in done.err
    assert "not compiled" in done.err
    names = names_of(tmp_path / "out.zip")
    assert {f"{name}/__init__.py" for name in VIDEO} <= names
    assert not [name for name in names if name.endswith((".onnx", ".pyc"))]


@pytest.mark.parametrize(("arch", "machine"), [("x86_64", "x86_64"), ("arm64", "aarch64")])
def test_wheels_are_those_of_the_functions_machine(index: Index, arch: Arch, machine: str, tmp_path: Path) -> None:
    index.fill(f"cp313-cp313-manylinux_2_28_{machine}")
    unpack_wheels(tmp_path / "got", Target("3.13", arch), pinned(video=False), constraints())
    assert (tmp_path / "got/numpy/__init__.py").is_file()


def test_wheels_of_another_machine_are_refused(index: Index, tmp_path: Path) -> None:
    index.fill("cp313-cp313-manylinux_2_28_aarch64")
    with pytest.raises(ArtefactError, match=r"Python 3.13 on x86_64 cannot be had; pip says: ERROR: .*numpy"):
        unpack_wheels(tmp_path / "got", Target("3.13", "x86_64"), pinned(video=False), constraints())


@pytest.mark.usefixtures("index")
def test_where_no_index_answers_the_error_says_what_pip_says(
    cli: Cli, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACELINE_MODELS_DIR", str(models_dir))
    done = cli("build", "lambda", "--zip", "out.zip", "--json")
    assert done.code == 1
    assert re.search(r"numpy.*pip config list", done.json["error"])
    assert not list(tmp_path.glob("*.zip*"))


def test_every_requirement_is_one_of_faceline_with_a_tested_version() -> None:
    assert [re.split("[=<>]", line)[0] for line in requirements(video=True)] == [*HANDLERS, *VIDEO]
    assert all("==" in line for line in pinned(video=True))


def test_a_wheel_pins_what_a_checkout_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = Path(faceline.__file__).parents[2]
    build = tomllib.loads((checkout / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    place = build["targets"]["wheel"]["force-include"]["constraints.txt"]
    here = pinned(video=True)
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text((checkout / "constraints.txt").read_text())
    monkeypatch.setattr(faceline, "__file__", str(tmp_path / "faceline/__init__.py"))
    assert pinned(video=True) == here


def test_without_the_tested_versions_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faceline, "__file__", str(tmp_path / "src/faceline/__init__.py"))
    with pytest.raises(ArtefactError, match=r"constraints\.txt.* is not there"):
        constraints()


@pytest.mark.parametrize(
    ("path", "unneeded"),
    [
        ("numpy/_core/tests/test_api.py", False),  # its folder is deleted
        ("numpy/_core/tests", True),
        ("numpy/typing/tests", True),
        ("numpy/typing/__init__.py", False),
        ("numpy/_core/include", True),
        ("onnxruntime/transformers", True),
        ("onnxruntime/capi/libonnxruntime.so.1.31.1", True),
        ("onnxruntime/capi/onnxruntime_pybind11_state.cpython-313-x86_64-linux-gnu.so", False),
        ("onnxruntime/ThirdPartyNotices.txt", False),
        ("PIL/_imaging.cpython-313-x86_64-linux-gnu.so", False),
        ("numpy-2.4.6.dist-info/licenses/LICENSE.txt", False),
        ("models/manifest.json", False),
        ("faceline/py.typed", False),
    ],
)
def test_what_no_handler_needs_goes(path: str, unneeded: bool) -> None:
    assert is_unneeded(path) is unneeded


def test_only_the_services_that_are_called_stay(tmp_path: Path) -> None:
    for name in ("s3", "ec2", "rekognition"):
        (tmp_path / "botocore/data" / name).mkdir(parents=True)
    (tmp_path / "botocore/data/endpoints.json").write_text("{}")
    prune(tmp_path)
    left = {path.name for path in (tmp_path / "botocore/data").iterdir()}
    assert left == {"s3", "rekognition", "endpoints.json"}


def test_every_service_that_is_called_is_kept(tmp_path: Path) -> None:
    source = (Path(faceline.__file__).parent / "aws/clients.py").read_text()
    called = set(re.findall(r'_client\("([a-z0-9]+)"\)', source))
    for name in called:
        (tmp_path / "botocore/data" / name).mkdir(parents=True)
    prune(tmp_path)
    assert {"s3", "lambda"} <= called == {path.name for path in (tmp_path / "botocore/data").iterdir()}


def test_modules_of_the_artefact_import_nothing_of_ours_that_is_left_out(tmp_path: Path) -> None:
    copy_source(tmp_path)
    missing = {
        f"{path.relative_to(tmp_path)} imports {module}"
        for path in tmp_path.rglob("*.py")
        for module in _imported(path)
        if not _is_there(tmp_path, module)
    }
    # Reached by `faceline.open` alone, which no handler calls.
    assert missing == {"faceline/__init__.py imports faceline.api"}


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("faceline."):
            yield str(node.module)


def _is_there(root: Path, module: str) -> bool:
    path = root / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_the_handlers_start_from_the_artefacts_source(tmp_path: Path) -> None:
    copy_source(tmp_path)
    code = "import faceline, faceline.lambdas; print(faceline.__file__)"
    told = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(tmp_path / "faceline/__init__.py")


def test_a_folder_that_lambda_would_refuse_is_refused_with_its_largest_parts(tmp_path: Path) -> None:
    for name, size in (("small", 10), ("large", 3_000_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data").write_bytes(bytes(size))
    assert unpacked_bytes(tmp_path) == 3_000_010
    check_fits(tmp_path, limit_bytes=3_000_010)
    with pytest.raises(ArtefactError, match=r"largest: large 2.9 MB, small 0.0 MB.*--context"):
        check_fits(tmp_path, limit_bytes=3_000_009)


def test_the_limit_is_lambdas() -> None:
    assert UNPACKED_LIMIT_BYTES == 262_144_000


def test_a_zip_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    (tmp_path / "task/file").write_text("new")
    (tmp_path / "out.zip").write_text("old")
    write_zip(tmp_path / "task", tmp_path / "out.zip")
    assert names_of(tmp_path / "out.zip") == {"file"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.zip", "task"]


def test_settings_that_are_baked_lead_to_the_models(models_dir: Path, tmp_path: Path) -> None:
    bake(settings_of(models_dir), tmp_path)
    settings = load(directory=tmp_path, environment={})
    assert (settings.models_dir, settings.precision) == (Path("models"), "fp32")
    manifest = json.loads((tmp_path / "models/manifest.json").read_text())
    assert set(manifest["entries"]) == set(built_names(settings))
    assert manifest["timing"] is None


def test_emotions_are_always_baked() -> None:
    assert "mini-xception" in built_names(Settings())


@pytest.mark.parametrize("video", [False, True])
def test_a_model_that_is_not_here_is_no_artefact(models_dir: Path, tmp_path: Path, video: bool) -> None:
    with pytest.raises(ModelError, match="there is no model facenet"):
        (bake_known if video else bake)(settings_of(models_dir), tmp_path, ["facenet"])


def test_opencv_is_in_no_artefact(models_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="detector=haar needs OpenCV"):
        bake(settings_of(models_dir).with_(detector="haar"), tmp_path)


@pytest.mark.parametrize("python", ["3.9", "2.7", "3", "3.13.1", "", "latest"])
def test_a_python_that_lambda_does_not_have_is_refused(python: str) -> None:
    with pytest.raises(UsageError, match=r"expected 3\.12 or later"):
        Target(python)


def test_bootstrap_runs_the_interface_client_with_the_zips_packages(built: Built, tmp_path: Path) -> None:
    told = _bootstrap(built, tmp_path, 'echo "$PWD" "$PYTHONPATH" "$@"')
    root = str(tmp_path / "task")
    assert told.stdout.split() == [root, root, "-m", "awslambdaric", "faceline.lambdas.notify"]


def test_bootstrap_leads_to_its_own_models_whatever_the_function_was_told(built: Built, tmp_path: Path) -> None:
    told = _bootstrap(built, tmp_path, 'echo "$FACELINE_MODELS_DIR"', FACELINE_MODELS_DIR="/var/task/models")
    assert told.stdout.strip() == str(tmp_path / "task/models")


def test_bootstrap_says_which_python_it_misses(built: Built, tmp_path: Path) -> None:
    (tmp_path / "dirname").symlink_to(str(shutil.which("dirname")))
    told = _bootstrap(built, tmp_path, "exit 1", PATH=str(tmp_path))
    assert told.returncode == 127
    assert f"bootstrap: there is no python{HERE.python} on PATH={tmp_path}" in told.stderr
    assert told.stderr.count("\n") == 1


def _bootstrap(built: Built, tmp_path: Path, python: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the zip's bootstrap does where this script is the one program python3.N on the PATH."""
    root, program = tmp_path / "task", tmp_path / "bin" / f"python{HERE.python}"
    with zipfile.ZipFile(built.file) as archive:
        archive.extract("bootstrap", root)
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{python}\n")
    program.chmod(0o755)
    given = {"PATH": f"{program.parent}:/usr/bin:/bin", "_HANDLER": "faceline.lambdas.notify"} | environment
    return subprocess.run(["/bin/sh", root / "bootstrap"], env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "either --zip FILE or --context DIR"),
        (["--zip", "a.zip", "--context", "b"], "either --zip FILE or --context DIR"),
        (["--context", "b", "--video"], "the image has all"),
        (["--zip", "no/such/folder/a.zip"], "No such file or directory"),
        (["--zip", "."], "is a folder"),
        (["--context", "file/b"], "Not a directory"),
        (["--zip", "a.zip", "--python", "3.9"], "3.12 or later"),
        (["--zip", "a.zip", "--video", "--model", "yunet"], "there is no model yunet"),
    ],
)
def test_bad_options_are_told(cli: Cli, tmp_path: Path, arguments: Sequence[str], said: str) -> None:
    (tmp_path / "file").write_text("")
    done = cli("build", "lambda", *arguments, "--json")
    assert done.code in (1, 2)
    assert said in json.loads(done.out)["error"]
    assert "making" not in done.err
