"""In our associations, only the thread that asked takes the answer."""

import time

import pytest
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_ECHO
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from cxr_sr.pacs.network.peers import DicomPeer
from cxr_sr.pacs.network.store_scu import associate, entity_of
from tests.pacs.servers import free_port


@pytest.fixture
def peer():
    """A node that answers C-ECHO."""
    entity, port = AE("PACS"), free_port()
    entity.add_supported_context(Verification)
    server = entity.start_server(("127.0.0.1", port), block=False)
    assert server is not None
    yield DicomPeer("PACS", "127.0.0.1", port)
    server.shutdown()


def test_an_answer_waits_for_who_asked(peer):
    """Otherwise pynetdicom's own thread could take the answer as a request."""
    entity = entity_of("CXR-SR")
    entity.add_requested_context(Verification)
    association = associate(entity, peer, None)
    answer = C_ECHO()
    association.dimse.msg_queue.put((1, answer))
    time.sleep(0.2)
    assert association.dimse.get_msg(block=True) == (1, answer)
    assert association.send_c_echo().Status == 0
    association.release()
