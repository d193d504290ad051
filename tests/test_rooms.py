"""The rooms of the package: few modules each, and imports that point one way."""

import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import cxr_sr

ROOT = Path(__file__).parents[1]
PACKAGE = Path(cxr_sr.__file__).parent
MOST_MODULES = 16


def folders(top: Path) -> list[Path]:
    """Those that hold a module, `top` among them."""
    return sorted({path.parent for path in top.rglob("*.py")})


def modules(folder: Path) -> list[str]:
    found = {path.stem for path in folder.glob("*.py")}
    return sorted(found - {"__init__", "conftest"})


@pytest.mark.parametrize("top", [PACKAGE, ROOT / "tests", ROOT / "examples"])
def test_no_folder_has_more_modules_than_one_can_look_through(top):
    crowded = {f.name: len(modules(f)) for f in folders(top)}
    assert {n: c for n, c in crowded.items() if c > MOST_MODULES} == {}


def test_every_package_has_an_exhaustive_contract():
    """Without one, its modules could import one another in a circle."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    ordered = {
        container
        for contract in config["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers" and contract["exhaustive"]
        for container in contract["containers"]
    }
    packages = {
        ".".join(("cxr_sr", *folder.relative_to(PACKAGE).parts))
        for folder in folders(PACKAGE)
    }
    assert packages == ordered


def test_no_import_cycle_is_hidden_in_a_function():
    """Every import statement counts, wherever it stands."""
    grimp = pytest.importorskip("grimp")
    graph = grimp.build_graph("cxr_sr", cache_dir=None)
    sorter = TopologicalSorter(
        {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    )
    sorter.prepare()  # CycleError names the modules of a cycle
    assert len(graph.modules) > 100


def test_tests_have_the_shape_of_the_source():
    """A folder of tests is named like the package that it tests."""
    rooms = {folder.relative_to(PACKAGE) for folder in folders(PACKAGE)}
    tests = {folder.relative_to(ROOT / "tests") for folder in folders(ROOT / "tests")}
    assert tests - rooms == {Path("examples")}
