"""A script: use an engine in forked children, in an order, and compare the results.

    python in_children.py ENGINE parent|child WAY [WAY ...]

Each WAY is `pool`, `loader` or `exit`. For each, it prints "WAY: equal" if all children
compute what this process does.
"""

import multiprocessing
import os
import sys
import warnings

import numpy as np

import cxr_sr

ENGINE, FIRST, *WAYS = sys.argv[1:]
SIDES = (40, 72, 100, 72)
# Python 3.12 and later warn of a fork while any thread runs.
warnings.filterwarnings("ignore", category=DeprecationWarning)


def computed(side: int) -> np.ndarray:
    """Return the result for an image of a side; tiles of two threads."""
    pixels = np.random.default_rng(side).integers(0, 4096, (side, side), np.uint16)
    settings = cxr_sr.Settings(engine=ENGINE, threads=2)  # type: ignore[arg-type]
    image = cxr_sr.from_array(pixels, bits_stored=12)
    return np.asarray(cxr_sr.upscale(image, "fast", 2, settings))


class Items:
    """A data set for a DataLoader."""

    def __len__(self) -> int:
        return len(SIDES)

    def __getitem__(self, number: int) -> np.ndarray:
        return computed(SIDES[number])


def by_pool() -> list[np.ndarray]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(computed, SIDES)


def by_loader() -> list[np.ndarray]:
    from torch.utils.data import DataLoader  # noqa: PLC0415 - not of every test

    loader: DataLoader[np.ndarray] = DataLoader(
        Items(),  # type: ignore[arg-type]
        batch_size=None,
        num_workers=2,
        multiprocessing_context="fork",
    )
    return [np.asarray(image) for image in loader]


def by_exit() -> list[np.ndarray]:
    """Fork without any help, and end the child as a program ends; return nothing."""
    child = os.fork()
    if child == 0:
        computed(SIDES[0])
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"
    return []


if FIRST == "parent":
    computed(SIDES[0])
# All children work before this process does, where that is the order to be tested.
ways = {"pool": by_pool, "loader": by_loader, "exit": by_exit}
results = {way: ways[way]() for way in WAYS}
expected = [computed(side) for side in SIDES]
for way, found in results.items():
    same = all(map(np.array_equal, found, expected))
    sys.stdout.write(f"{way}: {'equal' if same else 'different'}\n")
