"""The image handler with what it took beside its answer; `lambda_cold_start.py` runs it."""

import time
from dataclasses import dataclass
from typing import Any

from faceline.engine.analyzer import Analyzer
from faceline.lambdas import image_ingestion as _image_ingestion


@dataclass(frozen=True, slots=True)
class _Spent:
    wall_s: float
    cpu_s: float


_spent: list[_Spent] = []


def image_ingestion(event: Any, context: Any) -> dict[str, Any]:
    """`answer`: the handler's. `engine_s`: of all faces found, aligned and embedded within.

    `other_cpu_s`: processor time of this process, all its threads, outside the engine. On one core the engine's time
    is its processor time.
    """
    _spent.clear()
    began_s = time.process_time()
    answer = _image_ingestion(event, context)
    cpu_s = time.process_time() - began_s
    return {
        "answer": answer,
        "engine_s": sum(spent.wall_s for spent in _spent),
        "other_cpu_s": cpu_s - sum(spent.cpu_s for spent in _spent),
    }


def _timed() -> None:
    analyze = Analyzer.analyze

    def measured(*given: Any, **named: Any) -> Any:
        started_s, began_s = time.perf_counter(), time.process_time()
        try:
            return analyze(*given, **named)
        finally:
            _spent.append(_Spent(time.perf_counter() - started_s, time.process_time() - began_s))

    Analyzer.analyze = measured  # type: ignore[method-assign]


_timed()
