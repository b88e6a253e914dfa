"""Our own package, without what no handler reaches."""

import shutil
from importlib.resources import files
from pathlib import Path

import faceline
from faceline import __version__

# Folders and modules above the handlers or beside them in the layers of pyproject.toml, which these cannot import.
_LEFT_OUT = (
    *("cli", "web", "rekognition", "local", "portrait", "evaluation", "interchange", "analytics", "building"),
    *("__main__.py", "api.py", "app.py", "storage.py"),
    # These are of the embedded profile.
    *("erasure_workflow.py", "frame_workflow.py", "matching_workflow.py", "migration_workflow.py"),
    *("notify_workflow.py", "review_workflow.py", "video_job_workflow.py", "video_workflow.py"),
    # For commands on the AWS profile.
    *("aws_erasure.py", "aws_operations.py"),
)


def copy_source(into: Path) -> None:
    """Puts `faceline/` into a folder."""
    root = Path(faceline.__file__).parent

    def left_out(folder: str, names: list[str]) -> set[str]:
        skipped = {name for name in names if name == "__pycache__" or name.endswith(".pyc")}
        return skipped | set(_LEFT_OUT if Path(folder) == root else ())

    shutil.copytree(root, into / "faceline", ignore=left_out)


def copy_licences(into: Path) -> None:
    """Ours, from the installed package, or from the checkout that this is. into: made."""
    root = Path(faceline.__file__).parent
    installed = root.parent / f"faceline-{__version__}.dist-info" / "licenses"
    folder = installed if installed.is_dir() else root.parents[1]
    into.mkdir(parents=True)
    for name in ("LICENSE", "NOTICE.md"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, into / name)


def template(name: str, python: str) -> str:
    """A file of `building/data`, for this version of Python."""
    text = (files("faceline.building") / "data" / name).read_text(encoding="utf-8")
    return text.replace("@PYTHON@", python)
