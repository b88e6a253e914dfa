"""Whose result a name is, where two uploads would both give it: the first one's, while it has results."""

import time

from faceline.ports import ClaimState, Receipts

_LEASE_S = 10.0
_CHECK_S = 0.02


def owns(receipts: Receipts, target: str, source: str) -> bool:
    """Whether results of `source` go to `target`, both bucket/key; the first to ask owns it."""
    name = f"owner:{target}"
    claim = receipts.claim(name, _LEASE_S)
    while claim.state is ClaimState.BUSY:  # another worker is between its two puts, or died there
        time.sleep(_CHECK_S)
        claim = receipts.claim(name, _LEASE_S)
    if claim.state is ClaimState.DONE:
        return claim.result == source
    return receipts.complete(name, claim.token, source) or owns(receipts, target, source)


def disown(receipts: Receipts, target: str, source: str) -> None:
    """Gives up what is `source`'s: the upload went, and its results with it."""
    name = f"owner:{target}"
    if receipts.result(name) == source:
        receipts.discard(name)
