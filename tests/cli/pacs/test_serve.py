"""`cxr-sr serve` between programs that we did not write: dcmtk's and Orthanc."""

import json
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom import dcmread
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from cxr_sr.formats import read
from cxr_sr.pacs.queue import SOURCE
from tests.dicom_files import dicom_file
from tests.files import a_dicom, json_lines
from tests.pacs.servers import (
    Node,
    Orthanc,
    StoreScp,
    command,
    dcmtk,
    free_port,
    store,
    until,
)

pytestmark = pytest.mark.slow


def sources_of(paths):
    """The SOP Instance UIDs that results name as their source."""
    return sorted(
        dcmread(path).SourceImageSequence[0].ReferencedSOPInstanceUID for path in paths
    )


def uids_of(paths):
    return sorted(dcmread(path).SOPInstanceUID for path in paths)


def report_of(node):
    return json_lines((node.store / "cxr-sr-report.jsonl").read_text())


def test_what_is_received_is_upscaled_and_sent_on_once(node, pacs, images):
    assert store(node.port, images).returncode == 0
    node.settles(sent=6)
    assert sources_of(pacs.received) == uids_of(images)
    assert [dcmread(path).Rows for path in pacs.received] == [40] * 6
    lines = report_of(node)
    kinds = [(line["type"], line.get("status")) for line in lines[1:]]
    assert kinds.count(("file", "done")) == 6
    assert kinds.count(("delivery", "sent")) == 6
    assert node.stop() == 130
    assert "secret" not in (node.said + json.dumps(lines)).lower()


def test_a_series_has_one_time_however_long_it_takes_to_arrive(node, pacs, images):
    for image in images[:2]:
        assert store(node.port, [image]).returncode == 0
        time.sleep(1.1)
    node.settles(sent=2)
    series = [dcmread(path) for path in pacs.received]
    assert len({header.SeriesInstanceUID for header in series}) == 1
    assert len({(header.SeriesDate, header.SeriesTime) for header in series}) == 1


def test_an_instance_that_comes_again_is_answered_but_not_done_again(
    node, pacs, images
):
    for _ in range(2):
        assert store(node.port, images).returncode == 0
        node.settles(sent=6)
    assert len(pacs.received) == 6


def test_our_own_result_is_answered_but_kept_nowhere(node, pacs, images):
    assert store(node.port, images[:1]).returncode == 0
    node.settles(sent=1)
    assert store(node.port, pacs.received, "-xt").returncode == 0
    node.settles(sent=1)
    assert len(pacs.received) == 1


def test_a_data_set_is_stored_byte_for_byte_as_it_came(tmp_path):
    syntaxes = {
        ExplicitVRLittleEndian: "-xe",
        ImplicitVRLittleEndian: "-xi",
        ExplicitVRBigEndian: "-xb",
        RLELossless: "-xr",
        JPEGLSLossless: "-xt",
    }
    sent = {}
    with Node(tmp_path / "store") as node:
        for syntax, option in syntaxes.items():
            image = dicom_file(tmp_path / "one.dcm", syntax=syntax)
            assert store(node.port, [image], option).returncode == 0
            sent[syntax] = dcmread(image).PixelData
        node.settles(stored=len(syntaxes))
    for key in node.queue.keys("stored"):
        kept = dcmread(node.queue.folder("stored", key) / SOURCE)
        # storescu writes a new header; it does not change the pixels.
        assert kept.PixelData == sent.pop(kept.file_meta.TransferSyntaxUID)
    assert not sent


def test_each_receiver_gets_results_in_what_it_takes(tmp_path, images):
    wanted = {
        "+xa": JPEGLSLossless,
        "+xe": ExplicitVRLittleEndian,
        "+xi": ImplicitVRLittleEndian,
    }
    with ExitStack() as stack:
        receivers = {
            syntax: stack.enter_context(StoreScp(tmp_path / option, option))
            for option, syntax in wanted.items()
        }
        sends = [word for r in receivers.values() for word in ("--send", r.address)]
        node = stack.enter_context(Node(tmp_path / "store", *sends))
        assert store(node.port, images[:1]).returncode == 0
        node.settles(sent=1)
    expected = np.repeat(np.repeat(read(images[0]).pixels, 2, 0), 2, 1)
    for syntax, receiver in receivers.items():
        (result,) = receiver.received
        assert dcmread(result).file_meta.TransferSyntaxUID == syntax
        assert np.array_equal(read(result).pixels, expected)


