"""Compact letter displays: means without a common letter differ."""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_letters

import numpy as np

from ...support.arrays import FloatArray


def compact_letters(estimate: FloatArray, different: Iterable[tuple[int, int]]) -> list[str]:
    """Letters of each mean, by the insert-and-absorb algorithm with sweeping.

    Parameters
    ----------
    estimate : ndarray (m,)
        Means; the group of the smallest has the letter a. A mean that is NaN has no letter.
    different : iterable of pairs of int
        Positions of means that differ significantly.

    Returns
    -------
    list of str (m,)
        Two means differ exactly if they have no letter in common.

    References
    ----------
    Piepho (2004), *An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons*,
    Journal of Computational and Graphical Statistics 13(2).

    Examples
    --------
    >>> compact_letters(np.array([1.0, 2.0, 3.0]), [(0, 2)])
    ['a', 'ab', 'b']
    """
    known = [int(i) for i in np.argsort(estimate, kind="stable") if not np.isnan(estimate[i])]
    bit = {i: 1 << place for place, i in enumerate(known)}
    groups = [(1 << len(known)) - 1] if known else []
    for i, j in different:
        groups = _split(groups, bit[int(i)], bit[int(j)])
    # the group with the smallest of the means in which two differ comes first
    groups = sorted(_swept(groups, len(known)), key=lambda g: f"{g:0{len(known)}b}"[::-1])[::-1]
    return [
        "".join(_letter(place) for place, group in enumerate(groups) if group & bit.get(i, 0))
        for i in range(len(estimate))
    ]


def _split(groups: list[int], i: int, j: int) -> list[int]:
    """Groups (sets of bits) that no longer have both i and j, none a part of another."""
    both = i | j
    split = [g for g in groups if g & both == both]
    kept = [g for g in groups if g & both != both]
    for gone, stays in ((i, j), (j, i)):
        with_other = [g for g in kept if g & stays]  # what may have a half as a part of it
        for half in sorted((g & ~gone for g in split), key=int.bit_count, reverse=True):
            if not any(half & ~g == 0 for g in with_other):
                with_other.append(half)
                kept.append(half)
    return kept


def _swept(groups: list[int], count: int) -> list[int]:
    """Without groups whose pairs are all in other groups."""
    kept = list(groups)
    for group in sorted(groups, key=int.bit_count):
        others = [g for g in kept if g != group]
        members = [1 << k for k in range(count) if group >> k & 1]
        # what each member shares a group with
        if all(_together(others, member) & group == group for member in members):
            kept = others
    return kept


def _together(groups: list[int], member: int) -> int:
    union = 0
    for g in groups:
        if g & member:
            union |= g
    return union


def _letter(place: int) -> str:
    """The letters a to z, A to Z, then a1, b1 and so on."""
    turn, at = divmod(place, len(ascii_letters))
    return ascii_letters[at] + (str(turn) if turn else "")
