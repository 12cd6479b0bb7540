"""Approximate minimum degree, compiled; for large models only.

Elimination is followed on the quotient graph. A *variable* is a row that is not yet
eliminated. An *element* is an eliminated pivot, and stands for the clique of its variables.
The list of a variable holds its elements and then those of its neighbours that no element
covers. Variables with equal lists are merged into one of larger weight, and those whose only
element is the new one are eliminated with it.

References
----------
Amestoy, Davis, Duff (1996), *An approximate minimum degree ordering algorithm*, SIAM J.
Matrix Anal. Appl. 17(4).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled, inner
from .elimination_kernels import by_rows

_PLACES, _INDEX = "int64[::1]", "int32[::1]"


@inner
def _compact(space: Any, free: Any, at: Any, size: Any, weight: Any, live: Any) -> Any:
    """Move lists that are still needed to the beginning; returns where space is free."""
    for i in range(len(at)):
        if (live[i] or weight[i] != 0) and size[i] > 0:
            # the place of the first entry tells whose list begins here
            first = at[i]
            at[i] = space[first]
            space[first] = -i - 1
    p, out = 0, 0
    while p < free:
        i = -np.int64(space[p]) - 1  # type: ignore[assignment]
        if i < 0:
            p += 1
            continue
        space[out] = at[i]
        at[i] = out
        for k in range(1, size[i]):
            space[out + k] = space[p + k]
        out += size[i]
        p += size[i]
    return out


@inner
def _merge_equal(
    head: Any,
    chain: Any,
    at: Any,
    size: Any,
    elements: Any,
    space: Any,
    weight: Any,
    member: Any,
    last: Any,
    mark: Any,
    tag: Any,
) -> Any:
    """Merge variables of one hash whose lists hold the same; returns the next free tag."""
    i = head
    while i >= 0 and chain[i] >= 0:
        for k in range(at[i], at[i] + size[i]):
            mark[space[k]] = tag
        behind = i
        j = chain[i]
        while j >= 0:
            same = size[j] == size[i] and elements[j] == elements[i]
            k, end = at[j], at[j] + size[j]
            while same and k < end:
                same = mark[space[k]] == tag
                k += 1
            if same:
                weight[i] += weight[j]
                weight[j] = 0
                member[last[i]] = j
                last[i] = last[j]
                j = chain[j]
                chain[behind] = j
            else:
                behind = j
                j = chain[j]
        tag += 1
        i = chain[i]
    return tag


@compiled(
    f"void(int64, {_INDEX}, {_PLACES}, {_PLACES}, {_PLACES}, {_PLACES}, {_PLACES}, {_PLACES}, "
    f"{_PLACES}, boolean[::1], {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, "
    f"{_INDEX}, {_PLACES})"
)
def _eliminate(
    count: Any,
    space: Any,
    at: Any,
    size: Any,
    weight: Any,
    elements: Any,
    degree: Any,
    hashed: Any,
    mark: Any,
    live: Any,
    first: Any,
    after: Any,
    before: Any,
    member: Any,
    last: Any,
    bucket: Any,
    chain: Any,
    order: Any,
) -> None:
    m = len(at)
    free = at[m - 1] + size[m - 1]
    done, lowest, tag = 0, 0, np.int64(1)
    while done < count:
        while first[lowest] < 0:
            lowest += 1
        p = first[lowest]
        first[lowest] = after[p]
        if after[p] >= 0:
            before[after[p]] = -1
        pivots = weight[p]
        weight[p] = -pivots
        need = size[p] - elements[p]
        for k in range(at[p], at[p] + elements[p]):
            if live[space[k]]:
                need += size[space[k]]
        if free + need > len(space):
            free = _compact(space, free, at, size, weight, live)
        # the new element: neighbours of p, and the variables of its elements
        top, total = free, np.int64(0)
        own = elements[p]
        for k in range(own + 1):
            if k < own:
                e = space[at[p] + k]
                if not live[e]:
                    continue
                live[e] = False
                low, high = at[e], at[e] + size[e]
            else:
                low, high = at[p] + own, at[p] + size[p]
            for q in range(low, high):
                i = space[q]
                if weight[i] > 0:
                    space[free] = i
                    free += 1
                    total += weight[i]
                    weight[i] = -weight[i]
                    # no longer in the list of its degree
                    if after[i] >= 0:
                        before[after[i]] = before[i]
                    if before[i] >= 0:
                        after[before[i]] = after[i]
                    else:
                        first[degree[i]] = after[i]
        # what every other element has beside the new one: mark − tag
        for q in range(top, free):
            i = space[q]
            for k in range(at[i], at[i] + elements[i]):
                e = space[k]
                if live[e]:
                    if mark[e] < tag:
                        mark[e] = degree[e] + tag
                    mark[e] += weight[i]
        # bounds of external degrees
        for q in range(top, free):
            i = space[q]
            begin, out = at[i], at[i]
            middle, end = begin + elements[i], begin + size[i]
            d, h = np.int64(0), np.int64(0)
            for k in range(begin, middle):
                e = space[k]
                if live[e]:
                    apart = mark[e] - tag
                    if apart > 0:
                        d += apart
                        h += e
                        space[out] = e
                        out += 1
                    else:  # the new element covers it
                        live[e] = False
            kept = out
            for k in range(middle, end):
                j = space[k]
                if weight[j] > 0:
                    d += weight[j]
                    h += j
                    space[out] = j
                    out += 1
            if d == 0:  # nothing but the new element: eliminated with it
                total += weight[i]
                pivots -= weight[i]
                weight[i] = 0
                member[last[p]] = i
                last[p] = last[i]
                continue
            space[out] = space[kept]  # p or an element covered by p has left a place
            space[kept] = p
            elements[i] = kept + 1 - begin
            size[i] = out + 1 - begin
            degree[i] = min(degree[i], d)
            h %= m
            hashed[i] = h
            chain[i] = bucket[h]
            bucket[h] = i
        done += pivots
        tag += m + 1
        for q in range(top, free):
            i = space[q]
            if weight[i] < 0 and bucket[hashed[i]] >= 0:
                head = bucket[hashed[i]]
                bucket[hashed[i]] = -1
                tag = _merge_equal(
                    head, chain, at, size, elements, space, weight, member, last, mark, tag
                )
        tag += 1
        out = top
        for q in range(top, free):
            i = space[q]
            if weight[i] < 0:
                weight[i] = -weight[i]
                rest = total - weight[i]
                degree[i] = min(degree[i] + rest, count - done - weight[i])
                j = first[degree[i]]  # i comes before it in the list of its degree
                after[i] = j
                before[i] = -1
                if j >= 0:
                    before[j] = i
                first[degree[i]] = i
                lowest = min(lowest, degree[i])
                space[out] = i
                out += 1
        free = out
        weight[p] = 0
        at[p], size[p], elements[p], degree[p] = top, out - top, 0, total
        live[p] = out > top
        i, k = p, done - pivots
        while i >= 0:
            order[k] = i
            k += 1
            i = member[i]


def minimum_degree(indptr: Any, indices: Any, dense: int) -> Any:
    """An order of elimination with little fill.

    Parameters
    ----------
    indptr, indices : ndarray of int64 (m + 1,), ndarray of int32
        Lower triangle by columns with the whole diagonal.
    dense : int
        Rows with more neighbours come last, in their own order.
    """
    start, index = _both_triangles(indptr, indices)
    m, entries = len(start) - 1, len(index)
    size = np.diff(start)
    weight = (size <= dense).astype(np.int64)  # 0: no variable; negative: in the new element
    count = int(weight.sum())
    order = np.empty(m, dtype=np.int64)
    order[count:] = np.flatnonzero(weight == 0)
    if not count:
        return order
    # lists never grow in all, so that compaction always makes room for one more
    space = np.empty(2 * entries + m + 1, dtype=np.int32)
    space[:entries] = index
    elements, hashed, mark = np.zeros((3, m), dtype=np.int64)  # elements in a variable's list
    degree = np.minimum(size, count)
    first, after, before = _lists(degree, np.flatnonzero(weight))
    bucket = np.full(m, -1, dtype=np.int32)  # the first variable of each hash; then in a chain
    chain = np.empty(m, dtype=np.int32)
    member = np.full(m, -1, dtype=np.int32)  # chains of what is eliminated together
    last = np.arange(m, dtype=np.int32)
    live = np.zeros(m, dtype=bool)  # elements
    numbers = (start[:-1], size, weight, elements, degree, hashed, mark, live)
    _eliminate(count, space, *numbers, first, after, before, member, last, bucket, chain, order)  # type: ignore[call-arg]
    return order


def _both_triangles(indptr: Any, indices: Any) -> Any:
    """Both triangles without the diagonal, by columns, of a lower triangle with it."""
    m = len(indptr) - 1
    counts = np.bincount(indices, minlength=m) + np.diff(indptr) - 2
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows, cols = indices.astype(np.int64), np.repeat(np.arange(m), np.diff(indptr))
    free, out = start[:-1].copy(), np.empty(start[-1], dtype=np.int32)
    by_rows(rows, cols, free, out)  # type: ignore[call-arg]
    by_rows(cols, rows, free, out)  # type: ignore[call-arg]
    return start, out


def _lists(degree: Any, variables: Any) -> Any:
    """Lists of variables of one degree: the first, and those after and before each."""
    m = len(degree)
    first = np.full(m + 1, -1, dtype=np.int32)
    after, before = np.full((2, m), -1, dtype=np.int32)
    in_order = variables[np.argsort(degree[variables], kind="stable")]
    same = degree[in_order[1:]] == degree[in_order[:-1]]
    after[in_order[:-1][same]] = in_order[1:][same]
    before[in_order[1:][same]] = in_order[:-1][same]
    heads = in_order[before[in_order] < 0]
    first[degree[heads]] = heads
    return first, after, before
