"""What processes that read hostile input do before they read it. POSIX only; imports nothing of faceline."""

import os
import resource

_MESSAGES = 1  # standard output


def private_output() -> int:
    """A descriptor of standard output for messages; what some library prints goes nowhere from now on."""
    out = os.dup(_MESSAGES)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _MESSAGES)
    os.close(nowhere)
    return out


def limit(what: int, most: int) -> None:
    """Lowers a limit for good; where the system or a stricter one refuses, it stays as it is."""
    try:
        _, hard = resource.getrlimit(what)
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (lowest, lowest))
    except (OSError, ValueError):
        return
