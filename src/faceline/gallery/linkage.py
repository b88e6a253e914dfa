"""Groups of faces that belong together, by average linkage."""

from collections.abc import Sequence

import numpy as np

from faceline.gallery.scan import Doubles


def average_linkage(scores: Doubles, least: float) -> list[list[int]]:
    """Rows in groups, the largest first: two groups are joined while the mean score between them is at least `least`.

    scores: (n, n), symmetric; needs as much memory again. The mean, since of many pairs of strangers some are alike by
    chance, and of many photos of one person some are not. Nearest-neighbour chains (Benzécri 1982, Murtagh 1983) give
    what always joining the two nearest groups gives, in time that grows as n². A group whose nearest other is too far
    is complete: no group that is joined of others can be nearer to it than the nearest of these.
    """
    links = scores.copy()
    np.fill_diagonal(links, -np.inf)
    members = {row: [row] for row in range(len(links))}
    complete: list[list[int]] = []
    chain: list[int] = []  # each one's nearest is the next
    while members:
        chain = chain or [next(iter(members))]
        last = chain[-1]
        nearest = _nearest(links, chain)
        if links[last, nearest] < least:
            complete.append(members.pop(last))
            _take_out(links, last)
            chain = []
        elif len(chain) > 1 and nearest == chain[-2]:
            _join(links, last, nearest, (len(members[last]), len(members[nearest])))
            members[nearest] += members.pop(last)
            chain = []  # what is left of it would do too, but for rounding
        else:
            chain.append(nearest)
    return sorted((sorted(group) for group in complete), key=lambda group: (-len(group), group[0]))


def _nearest(links: Doubles, chain: Sequence[int]) -> int:
    """Of the last of a chain; the one before it where others are as near, so that chains end."""
    last = chain[-1]
    nearest = int(np.argmax(links[last]))
    if len(chain) > 1 and links[last, chain[-2]] >= links[last, nearest]:
        return chain[-2]
    return nearest


def _join(links: Doubles, gone: int, into: int, sizes: tuple[int, int]) -> None:
    links[into] = (sizes[0] * links[gone] + sizes[1] * links[into]) / sum(sizes)
    links[:, into] = links[into]
    links[into, into] = -np.inf
    _take_out(links, gone)


def _take_out(links: Doubles, row: int) -> None:
    links[row], links[:, row] = -np.inf, -np.inf
