"""An index is counted before a training, in numbers and as a picture."""

import json
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cxr_sr.errors import NotARadiographError
from cxr_sr.formats import read
from cxr_sr.index.build import IndexSettings, assemble
from cxr_sr.index.facts import Finding
from cxr_sr.index.figure import SHOWN, figure, write_figure
from cxr_sr.index.given import Manifest
from cxr_sr.index.split import Salt, Shares
from cxr_sr.index.summary import IndexSummary, cause_of_finding, shortened
from tests.index.builders import some_image

RULES = IndexSettings(
    Salt.of("a secret of sixteen"), Shares({"train": 1.0}), Manifest()
)


def summary(*changes: dict[str, Any], left_out=(), rules=RULES) -> IndexSummary:
    """Summarise images n0, n1, ...; `changes` has facts that differ from defaults."""
    images = [some_image(f"n{k}", **change) for k, change in enumerate(changes)]
    return IndexSummary.of(assemble([*images, *left_out], rules))


def counted(attribute: str, *values: dict[str, Any]) -> dict[str, int]:
    counts = summary(*values).counts[attribute]
    return {value: count.total() for value, count in counts.items()}


def bars(axes: Axes) -> list[tuple[float, float]]:
    """The beginning and the end of each bar of a panel."""
    drawn = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
    return [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in drawn]


def test_images_and_patients_are_counted_by_side():
    halves = IndexSettings(RULES.salt, Shares({"train": 0.5, "test": 0.5}), Manifest())
    people = [{"patient": f"p{n % 10}"} for n in range(30)]
    found = summary(*people, rules=halves)
    assert (found.images, found.patients) == (30, 10)
    assert list(found.splits) == ["train", "test"]
    for name in ("images", "patients"):
        assert sum(side[name] for side in found.splits.values()) == getattr(found, name)


def test_values_come_by_frequency_and_the_silent_are_counted():
    views = [{"view": v} for v in ("AP", "PA", "PA", "", "", "")]
    assert list(counted("view", *views).items()) == [
        ("not stated", 3),
        ("PA", 2),
        ("AP", 1),
    ]


def test_bits_come_in_order():
    bits = [{"bits": b} for b in (16, 8, 12, 12, 10)]
    assert list(counted("bits", *bits)) == ["8", "10", "12", "16"]


@pytest.mark.parametrize(
    ("rows", "columns", "size"),
    [
        (512, 100, "1-512 px"),
        (513, 100, "513-1024 px"),
        (100, 2048, "1025-2048 px"),
        (3072, 3072, "2049-3072 px"),
        (4097, 1, "over 4096 px"),
        (9999, 1, "over 4096 px"),
    ],
)
def test_sizes_are_classed_by_the_longer_side(rows, columns, size):
    assert counted("longer side", {"rows": rows, "columns": columns}) == {size: 1}


@pytest.mark.parametrize(
    ("spacing", "told"),
    [
        (0.143, "0.10-0.15 mm"),
        (0.15, "0.15-0.20 mm"),
        (0.3, "0.30-0.35 mm"),
        (0.0499, "0.00-0.05 mm"),
        (None, "not stated"),
    ],
)
def test_spacings_are_classed(spacing, told):
    assert counted("spacing", {"row_spacing_mm": spacing}) == {told: 1}


def test_classes_come_in_order_of_size():
    sizes = [{"rows": r, "columns": 1} for r in (9999, 300, 5000, 300, 2000)]
    found = counted("longer side", *sizes)
    assert list(found) == ["1-512 px", "1025-2048 px", "over 4096 px"]


