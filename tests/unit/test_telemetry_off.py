"""ONNX Runtime's own reports to its makers are off."""

import subprocess
import sys
from pathlib import Path

from commands import environment


def test_nothing_is_collected_for_onnx_runtimes_makers(tmp_path: Path, models_dir: Path) -> None:
    homes = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "FACELINE_MODELS_DIR": str(models_dir)}
    own = {name: value for name, value in environment(**homes).items() if name != "ORT_DISABLE_TELEMETRY"}
    program = (
        "from pathlib import Path; from faceline.engine.session import Model; import os; "
        f"Model(Path({str(models_dir)!r}) / 'mtcnn-rnet.onnx'); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    done = subprocess.run([sys.executable, "-c", program], env=own, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_users_own_word_on_it_stays() -> None:
    own = environment(ORT_DISABLE_TELEMETRY="0")
    program = "import os, sys; from unittest.mock import MagicMock; sys.modules['onnxruntime'] = MagicMock(); "
    program += "import faceline.engine.session; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run([sys.executable, "-c", program], env=own, capture_output=True, text=True, check=False)
    assert done.stdout == "0\n", done.stderr
