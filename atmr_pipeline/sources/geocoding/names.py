"""Names that are nearly the one written."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import numpy as np
from rapidfuzz import process
from rapidfuzz.fuzz import ratio


class NameIndex:
    """Names that share most letters with a text, found without comparing it with all of them.

    Likeness is rapidfuzz's ``ratio``: 200 m / (a + b) for names of a and b letters with m in common, in order. So a
    name of another length than the text's, or with other letters in it, cannot be alike enough; what is left is
    compared. Nothing that reaches the cutoff is lost.

    Parameters
    ----------
    names : iterable of str
        Folded.
    """

    def __init__(self, names: Iterable[str]) -> None:
        ordered = sorted(names, key=lambda name: (len(name), name))
        self._names = np.array(ordered, dtype=object)
        self._lengths = [len(name) for name in ordered]
        self._letters = np.array([_letters(name) for name in ordered], dtype=np.uint64)

    def near(
        self, text: str, *, cutoff: float, limit: int, most_edits: float = float("inf")
    ) -> list[tuple[str, float]]:
        """The best names, at most ``limit``, with their likeness, from ``cutoff`` to 100.

        ``most_edits`` bounds the letters that only one of the two has; a wrong letter is two.
        """
        share = cutoff / (200.0 - cutoff)
        first = bisect_left(self._lengths, max(len(text) * share, len(text) - most_edits))
        last = bisect_right(self._lengths, min(len(text) / share, len(text) + most_edits))
        unlike = np.bitwise_count(self._letters[first:last] ^ np.uint64(_letters(text)))
        longest = self._lengths[last - 1] if last else 0
        most = min((1.0 - cutoff / 100.0) * (len(text) + longest), most_edits)
        candidates = self._names[first:last][unlike <= most]
        if not len(candidates):
            return []
        found = process.extract(text, candidates.tolist(), scorer=ratio, score_cutoff=cutoff, limit=limit)
        return [(name, score) for name, score, _ in found]


def _letters(name: str) -> int:
    """Which letters and figures a name has, as bits; two names with the same have no bit that differs."""
    bits = 0
    for char in name:
        bits |= 1 << (ord(char) % 64)
    return bits
