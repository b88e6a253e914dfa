"""Which packages the Lambda handlers need, and in which versions."""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import faceline
from faceline.errors import ArtefactError
from faceline.files import is_file, read_text

# What a handler imports; httpx when a target of the setting `notify` is a webhook. boto3 is among them although
# Lambda's own Pythons bring one: theirs changes under a function, is older than what we need, and is not in images or
# runtimes of one's own. With the six services that are called it has 4 MB.
HANDLERS = (
    *("numpy", "onnxruntime", "pillow", "msgspec", "httpx"),
    *("boto3", "aws-lambda-powertools", "awslambdaric"),
)
VIDEO = ("av",)


def requirements(video: bool) -> list[str]:
    """With the bounds that faceline itself gives, as pip writes them. Raises ArtefactError where faceline's are not
    known."""
    wanted = (*HANDLERS, *VIDEO) if video else HANDLERS
    bounds = _bounds()
    missing = [name for name in wanted if name not in bounds]
    if missing:
        raise ArtefactError(f"this faceline does not say that it needs {', '.join(missing)}; install it with pip")
    return [name + bounds[name] for name in wanted]


def constraints() -> list[str]:
    """`name==version`: those that were tested together, of the checkout, or of the wheel, which has them in it.

    Raises ArtefactError where this is neither.
    """
    package = Path(faceline.__file__).parent
    wheels = package / "building" / "data" / "constraints.txt"
    tested = wheels if is_file(wheels) else package.parents[1] / "constraints.txt"
    if not is_file(tested):
        raise ArtefactError(f"{tested}, which names the packages' versions, is not there; install faceline with pip")
    return [line for line in read_text(tested).splitlines() if line and not line.startswith("#")]


def pinned(video: bool) -> list[str]:
    """`requirements`, each with the one version that `constraints` names, where it names one."""
    known = dict(line.lower().split("==", 1) for line in constraints() if "==" in line)
    by_name = {_normal(name): version for name, version in known.items()}
    lines = {_name(line): line for line in requirements(video)}
    return [f"{name}=={by_name[_normal(name)]}" if _normal(name) in by_name else line for name, line in lines.items()]


def _bounds() -> Mapping[str, str]:
    """Name → bounds, of all that faceline and its extras need."""
    try:
        lines = requires("faceline") or []
    except PackageNotFoundError as error:
        raise ArtefactError("faceline is not installed here, only its source; install it with pip") from error
    parts = (line.partition(";")[0].strip() for line in lines)
    return {_normal(_name(part)): part.removeprefix(_name(part)).strip() for part in parts if "[" not in part}


def _name(requirement: str) -> str:
    matched = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert matched
    return matched[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
