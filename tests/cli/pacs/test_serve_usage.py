"""`cxr-sr serve`: refusals at the start, TLS, and the examples for its operation."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread

from cxr_sr.pacs.queue import Queue
from tests.pacs.servers import Node, StoreScp, command, dcmtk

EXAMPLES = Path(__file__).parents[3] / "examples" / "pacs"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give --store"),
        (("--store", "s", "--bind", "0.0.0.0"), "--allow"),  # noqa: S104
        (("--store", "s", "--back"), "[peers]"),
        (("--store", "s", "--send", "PACS"), "AET@HOST:PORT"),
        (("--store", "s", "--send-web", "host"), "AET@HOST:PORT"),
        (("--store", "s", "--aet", "x" * 17), "no AE title"),
        (("--store", "s", "--rules", "none.toml"), "cannot be read"),
        (("--store", "s", "--format", "png"), "a node sends DICOM"),
        (("--store", "s", "--tls", "a", "b", "c"), "PEM"),
        (("--store", "s", "--status"), "cannot be read as a store"),
        (("--store", ".", "--status"), "cannot be read as a store"),
        (("--store", "s", "--model", "none"), "none"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_done(
    tmp_path, monkeypatch, words, told
):
    monkeypatch.chdir(tmp_path)
    result = command("serve", *words)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not Path("s").exists()


@pytest.mark.slow
def test_one_store_has_one_node_and_one_port(tmp_path):
    with Node(tmp_path / "store") as node:
        again = command("serve", "--store", tmp_path / "store", "--port", "0")
        assert again.exit_code == 2
        assert "another cxr-sr works on" in again.stderr
        taken = command("serve", "--store", tmp_path / "other", "--port", node.port)
        assert taken.exit_code == 2
        assert "cannot listen on" in taken.stderr


@pytest.fixture
def certificates(tmp_path):
    """A self-signed certificate, which is also the authority, and its key."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate}"
    )
    more = "-days 2 -subj /CN=localhost"
    try:
        subprocess.run(shlex.split(f"{words} {more}"), check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return certificate, key


@pytest.mark.slow
def test_tls_on_both_sides_and_nobody_without_a_certificate(
    tmp_path, images, certificates
):
    certificate, key = map(str, certificates)
    secure = ("+tls", key, certificate, "+cf", certificate)
    options = ("--tls", certificate, key, certificate)
    pacs = StoreScp(tmp_path / "pacs", *secure)
    with pacs, Node(tmp_path / "store", "--send", pacs.address, *options) as node:
        to = ("-aec", "CXR-SR", "127.0.0.1", str(node.port), str(images[0]))
        plain = [dcmtk("storescu"), *to]
        assert subprocess.run(plain, check=False, timeout=60).returncode != 0
        nameless = [dcmtk("storescu"), "+tla", "-ic", *to]
        assert subprocess.run(nameless, check=False, timeout=60).returncode != 0
        assert sum(node.counts().values()) == 0
        both = [dcmtk("storescu"), *secure, *to]
        assert subprocess.run(both, check=False, timeout=60).returncode == 0
        node.settles(sent=1)
    (result,) = pacs.received
    assert dcmread(result).Rows == 40


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not in this copy")
class TestExamples:
    def test_the_unit_starts_the_node_with_options_that_it_has(self, tmp_path):
        unit = (EXAMPLES / "cxr-sr.service").read_text()
        (line,) = [x for x in unit.splitlines() if x.startswith("ExecStart=")]
        words = shlex.split(line.partition("=")[2])
        assert words[0].endswith("/cxr-sr")
        Queue(tmp_path / "store").prepare()
        words[words.index("--store") + 1] = str(tmp_path / "store")
        assert command(*words[1:], "--status").exit_code == 0

    def test_systemd_finds_nothing_wrong_with_the_unit(self, tmp_path):
        if shutil.which("systemd-analyze") is None:
            pytest.skip("systemd is not installed")
        text = (EXAMPLES / "cxr-sr.service").read_text()
        unit = tmp_path / "cxr-sr.service"
        unit.write_text(text.replace("/opt/cxr-sr/bin/cxr-sr", sys.executable))
        verified = subprocess.run(
            ["systemd-analyze", "verify", str(unit)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (verified.returncode, verified.stderr) == (0, "")

    def test_the_container_installs_as_the_readme_does(self):
        container = (EXAMPLES / "Containerfile").read_text()
        (step,) = [x[4:] for x in container.splitlines() if x.startswith("RUN python")]
        readme = (EXAMPLES.parents[1] / "README.md").read_text()
        assert step.replace("[pacs,", "[demo,") in readme

    def test_the_container_starts_only_for_those_who_may_send(self):
        container = (EXAMPLES / "Containerfile").read_text()
        assert '"0.0.0.0"' in container
        assert "--allow" not in container.partition("ENTRYPOINT")[2]
