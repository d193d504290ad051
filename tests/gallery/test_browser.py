"""The page works for a reader: in Chromium, from the disk, without a network.

To look at it: CXR_SR_SCREENSHOTS=FOLDER pytest this file.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cxr_sr.cli.main import app
from cxr_sr.display.render import render
from cxr_sr.formats import read
from tests.builders import noise, pixel_format, structure, write_png
from tests.files import a_dicom, damage, upscale
from tests.gallery.browser import Browser, chromium

pytestmark = pytest.mark.slow

READY = "return document.getElementById('viewer').ariaBusy !== 'true'"
ARROW_RIGHT = "\ue014"
ROWS, COLUMNS = 60, 48

NAMES = ["colour.png", "deep.dcm", "negative.dcm"]
COLOUR, DEEP, NEGATIVE = range(3)


def pixels() -> np.ndarray:
    """16-bit pixels; neighbours often differ by one or two codes."""
    soft = 40000 + np.rint(300 * structure((ROWS, COLUMNS)))
    return soft.astype(np.uint16)


def an_image(path: Path, stored: np.ndarray, **more: Any) -> None:
    a_dicom(path, PixelData=stored.tobytes(), Rows=ROWS, Columns=COLUMNS, **more)


def a_run(folder: Path) -> Path:
    """A 16-bit image, an inverted image, a colour image, and a failed file."""
    inputs = folder / "in"
    deep: dict[str, Any] = {"BitsStored": 16, "HighBit": 15}
    an_image(
        inputs / "deep.dcm", pixels(), WindowCenter=40150.5, WindowWidth=301, **deep
    )
    negative: dict[str, Any] = {"PhotometricInterpretation": "MONOCHROME1"}
    an_image(
        inputs / "negative.dcm",
        noise((ROWS, COLUMNS)),
        WindowCenter=2048,
        WindowWidth=4096,
        **negative,
    )
    gray = noise((ROWS, COLUMNS), pixel_format(8))
    write_png(inputs / "colour.png", np.stack([gray] * 3, axis=-1))
    damage(a_dicom(inputs / "bad <b>.dcm"))
    upscale(inputs, "-o", folder / "out", "--scale", 2)
    return folder / "out" / "cxr-sr-report.jsonl"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with in, out, and page.html."""
    folder = tmp_path_factory.mktemp("gallery")
    words = ["gallery", a_run(folder), "--inputs", folder / "in"]
    words += ["-o", folder / "page.html"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(chrome: Browser, run: Path) -> Iterator[Browser]:
    """The page, just opened; the browser must report no error during any test."""
    chrome.prefer("light")
    chrome.open(run / "page.html")
    yield chrome
    assert complaints(chrome) == []


def complaints(chrome: Browser) -> list[str]:
    """Leave out the browser's advice about reading a canvas; only tests read it."""
    return [c for c in chrome.complaints() if "willReadFrequently" not in c]


def choose(page: Browser, number: int) -> None:
    page.run("document.querySelectorAll('#cases button')[arguments[0]].click()", number)
    page.wait(READY)


def put(page: Browser, name: str, value: object) -> None:
    """Set a control like a user."""
    page.run(
        "const control = document.getElementById(arguments[0]);"
        "control.value = arguments[1]; control.dispatchEvent(new Event('input'))",
        name,
        value,
    )


def value(page: Browser, name: str) -> float:
    return float(page.run("return document.getElementById(arguments[0]).value", name))


def text(page: Browser, name: str) -> str:
    return str(page.run("return document.getElementById(arguments[0]).innerText", name))


def grays(page: Browser) -> np.ndarray:
    """The pixels of the canvas: (H, W, 3)."""
    flat = page.run(
        "const c = document.getElementById('canvas');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
        "return [c.height, c.width, Array.from(d.data)]"
    )
    height, width, data = flat
    return np.array(data, np.int64).reshape(height, width, 4)[:, :, :3]


def point_at(page: Browser, x: float, y: float) -> tuple[str, str]:
    """The values before and after at a mouse position; the position is in shares."""
    page.run(
        "const c = document.getElementById('canvas');"
        "const b = c.getBoundingClientRect();"
        "c.dispatchEvent(new PointerEvent('pointermove', {"
        "clientX: b.left + arguments[0] * b.width,"
        "clientY: b.top + arguments[1] * b.height}))",
        x,
        y,
    )
    found = re.search(r"before (\S+), after (\S+);", text(page, "reading"))
    assert found, text(page, "reading")
    return found[1], found[2]


def place(page: Browser) -> tuple[float, float]:
    """Row and column of the input in the middle of the picture."""
    found = re.search(r"row (\S+), column (\S+) of", text(page, "reading"))
    assert found
    return float(found[1]), float(found[2])


def zoom(page: Browser) -> float:
    return float(text(page, "reading").split("zoom ")[1])


def focus(page: Browser) -> None:
    page.run("document.getElementById('canvas').focus()")


def middle(page: Browser) -> tuple[int, int]:
    """Return the middle of the picture on the screen."""
    x, y = page.run(
        "const c = document.getElementById('canvas'); c.scrollIntoView();"
        "const b = c.getBoundingClientRect();"
        "return [b.left + b.width / 2, b.top + b.height / 2]"
    )
    return int(x), int(y)


def test_failures_come_first_as_text_and_not_as_markup(page):
    assert text(page, "counts") == "1 failed, 3 done"
    assert "bad <b>.dcm" in text(page, "missing")
    above = page.run(
        "const top = (id) => document.getElementById(id).getBoundingClientRect().top;"
        "return top('failures') < top('cases')"
    )
    assert above
    assert page.run("return document.querySelectorAll('b').length") == 0


def test_every_result_is_listed_and_the_first_is_shown(page):
    listed = page.run(
        "return [...document.querySelectorAll('#cases button')].map(b => b.innerText)"
    )
    assert listed == NAMES
    assert text(page, "name") == NAMES[0]
    current = page.run("return document.querySelectorAll('[aria-current=true]').length")
    assert current == 1


def test_the_facts_of_a_result_are_told(page):
    choose(page, DEEP)
    told = text(page, "facts")
    for fact in ("60 x 48", "120 x 96", "0.2 x 0.2", "0.1 x 0.1", "bicubic", "noise"):
        assert fact in told


def test_stored_values_arrive_exactly(page, run):
    """The test reads the middle and a corner of each image."""
    choose(page, DEEP)
    before = read(run / "in/deep.dcm").pixels
    after = read(run / "out/deep.dcm").pixels
    put(page, "split", 100)
    found = point_at(page, 0.5, 0.5)
    assert found == (str(before[30, 24]), str(after[60, 48]))
    height, width = grays(page).shape[:2]
    left = 0.5 - 48 / 60 * height / width / 2  # the image fills the height
    found = point_at(page, left + 0.001, 0.001)
    assert found == (str(before[0, 0]), str(after[0, 0]))
    assert point_at(page, left - 0.05, 0.5) == ("-", "-")


@pytest.mark.parametrize("number", [COLOUR, DEEP, NEGATIVE], ids=NAMES)
@pytest.mark.parametrize(("side", "split"), [("in", 100), ("out", 0)])
def test_a_picture_looks_as_a_screen_should_show_it(page, run, number, side, split):
    choose(page, number)
    put(page, "split", split)
    screen = grays(page)
    height, width = screen.shape[:2]
    expected = render(read(run / side / NAMES[number])).astype(int)
    rows, columns = expected.shape[:2]
    scale = height / rows
    y = ((np.arange(rows) + 0.5) * scale).astype(int)
    x = (width / 2 + (np.arange(columns) + 0.5 - columns / 2) * scale).astype(int)
    inside = np.abs(x - (0 if split == 0 else width)) > 3  # beside the slider's line
    found = screen[np.ix_(y, x)][:, inside]
    expected = expected.reshape(rows, columns, -1)[:, inside]
    assert np.abs(found - expected).max() <= 1


def test_a_window_of_a_code_or_two_shows_single_codes_of_sixteen_bits(page, run):
    choose(page, DEEP)
    put(page, "split", 100)
    before = read(run / "in/deep.dcm").pixels.astype(int)
    level = int(np.median(before))
    put(page, "level", level)
    put(page, "width", 2)
    screen = grays(page)[:, :, 0]
    height, width = screen.shape
    scale = height / ROWS
    y = ((np.arange(ROWS) + 0.5) * scale).astype(int)
    x = (width / 2 + (np.arange(COLUMNS) + 0.5 - COLUMNS / 2) * scale).astype(int)
    expected = np.rint(((before - level) / 2 + 0.5).clip(0, 1) * 255)
    found = screen[np.ix_(y, x)]
    assert {0, 128, 255} <= set(np.unique(expected).astype(int))
    assert np.abs(found - expected).max() <= 1


def test_the_files_window_comes_back(page):
    choose(page, DEEP)
    start = value(page, "level"), value(page, "width")
    assert start == pytest.approx((40150, 300), abs=1)
    put(page, "level", 40100)
    page.run("document.getElementById('reset').click()")
    assert (value(page, "level"), value(page, "width")) == start


def test_left_of_the_slider_is_before_and_right_of_it_after(page):
    choose(page, DEEP)
    put(page, "split", 100)
    before = grays(page)
    put(page, "split", 0)
    after = grays(page)
    put(page, "split", 50)
    both = grays(page)
    line = both.shape[1] // 2
    assert (both[:, : line - 2] == before[:, : line - 2]).all()
    assert (both[:, line + 2 :] == after[:, line + 2 :]).all()
    assert (before != after).any()


def test_side_by_side_they_are_zoomed_and_panned_together(page):
    choose(page, DEEP)
    put(page, "mode", "side")
    focus(page)
    page.press("+", "+", "+", "+", "+", "+", ARROW_RIGHT)
    reading = text(page, "reading")
    where = re.search(r"row \S+, column \S+ of", reading)
    assert where
    for x in (0.25, 0.75):  # the same spot of both panes
        point_at(page, x, 0.5)
        assert where[0] in text(page, "reading")
    assert page.run("return document.getElementById('split').disabled")


def test_keys_zoom_pan_fit_and_slide(page):
    choose(page, DEEP)
    focus(page)
    fitted, start = zoom(page), place(page)
    page.press("+", "+")
    assert zoom(page) == pytest.approx(fitted * 1.25**2, rel=0.01)
    assert place(page) == start
    page.press(ARROW_RIGHT)
    assert place(page)[1] > start[1]
    page.press("0")
    assert zoom(page) == fitted
    page.press("1")
    assert zoom(page) == 2  # a pixel of the result, two of which make one of the input
    page.press("[", "[")
    assert value(page, "split") == 40


def test_keys_go_from_result_to_result(page):
    page.press("n")
    page.wait(READY)
    page.press("n")
    page.wait(READY)
    assert text(page, "name") == NAMES[2]
    page.press("n", "p")
    page.wait(READY)
    assert text(page, "name") == NAMES[1]


def test_every_control_can_be_reached_by_the_tab_key(page):
    page.run("document.body.focus()")
    seen = []
    for _ in range(20):
        page.press("\ue004")
        seen.append(page.run("return document.activeElement.id"))
    for name in ("mode", "smooth", "fit", "reset", "level", "width", "canvas", "split"):
        assert name in seen
    assert page.run(
        "return [...document.querySelectorAll('input, select')]"
        ".every(control => control.labels.length === 1)"
    )


def test_a_drag_pans_and_on_the_line_moves_the_slider(page):
    choose(page, DEEP)
    focus(page)
    page.press("+", "+", "+")
    x, y = middle(page)
    start = place(page)
    page.drag((x + 100, y), (50, 0))
    page.run("document.getElementById('in').click()")  # tells the middle again
    assert place(page)[1] < start[1]
    page.drag((x, y), (120, 0))
    assert value(page, "split") > 55


def test_a_drag_with_the_right_button_is_level_and_width(page):
    choose(page, DEEP)
    level, width = value(page, "level"), value(page, "width")
    x, y = middle(page)
    page.drag((x - 100, y - 50), (60, 80), button=2)
    assert value(page, "width") > width
    assert value(page, "level") > level


def test_what_cannot_be_shown_says_why(chrome, run, tmp_path):
    (tmp_path / "in").mkdir()
    words = ["gallery", run / "out/cxr-sr-report.jsonl", "--inputs", tmp_path / "in"]
    words += ["-o", tmp_path / "page.html"]
    assert CliRunner().invoke(app, [str(w) for w in words]).exit_code == 5
    chrome.open(tmp_path / "page.html")
    assert "the input folder lacks the input" in text(chrome, "problem")
    assert chrome.run("return document.getElementById('stage').hidden")
    chrome.press("n")
    chrome.wait(READY)
    assert text(chrome, "name") == NAMES[1]
    assert complaints(chrome) == []


def test_pictures_that_are_damaged_are_told_and_not_shown(chrome, run, tmp_path):
    page = (run / "page.html").read_text()
    harmed = re.sub(r'"data": "eJ.{40}', '"data": "eJ' + 40 * "A", page)
    (tmp_path / "page.html").write_text(harmed)
    chrome.open(tmp_path / "page.html")
    assert "cannot be unpacked" in text(chrome, "problem")
    assert complaints(chrome) == []


def test_it_asks_for_nothing_but_itself(page):
    loaded = page.run(
        "return performance.getEntriesByType('resource').map(r => r.name)"
        ".filter(name => !name.startsWith('blob:'))"
    )
    assert loaded == []


CONTRAST = """
const light = (colour) => {
  const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const ground = light(getComputedStyle(document.body).backgroundColor);
const names = ['h1', '#counts', '#notice', 'td', '.failed', 'dt', 'dd', '#reading'];
return names.map((name) => {
  const colour = light(getComputedStyle(document.querySelector(name)).color);
  const [high, low] = [colour, ground].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_dark_and_in_light(page, scheme):
    """The contrast is at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    page.prefer(scheme)
    assert min(page.run(CONTRAST)) >= 4.5
    ground = page.run("return getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", ground)[0]) < 128) == (scheme == "dark")
    save(page, f"{scheme}.png")


def test_on_a_narrow_screen_nothing_runs_off_to_the_side(chrome, run):
    chrome.prefer("light")
    chrome.open(run / "page.html", size=(420, 900))
    width = chrome.run("return document.documentElement.scrollWidth - innerWidth")
    save(chrome, "narrow.png")
    assert width <= 0


def save(page: Browser, name: str) -> None:
    folder = os.environ.get("CXR_SR_SCREENSHOTS")
    if folder:
        page.screenshot(Path(folder) / name)
