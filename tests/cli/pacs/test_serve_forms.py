"""`cxr-sr serve` takes every SOP class and transfer syntax that it offers."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from cxr_sr.formats import read
from cxr_sr.pacs.network.peers import DicomPeer
from cxr_sr.pacs.network.services import RECEIVED_CLASSES, RECEIVED_SYNTAXES
from cxr_sr.pacs.network.store_scu import associate, entity_of
from tests.builders import noise, pixel_format
from tests.dicom_files import FRAMES, RAMP, dicom_file

pytestmark = pytest.mark.slow

STREAMS = {
    JPEGLossless: JPEGLosslessSV1,
    JPEG2000: JPEG2000Lossless,
    JPEGLSNearLossless: JPEGLSLossless,
    HTJ2K: HTJ2KLossless,
    HTJ2KLosslessRPCL: HTJ2KLossless,
}
"""Each stream of the latter is one of the former, too."""


def file_in(path, syntax, **elements):
    """A radiograph in a transfer syntax, from any encoder."""
    like = STREAMS.get(syntax, syntax)
    if syntax == JPEGBaseline8Bit:
        coded, fmt = io.BytesIO(), pixel_format(8)
        image = noise((16, 16), fmt)
        Image.fromarray(image).save(coded, "JPEG")
        return dicom_file(path, image, fmt, syntax, frame=coded.getvalue(), **elements)
    if like in FRAMES:
        return dicom_file(path, RAMP, None, syntax, frame=FRAMES[like], **elements)
    if like != syntax:
        stream = dcmread(dicom_file(path, syntax=like)).PixelData
        (elements["frame"],) = generate_frames(stream, number_of_frames=1)
    return dicom_file(path, syntax=syntax, **elements)


def test_every_class_and_syntax_that_is_offered_is_taken(node, pacs, tmp_path):
    sender = entity_of("SCANNER")
    sources = {}
    classes = itertools.cycle(RECEIVED_CLASSES)
    for n, (syntax, sop_class) in enumerate(zip(RECEIVED_SYNTAXES, classes)):  # noqa: B905
        named = {"SOPClassUID": sop_class, "SOPInstanceUID": f"1.2.9.{n + 1}"}
        path = file_in(tmp_path / f"{n}.dcm", syntax, **named)
        sources[named["SOPInstanceUID"]] = path
        sender.add_requested_context(sop_class, syntax)
    association = associate(sender, DicomPeer("CXR-SR", "127.0.0.1", node.port), None)
    answers = [association.send_c_store(path).Status for path in sources.values()]
    association.release()
    assert answers == [0] * len(RECEIVED_SYNTAXES)
    node.settles(sent=len(RECEIVED_SYNTAXES))
    for path in pacs.received:
        (source,) = dcmread(path).SourceImageSequence
        before = read(sources.pop(source.ReferencedSOPInstanceUID)).pixels
        assert np.array_equal(read(path).pixels, np.kron(before, np.ones((2, 2))))
    assert not sources
