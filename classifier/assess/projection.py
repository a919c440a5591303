"""Embeddings projected to fewer dimensions, block by block. Pure.

As float32 and centred, all embeddings would take several times what they take on disk.
"""

from collections.abc import Callable

import numpy as np

BLOCK = 4096  # rows that are made float32 at a time


def unit_vectors(embedding, dimensions: int) -> np.ndarray:
    """Float32 (n, min(d, dimensions)), unit length: where there are more features, the projection
    that keeps most of every product of two."""
    if embedding.shape[1] <= dimensions:
        return _normalised(np.asarray(embedding, np.float32))

    def rows(block: slice) -> np.ndarray:
        return _normalised(np.asarray(embedding[block], np.float32))

    return _normalised(_projected(rows, embedding.shape, dimensions))


def principal_components(embedding, dimensions: int) -> np.ndarray:
    """Float32 (n, min(d, dimensions)): the principal components, largest first."""
    if len(embedding) < 2:
        return np.asarray(embedding, np.float32)
    centre = np.asarray(embedding.mean(0, dtype=np.float64), np.float32)

    def rows(block: slice) -> np.ndarray:
        return np.asarray(embedding[block], np.float32) - centre

    return _projected(rows, embedding.shape, dimensions)


def _normalised(features) -> np.ndarray:
    return features / (np.linalg.norm(features, axis=1, keepdims=True) + 1e-6)


def _projected(
    rows: Callable[[slice], np.ndarray], shape: tuple[int, int], dimensions: int
) -> np.ndarray:
    """Float32 (n, min(d, dimensions)): the rows along the eigenvectors of the sum of their outer
    products, largest eigenvalue first. `rows` gives a block of them."""
    n, width = shape
    blocks = [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]
    products = np.zeros((width, width))
    for block in blocks:
        part = rows(block)
        products += part.T @ part
    vectors = np.linalg.eigh(products)[1][:, ::-1][:, :dimensions].astype(np.float32)
    projected = np.empty((n, vectors.shape[1]), np.float32)
    for block in blocks:
        projected[block] = rows(block) @ vectors
    return projected
