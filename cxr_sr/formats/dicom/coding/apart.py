"""Decode compressed pixels in the sandbox.

::

    decode_apart(stream, syntax, layout)    # like DECODERS[syntax](stream, layout)
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from pydicom.uid import UID

from cxr_sr.formats.dicom.coding.codecs import Decoded
from cxr_sr.formats.dicom.layout import PixelLayout
from cxr_sr.formats.sandbox import Sandbox, own_sandbox


def decode_apart(
    stream: bytes, syntax: UID, layout: PixelLayout, sandbox: Sandbox | None = None
) -> Decoded:
    """Decode a code stream in another process.

    Parameters
    ----------
    sandbox : the decoding process; None: the sandbox of this process

    Raises
    ------
    UnreadableError
        If the decoder refuses the stream, crashes, takes longer than `DEADLINE_S`, or
        needs more memory than an image of this size may take.
    """
    request = {"syntax": syntax, "layout": asdict(layout), "bytes": len(stream)}

    def size(facts: dict[str, Any]) -> int:
        return layout.samples * int(facts["width"])

    def shaped(facts: dict[str, Any], data: bytes) -> Decoded:
        samples = np.frombuffer(data, f"<u{int(facts['width'])}")
        return Decoded(samples.reshape(layout.shape), int(facts["precision"]))

    sandbox = sandbox or own_sandbox()
    return sandbox.ask(request, stream, f"the {syntax.name} image", size, shaped)
