"""Which records are one, once every pair that is known to be one is followed to its end.

Belongs here: connected components of an undirected graph. Does not belong here: what makes two records one
(SQL), and which of them gives the others its name.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["components"]


def components(left: "NDArray[Any]", right: "NDArray[Any]") -> "tuple[NDArray[Any], NDArray[Any]]":
    """Connected components of the graph whose edges join `left` and `right`.

    Parameters
    ----------
    left, right : ndarray, shape (n,)
        The two ends of each edge, as text. Edges may repeat, and their direction says nothing.

    Returns
    -------
    nodes : ndarray, shape (m,)
        Every end that occurs, once, in ascending order.
    names : ndarray, shape (m,)
        The component of each: the smallest of its nodes, so that the result depends on the set of edges alone.

    Raises
    ------
    ValueError
        If the two ends differ in number.
    """
    if left.shape != right.shape:
        raise ValueError(f"left and right must be the ends of the same edges, but have {left.size} and {right.size}")
    nodes, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    start, end = places[: left.size], places[left.size :]
    # Repeated edges are added up, and true plus true is true.
    graph = coo_array((np.ones(left.size, dtype=bool), (start, end)), shape=(nodes.size, nodes.size))
    _, labels = connected_components(graph, directed=False)
    # Nodes ascend, so the first of each label is its smallest.
    _, first = np.unique(labels, return_index=True)
    return nodes, nodes[first][labels]