def test_every_attribute_counts_every_image():
    found = summary({"view": ""}, {"bits": 8}, {"row_spacing_mm": None})
    for counts in found.counts.values():
        assert sum(count.total() for count in counts.values()) == 3


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "SOPClassUID (0008,0016) is CT Image Storage; expected a radiograph",
            "SOPClassUID (0008,0016) is CT Image Storage",
        ),
        (
            "the pixel data have 123 bytes, but 456 were expected from Rows 3",
            "the pixel data have N bytes",
        ),
        ("the JPEG 2000 image cannot be read; it is", "the JPEG 2000 image cannot be"),
        ("neither DICOM, PNG, TIFF nor NRRD", "neither DICOM, PNG, TIFF nor NRRD"),
    ],
)
def test_reasons_are_told_without_what_differs_from_file_to_file(reason, told):
    assert cause_of_finding(Finding("a", None, "unreadable", reason)).startswith(told)


def test_reasons_are_counted():
    refused = [
        Finding(f"x{n}", None, "unreadable", f"the file has {n} bytes; get more")
        for n in range(3)
    ]
    same = [{"pixel_hash": "same"}] * 5
    found = summary(*same, left_out=refused)
    assert found.left_out == {"duplicate": 4, "unreadable": 3}
    assert found.reasons == {
        "the same pixels as another file": 4,
        "the file has N bytes": 3,
    }


def test_the_counts_are_json():
    found = summary({"view": "PA"}, {"view": "AP"})
    told = json.loads(json.dumps(found.as_json()))
    assert told["counts"]["view"] == {"AP": {"train": 1}, "PA": {"train": 1}}
    assert told["splits"] == {"train": {"images": 2, "patients": 1}}
    assert (told["images"], told["patients"], told["unnamed"]) == (2, 1, 0)


def test_long_lists_are_cut_and_the_rest_told_together():
    makers = [{"manufacturer": f"M{n:02d}"} for n in range(20)]
    counts = summary(*makers, {"manufacturer": "M07"}).counts["manufacturer"]
    short = shortened(counts, 5)
    assert list(short) == ["M07", "M00", "M01", "M02", "16 others"]
    assert sum(count.total() for count in short.values()) == 21
    assert shortened(counts, 20) == counts


class TestPicture:
    def test_it_shows_every_count(self):
        found = summary({"view": "PA"}, {"view": "PA"}, {"view": "AP"})
        drawn = figure(found)
        assert [axes.get_title() for axes in drawn.axes] == list(found.counts)
        views = drawn.axes[0]
        assert [text.get_text() for text in views.get_yticklabels()] == ["PA", "AP"]
        assert bars(views) == [(0, 2), (0, 1)]

    def test_sides_follow_one_another_in_a_bar(self):
        halves = IndexSettings(
            RULES.salt, Shares({"train": 0.5, "val": 0.5}), Manifest()
        )
        found = summary(*({"patient": f"p{n}"} for n in range(20)), rules=halves)
        panel = figure(found).axes[0]
        border = found.splits["train"]["images"]
        assert bars(panel) == [(0, border), (border, 20)]
        train, val = panel.patches
        assert train.get_facecolor() != val.get_facecolor()

    def test_long_lists_do_not_fill_it(self):
        makers = ({"manufacturer": f"M{n:02d}"} for n in range(50))
        panel = figure(summary(*makers)).axes[3]
        assert len(panel.get_yticklabels()) == SHOWN

    @pytest.mark.parametrize("maker", ["$x^$", "東芝", "A" * 64])
    def test_any_maker_can_be_drawn(self, tmp_path, maker):
        write_figure(summary({"manufacturer": maker}), tmp_path / "index.png")
        assert (tmp_path / "index.png").stat().st_size > 0

    def test_it_is_a_png_that_a_later_run_takes_for_no_radiograph(self, tmp_path):
        path = tmp_path / "index.png"
        write_figure(summary({}), path)
        with pytest.raises(NotARadiographError, match="true colour"):
            read(path)

    def test_it_replaces_an_older_one(self, tmp_path):
        path = tmp_path / "index.png"
        write_figure(summary({}), path)
        first = path.read_bytes()
        write_figure(summary({}, {}), path)
        assert path.read_bytes() != first
        assert [p.name for p in tmp_path.iterdir()] == ["index.png"]
