"""A page shows failures first, has a limited size, and loads nothing from outside."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_sr.gallery.cases import Places
from cxr_sr.gallery.page import MOST_LISTED, PageLimits, evenly, write_page
from cxr_sr.report.results import Results
from tests.builders import noise, pixel_format, write_png
from tests.files import a_dicom, damage, upscale
from tests.gallery.builders import QUICK, REPORT, blocks, gallery, index_of


@given(st.integers(0, 50), st.integers(1, 60))
@QUICK
def test_spread_takes_so_many_and_both_ends(total, count):
    entries = [{"file": n} for n in range(total)]
    chosen = evenly(entries, count)
    assert len({c["file"] for c in chosen}) == len(chosen) == min(total, count)
    if total and count > 1:
        assert (chosen[0], chosen[-1]) == (entries[0], entries[-1])


def test_its_size_is_bounded_as_the_limits_say(tmp_path, monkeypatch):
    """An image of noise gives the largest page."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for n in range(3):
        write_png(Path(f"in/{n}.png"), noise((300, 300), pixel_format(16)))
    upscale("in", "-o", "out", "--model", "nearest")
    gallery(REPORT, "--limit", 2, "--max-side", 200)
    empty = 40_000  # the page around the pictures
    thumbnails = 2 * 40_000
    size = Path("page.html").stat().st_size
    most = 2 * 200**2 * 2 * 2 * 4 // 3  # of two pairs: 16 bits, in base64
    assert most / 4 < size < most + empty + thumbnails


@pytest.mark.usefixtures("folder")
class TestPage:
    def test_every_result_is_on_it_and_the_path_is_told(self):
        result = gallery(REPORT)
        assert result.exit_code == 0, result.stderr
        assert result.stdout == "page.html\n"
        data = blocks(Path("page.html").read_text())
        assert [c["file"] for c in data["index"]["cases"]] == [
            "a/IM0001",
            "a/chest.dcm",
            "b/IM0001",
            "b/picture.png",
        ]
        for about in data["index"]["cases"]:
            assert set(data[about["pictures"]]) == {"before", "after"}

    def test_failures_come_first_with_their_reasons(self, folder):
        damage(folder / "in/b/IM0001")
        a_dicom(folder / "in/slice.dcm", sop_class=pydicom.uid.CTImageStorage)
        upscale("in", "-o", "new")
        gallery("new/cxr-sr-report.jsonl")
        missing = index_of()["missing"]
        assert [m[:2] for m in missing] == [
            ["failed", "b/IM0001"],
            ["skipped", "slice.dcm"],
        ]
        assert "CT" in missing[1][2]

    def test_results_that_cannot_be_shown_come_before_those_that_can(self):
        Path("out/b/picture.png").unlink()
        result = gallery(REPORT)
        assert result.exit_code == 4
        assert "b/picture.png: the output folder lacks the result" in result.stderr
        assert index_of()["cases"][0]["file"] == "b/picture.png"

    def test_a_limit_takes_results_from_the_whole_run(self):
        gallery(REPORT, "--limit", 2)
        index = index_of()
        assert [c["file"] for c in index["cases"]] == ["a/IM0001", "b/picture.png"]
        assert index["written"] == 4

    def test_thousands_of_failures_are_counted_but_not_all_listed(self):
        lines = [json.dumps({"type": "run"})]
        for n in range(MOST_LISTED + 5):
            about = {"type": "file", "file": f"{n}", "status": "failed", "reason": "no"}
            lines.append(json.dumps(about))
        Path("many.jsonl").write_text("\n".join(lines))
        assert gallery("many.jsonl").exit_code == 0
        index = index_of()
        assert len(index["missing"]) == MOST_LISTED
        assert index["unlisted"] == 5
        assert index["counts"] == {"failed": MOST_LISTED + 5}

    def test_no_name_can_break_out_of_the_data(self):
        evil = "</script><script>alert(1)</script><!--"
        about = {"type": "file", "file": evil, "status": "failed", "reason": evil}
        Path("evil.jsonl").write_text(json.dumps(about))
        gallery("evil.jsonl")
        page = Path("page.html").read_text()
        assert "alert(1)</script>" not in page
        assert index_of()["missing"] == [["failed", evil, evil]]

    def test_only_its_own_script_and_style_may_run(self):
        gallery(REPORT)
        page = Path("page.html").read_text()
        (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', page)
        assert policy.startswith("default-src 'none'; ")
        for tag in ("script", "style"):
            (source,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(source.encode()).digest())
            assert f"{tag}-src 'sha256-{digest.decode()}'" in policy

    def test_it_refers_to_nothing_outside_of_itself(self):
        gallery(REPORT)
        page = Path("page.html").read_text()
        assert not re.findall(r"https?:|//\w+\.|src=|href=|url\(|@import", page)

    def test_nothing_in_it_identifies_the_patient_or_the_machine(self, folder):
        gallery(REPORT)
        page = Path("page.html").read_text()
        for secret in ("SECRET", "Secret", "1.2.3.4", str(folder), folder.name):
            assert secret not in page

    def test_the_same_run_gives_the_same_page(self):
        gallery(REPORT)
        gallery(REPORT, "-o", "again.html")
        assert Path("page.html").read_bytes() == Path("again.html").read_bytes()

    def test_a_failure_on_the_way_leaves_no_page(self, folder, monkeypatch):
        def fail(*_given):
            raise KeyboardInterrupt

        monkeypatch.setattr("cxr_sr.gallery.page.case_of", fail)
        places = Places((Path("in"),), Path("out"))
        with pytest.raises(KeyboardInterrupt):
            write_page(Results.read(REPORT), places, PageLimits(), Path("page.html"))
        assert not list(folder.glob("*page*"))
        assert not list(folder.glob(".cxr-sr-*"))
