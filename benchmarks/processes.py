"""The things compared, each in processes of its own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Answer = dict[str, Any]

_WORKERS = Path(__file__).parent
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "FACELINE_THREADS")


@dataclass(frozen=True, slots=True)
class Competitor:
    """name: for the tables. script: in this folder. environment: on top of this process's own."""

    name: str
    script: str
    python: Path
    environment: dict[str, str] = field(default_factory=dict)

    def with_settings(self, **settings: str) -> "Competitor":
        """faceline with these settings."""
        given = {f"FACELINE_{name.upper()}": value for name, value in settings.items()}
        return Competitor(self.name, self.script, self.python, self.environment | given)


FACELINE = Competitor("faceline", "worker_faceline.py", Path(sys.executable))


def peers(python: Path, face_recognition_models: Path | None = None) -> list[Competitor]:
    """face_recognition and facenet-pytorch. face_recognition_models: a folder with this package."""
    found = {"PYTHONPATH": str(face_recognition_models or "")}
    return [
        Competitor("face_recognition", "worker_face_recognition.py", python, found),
        Competitor("facenet-pytorch", "worker_facenet.py", python, {"PYTHONPATH": ""}),
    ]


def ask(competitor: Competitor, threads: int = 1, **job: Any) -> Answer:
    """Runs one job in a fresh process. The answer has `started` too, on the clock of `worker.py`'s `at`."""
    with tempfile.TemporaryDirectory() as folder:
        # Without an enrolment nothing is written there; it keeps the user's own gallery out of it.
        environment = os.environ | competitor.environment | {"FACELINE_DATA": folder}
        environment |= dict.fromkeys(_THREAD_VARIABLES, str(threads))
        command = [str(competitor.python), str(_WORKERS / competitor.script)]
        text = json.dumps({**job, "threads": threads})
        started = time.monotonic()
        done = subprocess.run(command, check=False, env=environment, input=text, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{competitor.name} failed:\n{done.stderr[-3000:]}")
    answer: Answer = json.loads(done.stdout.splitlines()[-1])
    return {**answer, "started": started}
