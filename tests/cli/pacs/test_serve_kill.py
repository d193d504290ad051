"""The node loses nothing if it, a child or its receiver is killed; many files."""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.uid import generate_uid

from tests.files import a_dicom
from tests.pacs.servers import Node, StoreScp, free_port, store, until

pytestmark = pytest.mark.slow

KILLS = 4
IMAGES = 60
COUNT = 300


class Insistent(threading.Thread):
    """Sends the same files until each is answered, like an archive."""

    def __init__(self, port: int, files: list[Path]) -> None:
        super().__init__()
        self.port, self.files = port, files
        self.tries = 0
        self.start()

    def run(self) -> None:
        while store(self.port, self.files).returncode != 0:
            self.tries += 1


def killed_somewhere(node: Node, pacs: StoreScp, random: np.random.Generator) -> None:
    """Kill the node, one of its children, or its receiver."""
    children = psutil.Process(node.process.pid).children(recursive=True)
    victims = [node, node, *children, pacs]
    victims[random.integers(len(victims))].kill()
    threading.Event().wait(random.uniform(0, 0.5))


def test_killed_at_any_moment_nothing_is_lost_and_nothing_differs(tmp_path):
    """Each instance reaches the receiver in one form, or is given up with a reason."""
    files = [a_dicom(tmp_path / "in" / f"{n}.dcm", seed=n) for n in range(IMAGES)]
    port, to = free_port(), free_port()
    random = np.random.default_rng(21)
    sender = Insistent(port, files)
    for moment in random.uniform(0.1, 1.5, KILLS):
        pacs = StoreScp(tmp_path / "pacs", "+xa", port=to)
        with pacs, Node(tmp_path / "s", "--send", pacs.address, port=port) as node:
            threading.Event().wait(moment)
            killed_somewhere(node, pacs, random)
    pacs = StoreScp(tmp_path / "pacs", "+xa", port=to)
    with pacs, Node(tmp_path / "s", "--send", pacs.address, port=port) as node:
        sender.join(60)
        assert not sender.is_alive()
        counts = node.settled_counts(IMAGES)
    assert sender.tries > 0  # otherwise no kill came during the work
    forms: dict[str, set[bytes]] = {}
    for path in filter(is_whole, pacs.received):  # the receiver was killed, too
        header = dcmread(path)
        forms.setdefault(header.SOPInstanceUID, set()).add(header.PixelData)
    assert {len(form) for form in forms.values()} == {1}
    assert counts["sent"] + counts["dead"] == IMAGES
    assert len(forms) >= counts["sent"]
    assert all(node.queue.reason("dead", key) for key in node.queue.keys("dead"))


def is_whole(path: Path) -> bool:
    try:
        return "PixelData" in dcmread(path)
    except Exception:  # noqa: BLE001 - torn anywhere
        return False


@pytest.fixture
def in_memory(tmp_path):
    """A folder in memory: other programs slow a disk down."""
    memory = Path("/dev", "shm")
    if not memory.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_hundreds_of_instances_are_each_sent_once(in_memory):
    one = dcmread(a_dicom(in_memory / "one.dcm"))
    folder = in_memory / "in"
    folder.mkdir()
    uids = set()
    for n in range(COUNT):
        one.SOPInstanceUID = generate_uid(entropy_srcs=[str(n)])
        one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
        uids.add(one.SOPInstanceUID)
        dcmwrite(folder / f"{n}.dcm", one)
    pacs = StoreScp(in_memory / "pacs")
    with pacs, Node(in_memory / "store", "--send", pacs.address) as node:
        assert store(node.port, [folder], "--scan-directories").returncode == 0
        until(lambda: node.queue.count("sent") == COUNT, "all are sent", 150)
    sources = [
        dcmread(path, specific_tags=["SourceImageSequence"]).SourceImageSequence[0]
        for path in pacs.received
    ]
    assert len(sources) == COUNT
    assert {source.ReferencedSOPInstanceUID for source in sources} == uids
