"""A node between dcmtk's sender and receiver, and images to send."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.files import a_dicom
from tests.pacs.servers import Node, StoreScp


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Six CR of one series, 20 x 16 px."""
    return [a_dicom(tmp_path / "in" / f"{n}.dcm", seed=n) for n in range(6)]


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[StoreScp]:
    """A receiver of all transfer syntaxes."""
    with StoreScp(tmp_path / "pacs", "+xa") as pacs:
        yield pacs


@pytest.fixture
def node(tmp_path: Path, pacs: StoreScp) -> Iterator[Node]:
    """A node that sends to that receiver."""
    with Node(tmp_path / "store", "--send", pacs.address) as node:
        yield node
