"""Ways round in a directed graph (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Vertex = tuple[str, str]
"""A flow and a step of it."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A way to another step; `exit`: by which exit, "" for a jump."""

    to: Vertex
    exit: str


Loop = tuple[tuple[Vertex, Edge], ...]
"""Each vertex with the edge that leads on; the last leads to the first."""


def loops(edges: Mapping[Vertex, Sequence[Edge]]) -> Iterator[Loop]:
    """Ways round, at least one where there is any: for each edge that leads back to a vertex on the way there (depth first, in the order written)."""
    done: set[Vertex] = set()
    for root in edges:
        # No recursion: a flow may be thousands of steps long.
        way: list[tuple[Vertex, Edge]] = []
        at: dict[Vertex, int] = {}
        open_ways: list[tuple[Vertex, Iterator[Edge]]] = []
        if root not in done:
            open_ways.append((root, iter(edges[root])))
            at[root] = 0
        while open_ways:
            here, onward = open_ways[-1]
            del way[len(open_ways) - 1 :]
            edge = next(onward, None)
            if edge is None:
                open_ways.pop()
                del at[here]
                done.add(here)
                continue
            way.append((here, edge))
            if edge.to in at:
                yield tuple(way[at[edge.to] :])
            elif edge.to in edges and edge.to not in done:
                at[edge.to] = len(open_ways)
                open_ways.append((edge.to, iter(edges[edge.to])))
