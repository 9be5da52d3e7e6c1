"""Layers follow from the lock: built again they are the same to the byte, and they fit."""

import zipfile
from pathlib import Path

import pytest

from infra.bundles import built_layer
from infra.definitions import load_functions
from infra.layers import (
    NAMES,
    UNZIPPED_LIMIT_BYTES,
    Built,
    LayerTooLarge,
    build,
    check,
    python_of_lambda,
)
from infra.supply.licences import BUNDLED
from tests.infra.release import ARCHITECTURE


@pytest.fixture(params=NAMES)
def layer(request: pytest.FixtureRequest) -> Path:
    """A layer as `make layers` left it."""
    folder = built_layer(request.param, ARCHITECTURE)
    if not folder.with_suffix(".zip").exists():
        pytest.skip("no layers for this machine: make layers ARCH=x86_64")
    return folder


def test_a_layer_built_again_elsewhere_is_the_same_to_the_byte(layer: Path, tmp_path: Path) -> None:
    again = build(layer.name, ARCHITECTURE, into=tmp_path / "elsewhere" / layer.name)
    first, second = layer.with_suffix(".zip"), again.folder.with_suffix(".zip")
    with zipfile.ZipFile(first) as mine, zipfile.ZipFile(second) as theirs:
        sums = [{one.filename: one.CRC for one in each.infolist()} for each in (mine, theirs)]
    different = {name for name, _ in sums[0].items() ^ sums[1].items()}
    assert different == set()
    assert first.read_bytes() == second.read_bytes()


def test_a_layer_holds_no_tests_and_no_second_numpy(layer: Path) -> None:
    packages = {path.name for path in (layer / "python").iterdir()}
    assert ("numpy" in packages) == (layer.name == "vendor")
    assert not {"pip", "setuptools", "pytest", "moto"} & packages
    assert not list(layer.rglob("tests"))
    if python_of_lambda() is not None:
        assert list(layer.rglob("*.cpython-313.pyc"))


def test_a_function_whose_layers_together_pass_lambda_s_limit_is_named() -> None:
    heavy = UNZIPPED_LIMIT_BYTES // 2 + 1
    built = {name: Built(name, Path(name), heavy, 0) for name in ("vendor", "inference")}
    named = {one.name for one in load_functions().values() if "inference" in one.layers}
    with pytest.raises(LayerTooLarge, match="|".join(named)):
        check(built)


def test_each_library_that_a_wheel_brings_along_is_known_with_its_licence(layer: Path) -> None:
    found = {path.name.partition("-")[0] for path in layer.glob("python/*.libs/*.so*")}
    assert found <= set(BUNDLED)
