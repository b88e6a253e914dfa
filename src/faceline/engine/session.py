"""The one place that knows ONNX Runtime: files in, callable models out."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceline.errors import ModelError, SettingError

# Since 1.31 its Linux and macOS builds report the machine, the program and the models to their makers, from the import
# on: turned off before it is imported. A user's own setting of the variable stays.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}


class Model:
    """A loaded network. `run` may be called by several threads at once.

    threads: how many cores one call may use. provider: a key of the settings' `provider`.
    Raises ModelError when the file cannot be loaded, SettingError when the provider is not installed.
    """

    def __init__(self, path: Path, threads: int = 1, provider: str = "cpu") -> None:
        self.path = path
        try:
            self._session = ort.InferenceSession(path, _options(threads), providers=_providers(provider))
        except (OSError, RuntimeError, ValueError) as error:
            raise _unloadable(path, error) from error
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            raise _unloadable(path, error) from error
        self._names = [output.name for output in self._session.get_outputs()]

    @property
    def provider(self) -> str:
        """The provider that does the work, by ONNX Runtime's name."""
        return str(self._session.get_providers()[0])

    @property
    def inputs(self) -> dict[str, tuple[str, Sequence[Any]]]:
        """Input name → ONNX type and shape."""
        return {i.name: (i.type, i.shape) for i in self._session.get_inputs()}

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Output name → array."""
        return dict(zip(self._names, self._session.run(self._names, dict(feeds)), strict=True))


def available_provider(wanted: str) -> str:
    """The settings' `provider` made definite: `auto` takes a GPU when ONNX Runtime has one, else the CPU."""
    present = ort.get_available_providers()
    if wanted == "auto":
        return next((name for name in ("cuda", "coreml", "directml") if _usable(name, present)), "cpu")
    if wanted not in _PROVIDERS or _PROVIDERS[wanted] not in present:
        raise SettingError(
            f"provider={wanted!r} is not in this ONNX Runtime, which has {', '.join(present)}; "
            "install the matching onnxruntime build (onnxruntime-gpu for cuda) or set provider=auto"
        )
    return wanted


def milliseconds(path: Path) -> float:
    """Median time of one call on one thread with a batch of one uint8 image, for choosing between variants."""
    model = Model(path)
    name, (_, shape) = next(iter(model.inputs.items()))
    size = [side if isinstance(side, int) else 1 for side in shape]
    image = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    times = []
    for _ in range(12):
        start = time.perf_counter()
        model.run({name: image})
        times.append(time.perf_counter() - start)
    return float(np.median(times[2:])) * 1000


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _usable(name: str, present: Sequence[str]) -> bool:
    # CoreML is compiled in everywhere on macOS, but small varying shapes run slower there than on the CPU.
    return name != "coreml" and _PROVIDERS[name] in present


def _providers(provider: str) -> list[str]:
    return [_PROVIDERS[provider]] + ([_PROVIDERS["cpu"]] if provider != "cpu" else [])


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads of two live sessions wreck each other.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without patterns the arena grows only to what one call needs; calls are bounded by strips and batches.
    options.enable_mem_pattern = False
    return options


def _unloadable(path: Path, error: Exception) -> ModelError:
    return ModelError(f"{path} cannot be loaded ({error}); run `faceline models build` to make it again")
