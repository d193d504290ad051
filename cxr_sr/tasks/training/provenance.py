"""Record the training data of a head: sets, licences, and the hash of the data."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from cxr_sr.tasks.spec import SEEN, short
from cxr_sr.tasks.training.data import Example


def provenance(train: Sequence[Example], val: Sequence[Example]) -> dict[str, Any]:
    """Return the sets, licences, numbers and hash of the training data."""
    sets = Counter((e.row.source, e.row.licence, e.row.mask_licence) for e in train)
    return {
        "data": [
            {
                "source": source or "unnamed",
                "licence": licence or "unstated",
                "mask_licence": masks,
                "n": n,
            }
            for (source, licence, masks), n in sorted(sets.items())
        ],
        "data_sha256": data_hash(train),
        SEEN: sorted(short(e.pixels_sha256) for e in train),
        "splits": {"train": len(train), "val": len(val)},
        "patients": len({e.row.patient for e in train}),
    }


def data_hash(examples: Sequence[Example]) -> str:
    """Return the SHA-256 of reduced images, masks and findings, without file names."""
    digest = hashlib.sha256()
    for example in examples:
        for tensor in (example.large, example.large_masks):
            digest.update(repr(tuple(tensor.shape)).encode())
            digest.update(tensor.numpy().tobytes())
        digest.update(repr(example.row.findings).encode())
    return digest.hexdigest()