def test_a_receiver_that_is_away_costs_nothing(tmp_path, images):
    port = free_port()
    address = f"PACS@127.0.0.1:{port}"
    with Node(tmp_path / "store", "--send", address) as node:
        assert store(node.port, images).returncode == 0
        until(lambda: node.queue.count("sending") == 6, "all are computed")
        until(lambda: "no connection" in status(node), "it is seen to be away")
        with StoreScp(tmp_path / "pacs", port=port) as pacs:
            until(lambda: pacs.received != [], "it is found to be back")
        pacs.kill()  # and vanishes in the middle
        with StoreScp(tmp_path / "pacs", port=port) as pacs:
            node.settles(sent=6)
    assert set(sources_of(pacs.received)) == set(uids_of(images))


def status(node, *options):
    result = command("serve", "--store", node.store, "--status", *options)
    assert result.exit_code == 0
    return result.stdout


def test_four_senders_at_once(node, pacs, tmp_path):
    files = [
        a_dicom(tmp_path / f"{sender}" / f"{n}.dcm", seed=10 * sender + n)
        for sender in range(4)
        for n in range(10)
    ]
    to = [dcmtk("storescu"), "-aec", "CXR-SR", "127.0.0.1", str(node.port)]
    senders = [
        subprocess.Popen([*to, *map(str, files[start::4])]) for start in range(4)
    ]
    assert [sender.wait(60) for sender in senders] == [0] * 4
    node.settles(sent=40)
    assert sources_of(pacs.received) == uids_of(files)


def test_what_cannot_be_read_is_given_up_with_a_reason(node, pacs, tmp_path, images):
    broken = a_dicom(tmp_path / "broken.dcm", Rows=5000)
    assert store(node.port, [broken, *images]).returncode == 0
    node.settles(sent=6, dead=1)
    (failure,) = json.loads(status(node, "--json"))["failures"]
    assert "pixel data" in failure["reason"]
    assert len(pacs.received) == 6


def test_only_those_on_the_list_may_send(tmp_path, images):
    with Node(tmp_path / "store", "--allow", "FRIEND@127.0.0.1") as node:
        refused = store(node.port, images[:1])
        assert refused.returncode != 0
        assert "Calling AE Title Not Recognized" in refused.stdout + refused.stderr
        assert store(node.port, images[:1], calling="FRIEND").returncode == 0
        node.settles(stored=1)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        (("--min-free", "900000000"), 0),
        (("--max-queue", "1"), 1),
        (("--max-object", "1"), 0),
    ],
)
def test_beyond_a_limit_an_instance_is_refused_as_out_of_resources(
    tmp_path, limit, kept
):
    away = f"PACS@127.0.0.1:{free_port()}"
    pixels = np.zeros((900, 900), np.uint16)
    large = [dicom_file(tmp_path / f"{n}", pixels, InstanceNumber=n) for n in range(3)]
    with Node(tmp_path / "store", "--send", away, *limit) as node:
        refused = store(node.port, large, "-v")
        assert sum(node.counts().values()) == kept
    assert "OutOfResources" in refused.stdout + refused.stderr
    assert not list((node.store / "incoming").iterdir())


def test_a_disk_that_refuses_costs_nothing(node, pacs, tmp_path):
    """The disk has room for sources but not for results; later it has room for all."""
    pixels = np.random.default_rng(0).integers(0, 4096, (200, 200)).astype(np.uint16)
    files = [dicom_file(tmp_path / f"{n}", pixels, InstanceNumber=n) for n in range(3)]
    process = psutil.Process(node.process.pid)
    process.rlimit(psutil.RLIMIT_FSIZE, (100_000, 10_000_000))
    assert store(node.port, files).returncode == 0
    until(lambda: "until the disk accepts it" in node.said, "a result does not fit")
    process.rlimit(psutil.RLIMIT_FSIZE, (10_000_000, 10_000_000))
    node.settles(sent=3)
    assert sources_of(pacs.received) == uids_of(files)
    assert "Traceback" not in node.said


