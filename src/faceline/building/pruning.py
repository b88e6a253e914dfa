"""What of the packages no handler needs: tests, headers, typing stubs, tools, the data of other AWS services."""

import shutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

# Patterns of paths from the artefact's root, a folder for all in it; `*` crosses folders. Licences lie in .dist-info.
_LEFT_OUT = (
    *("bin", "*.pyi", "*.pxd", "*.pyx", "*.h", "*.c", "*.cpp", "*.hpp", "*.a", "*__pycache__"),
    # Of pip, and lists that are no longer true here.
    *("*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/direct_url.json"),
    *("numpy/tests", "numpy/*/tests", "numpy/f2py", "numpy/_pyinstaller"),
    *("numpy/_core/include", "numpy/random/_examples", "numpy/random/lib"),
    *("onnxruntime/tools", "onnxruntime/transformers", "onnxruntime/quantization", "onnxruntime/datasets"),
    # For programs in C; the Python module has all of it in itself.
    "onnxruntime/capi/libonnxruntime.so*",
    # What the Python parts named above need, and nothing else.
    *("flatbuffers", "flatbuffers-*", "google", "protobuf-*", "packaging", "packaging-*"),
    # boto3's resources; clients need none of them. GUIs and web frameworks of our dependencies.
    *("boto3/data", "boto3/examples", "PIL/ImageTk.py", "PIL/_imagingtk*", "aws_lambda_powertools/event_handler"),
)
# The services that `aws/clients.py` calls, and sts, which botocore asks for a role's credentials outside of Lambda.
_SERVICES = {"s3", "sqs", "dynamodb", "sns", "lambda", "rekognition", "sts"}


def prune(root: Path) -> None:
    """Deletes from an artefact's folder what is not needed there."""
    unneeded = [path for path in root.rglob("*") if is_unneeded(path.relative_to(root).as_posix())]
    for path in [*unneeded, *_other_services(root)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # its folder may be gone already


def is_unneeded(path: str) -> bool:
    """path: from the artefact's root."""
    return any(fnmatchcase(path, pattern) for pattern in _LEFT_OUT)


def _other_services(root: Path) -> Iterator[Path]:
    for path in (root / "botocore" / "data").glob("*/"):
        if path.name not in _SERVICES:
            yield path
