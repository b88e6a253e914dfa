"""What this machine's CPU is, as far as choosing between fp32 and int8 needs it."""

import platform
from pathlib import Path

_FAST_INT8 = ("avx512_vnni", "avx_vnni", "asimddp", "i8mm")


def cpu_identity(info: str | None = None) -> str:
    """The CPU's model and its instructions for 8-bit integers. info: the text of /proc/cpuinfo, where there is one."""
    fields = _fields(_cpuinfo() if info is None else info)
    model = fields.get("model name") or platform.processor() or "unknown CPU"
    return " ".join([platform.machine(), model, *_fast_int8(fields)])


def int8_is_exact(info: str | None = None, machine: str | None = None) -> bool:
    """False where products of uint8 and int8 are summed in 16 bits and may overflow: x86 not known to have VNNI.

    info: as for `cpu_identity`. machine: as platform.machine() names it, this one by default.
    """
    if (machine or platform.machine()).lower() not in ("x86_64", "amd64", "i686", "x86"):
        return True
    return bool(_fast_int8(_fields(_cpuinfo() if info is None else info)))


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _fields(info: str) -> dict[str, str]:
    """Of the last core that is listed; cores of one machine differ in nothing that matters here."""
    pairs = (line.partition(":") for line in info.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _fast_int8(fields: dict[str, str]) -> list[str]:
    flags = fields.get("flags", fields.get("Features", "")).split()
    return [flag for flag in _FAST_INT8 if flag in flags]