def test_an_association_that_never_ends_its_instance_is_aborted(tmp_path):
    pixels = np.zeros((2000, 1500), np.uint16)
    endless = [dicom_file(tmp_path / "large", pixels)]
    with Node(tmp_path / "store", "--max-object", "1") as node:
        aborted = store(node.port, endless)
        assert aborted.returncode != 0
        assert "aborted" in node.said
        assert sum(node.counts().values()) == 0


def test_rules_choose_model_scale_and_receiver_or_leave_alone(tmp_path):
    chest = a_dicom(tmp_path / "chest.dcm", 1, BodyPartExamined="CHEST")
    hand = a_dicom(tmp_path / "hand.dcm", 2, BodyPartExamined="HAND")
    foot = a_dicom(tmp_path / "foot.dcm", 3, BodyPartExamined="FOOT")
    with StoreScp(tmp_path / "a") as a, StoreScp(tmp_path / "b") as b:
        rules = tmp_path / "rules.toml"
        rules.write_text(f"""
            [peers]
            B = "{b.address}"
            [[rule]]
            body_part = "CH*"
            model = "bicubic"
            scale = 4
            send = ["B"]
            [[rule]]
            body_part = "HAND"
            leave = true
        """)
        options = ("--send", a.address, "--rules", str(rules))
        with Node(tmp_path / "store", *options) as node:
            assert store(node.port, [chest, hand, foot]).returncode == 0
            node.settles(sent=2, left=1)
    (to_a,), (to_b,) = a.received, b.received
    assert (dcmread(to_a).Rows, dcmread(to_a).BodyPartExamined) == (40, "FOOT")
    assert (dcmread(to_b).Rows, dcmread(to_b).BodyPartExamined) == (80, "CHEST")
    assert dcmread(to_b).ManufacturerModelName == "bicubic"


def test_results_go_back_to_who_sent_the_instance(tmp_path, pacs, images):
    rules = tmp_path / "rules.toml"
    rules.write_text(f'[peers]\nROOM3 = "{pacs.address}"\n')
    with Node(tmp_path / "store", "--back", "--rules", str(rules)) as node:
        assert store(node.port, images[:1], calling="ROOM3").returncode == 0
        node.settles(sent=1)
        assert store(node.port, images[:1], calling="ROOM4").returncode == 0
        node.settles(sent=1, dead=1)
        assert "ROOM4" in status(node)
    assert len(pacs.received) == 1


def test_orthanc_sends_receives_renders_and_finds(tmp_path, rg1):
    """Source and result are in the same study of a PACS, and look the same."""
    port = free_port()
    modalities = {"node": ["CXR-SR", "127.0.0.1", port]}
    with Orthanc(tmp_path / "orthanc", DicomModalities=modalities) as pacs:
        options = ("--send", pacs.address, "--model", "bicubic")
        with Node(tmp_path / "store", *options, port=port) as node:
            source = pacs.post("instances", rg1.read_bytes())["ID"]
            answer = pacs.post("modalities/node/store", source.encode())
            assert answer["FailedInstancesCount"] == 0
            node.settles(sent=1)
            (result,) = set(pacs.instances()) - {source}
        header = dcmread(rg1)
        found = pacs.get(
            f"dicom-web/studies/{header.StudyInstanceUID}/series",
            Accept="application/dicom+json",
        ).json()
        assert len(found) == 2
        assert len(pacs.get("studies").json()) == 1
        for how in ("preview", "rendered"):
            before, after = (look(pacs, which, how) for which in (source, result))
            small = after.reshape(before.shape[0], 2, before.shape[1], 2).mean((1, 3))
            assert np.abs(small - before).mean() < 0.5  # of 255


def look(pacs, instance, how):
    """Return Orthanc's picture of an instance, at its full size."""
    picture = pacs.get(f"instances/{instance}/{how}", Accept="image/png").content
    with TemporaryDirectory() as folder:
        path = Path(folder, "look.png")
        path.write_bytes(picture)
        return sitk.GetArrayFromImage(sitk.ReadImage(path)).astype(float)


def test_results_are_posted_to_a_dicomweb_server(tmp_path, images):
    with Orthanc(tmp_path / "orthanc") as pacs:
        with Node(tmp_path / "store", "--send-web", pacs.web) as node:
            assert store(node.port, images).returncode == 0
            node.settles(sent=6)
        assert len(pacs.instances()) == 6
        lines = [line for line in report_of(node) if line["type"] == "delivery"]
    assert {line["to"] for line in lines} == {pacs.web}
