"""Compare the speed of a node (`cxr-sr serve`) with the speed of `cxr-sr upscale`.

    python examples/benchmark_node.py [--data FOLDER] [--copies 12] [--rounds 3]
        [--compress jpegls] [options of upscale, such as --model fast --scale 4]

Without --data, copies of a real chest radiograph (RG1 of pydicom-data) are used, each
with its own UIDs. Each round runs both commands, one after the other, on the same
files; the receiver is pynetdicom. Time is measured after the first result, so it does
not include the start and the loading of the model. The processor time is printed, too;
it includes the start. On a machine that does other work, compare the processor time.
The example needs the extra [pacs].
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, generate_uid
from pynetdicom import AE, StoragePresentationContexts, evt

COMMAND = (sys.executable, "-m", "cxr_sr")


def main() -> None:
    """Measure and print."""
    options, treatment = parse()
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = samples(options.data, folder / "in", options.copies)
        if len(files) < 2:
            raise SystemExit("a pace needs at least 2 files; give --copies 2 or more")
        print(f"{len(files)} files, {options.rounds} rounds, {os.getloadavg()[0]} load")
        for number in range(options.rounds):
            place = folder / str(number)
            start = processor_s()
            plain = pace(upscaled(files, place / "out", treatment, options.compress))
            between = processor_s()
            node = pace(served(files, place / "store", treatment, options.compress))
            end = processor_s()
            ratios.append(plain / node)
            print(
                f"upscale {plain:7.3f} s a file (processor {between - start:6.1f} s in "
                f"all), node {node:7.3f} s ({end - between:6.1f} s): "
                f"the node has {ratios[-1]:.1%} of the pace"
            )
    print(f"median: {statistics.median(ratios):.1%} of the pace of upscale")


def parse() -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; options unknown here are passed to both commands."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER")
    parser.add_argument("--copies", type=int, default=12, help="of each file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--compress",
        default="none",
        choices=["none", "jpegls"],
        help="compression of the results, also for the receiver",
    )
    return parser.parse_known_args()


def samples(folder: Path | None, target: Path, copies: int) -> list[Path]:
    """Write copies of each DICOM file, all with UIDs of their own."""
    found = get_testdata_file("RG1_UNCR.dcm", download=False)
    if folder is None and found is None:
        raise SystemExit("the sample is missing; run: pip install pydicom-data")
    sources = sorted(folder.rglob("*.dcm")) if folder else [Path(str(found))]
    target.mkdir()
    written: list[Path] = []
    for source in sources:
        dataset = dcmread(source)
        for _ in range(copies):
            dataset.SOPInstanceUID = generate_uid()
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            written.append(target / f"{len(written):04}.dcm")
            dataset.save_as(written[-1])
    return written


def upscaled(
    files: Sequence[Path], out: Path, treatment: Sequence[str], compress: str
) -> list[float]:
    """Return the times at which `cxr-sr upscale` had written each result."""
    words = ("upscale", *files, "-o", out, "--compress", compress, *treatment)
    subprocess.run([*COMMAND, *map(str, words)], check=True, capture_output=True)  # noqa: S603 - ours
    return [path.stat().st_mtime for path in out.rglob("*.dcm")]


def served(
    files: Sequence[Path], store: Path, treatment: Sequence[str], compress: str
) -> list[float]:
    """Return the times at which the receiver of `cxr-sr serve` had each result."""
    port = free_port()
    with receiver(compress) as (address, arrived):
        words = ("--store", store, "--port", port, "--send", address, *treatment)
        node = subprocess.Popen(  # noqa: S603 - our own command
            [*COMMAND, "serve", *map(str, words)], stderr=subprocess.DEVNULL
        )
        try:
            send(files, port)
            while len(arrived) < len(files) and node.poll() is None:
                time.sleep(0.1)
        finally:
            node.terminate()
            node.wait()
    if len(arrived) < len(files):
        raise SystemExit("the node ended early; run `cxr-sr serve` alone to see why")
    return arrived


@contextmanager
def receiver(compress: str) -> Iterator[tuple[str, list[float]]]:
    """Yield the address of a receiver, and the times at which results arrive."""
    arrived: list[float] = []

    def store(_event: evt.Event) -> int:
        arrived.append(time.time())
        return 0

    entity = AE("PACS")
    syntaxes = [ExplicitVRLittleEndian]
    if compress == "jpegls":
        syntaxes.append(JPEGLSLossless)
    for context in StoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax or "", syntaxes)
    port = free_port()
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    try:
        yield f"PACS@127.0.0.1:{port}", arrived
    finally:
        if server is not None:
            server.shutdown()


def send(files: Sequence[Path], port: int) -> None:
    """Send the files as soon as the node listens."""
    entity = AE("SENDER")
    for context in StoragePresentationContexts[:]:
        entity.add_requested_context(
            context.abstract_syntax or "", [ExplicitVRLittleEndian]
        )
    association = entity.associate("127.0.0.1", port, ae_title="CXR-SR")
    while not association.is_established:
        time.sleep(0.2)
        association = entity.associate("127.0.0.1", port, ae_title="CXR-SR")
    for path in files:
        status = association.send_c_store(path)
        if status.get("Status") != 0:
            raise SystemExit(f"the node refused {path.name}: {status}")
    association.release()


def free_port() -> int:
    """Return a free TCP port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processor_s() -> float:
    """Return the processor time of all processes that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def pace(times: Sequence[float]) -> float:
    """Return the seconds a file after the first one."""
    return (max(times) - min(times)) / (len(times) - 1)


if __name__ == "__main__":
    main()
