"""What ships is listed, licensed for it, and compared with what is known against it."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from infra.layers import NEVER_IMPORTED, packages_of
from infra.supply import audit, sbom
from infra.supply.licences import ALLOWED, EXCEPTIONS, refused
from infra.supply.shipped import LOCK, LicenceUnknown, ShippedPackage, licence_of, shipped
from tests.conftest import ROOT

SOURCES = ("layers/common", "functions", "ops_local", "tests", "infra", "examples")
_IMPORTS = re.compile(r"^\s*(import|from) onnxruntime\b", re.MULTILINE)


def _with(name: str, licence: str) -> ShippedPackage:
    return ShippedPackage(name, "1", ("vendor",), licence, ("0" * 64,))


def test_each_package_of_a_layer_has_a_licence_that_is_allowed() -> None:
    assert refused(shipped()) == []


def test_each_exception_is_still_shipped_under_that_licence() -> None:
    licences = {one.name: one.licence for one in shipped()}
    for name, (licence, why) in EXCEPTIONS.items():
        assert licences[name] == licence
        assert licence not in ALLOWED
        assert len(why) > 20


@pytest.mark.parametrize(
    "licence",
    ["GPL-3.0-only", "MIT AND GPL-2.0-or-later", "AGPL-3.0", "LGPL-3.0", "MPL-2.0", "(MIT OR GPL)"],
)
def test_a_licence_that_binds_our_own_code_is_refused(licence: str) -> None:
    assert refused([_with("other", licence)]) == [f"other 1: {licence}"]


def test_of_two_licences_to_choose_from_one_has_to_be_allowed() -> None:
    assert refused([_with("other", "GPL-2.0-only OR MIT")]) == []
    assert refused([_with("certifi", "GPL-3.0-only")]) == ["certifi 1: GPL-3.0-only"]


def test_a_package_that_is_not_there_to_be_asked_is_no_licence() -> None:
    with pytest.raises(LicenceUnknown, match="not-there"):
        licence_of("not-there")


def test_the_bill_names_each_package_of_the_layers_once_as_the_lock_pins_it(
    tmp_path: Path,
) -> None:
    lock = LOCK.read_text()
    sbom.main(tmp_path / "a.json")
    sbom.main(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    bill = json.loads((tmp_path / "a.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    listed = [one["purl"] for one in bill["components"]]
    assert len(set(listed)) == len(listed)
    for one in bill["components"]:
        assert f"{one['name']}=={one['version']}" in lock
        assert one["externalReferences"]
        assert one["licenses"]
    assert bill["dependencies"][0]["dependsOn"] == listed


def test_the_inference_layer_has_nothing_that_it_never_imports() -> None:
    held = packages_of("inference", LOCK.read_text())
    assert set(held) == {"onnxruntime", "tokenizers"}


def test_a_text_is_classified_without_what_is_left_out(tmp_path: Path) -> None:
    program = tmp_path / "classify.py"
    program.write_text(
        "import sys\n"
        f"for name in {sorted({*NEVER_IMPORTED, 'google', 'huggingface_hub', 'httpx2', 'yaml'})}:\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from ops_pipeline.adapters.onnx_classifier import OnnxClassifier\n"
        "model = OnnxClassifier(Path(sys.argv[1]))\n"
        "print(len(model.classify(['Profit rises'])))\n"
    )
    model = str(ROOT / "tests" / "news" / "tiny_model")
    done = subprocess.run(
        [sys.executable, str(program), model], capture_output=True, text=True, check=False
    )
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize("module", ["adapters.onnx_classifier", "adapters.onnx_runtime"])
def test_the_inference_layer_reports_nothing_to_its_maker(tmp_path: Path, module: str) -> None:
    """It would keep an identifier of this machine and a queue of events below HOME."""
    variables = {"HOME": str(tmp_path), "PATH": os.defpath}
    command = [sys.executable, "-c", f"import ops_pipeline.{module}"]
    subprocess.run(command, check=True, env=variables)
    assert list(tmp_path.rglob("*")) == []


def test_nothing_imports_it_but_the_module_that_silences_it() -> None:
    quiet = ROOT / "layers/common/python/ops_pipeline/adapters/onnx_runtime.py"
    sources = (file for folder in SOURCES for file in (ROOT / folder).rglob("*.py"))
    importing = {file for file in sources if _IMPORTS.search(file.read_text(encoding="utf-8"))}
    assert importing == {quiet}


def _tool(tmp_path: Path, says: str, code: int = 0) -> list[str]:
    """A stand-in for pip-audit that answers the same to everything."""
    program = tmp_path / "tool.py"
    program.write_text(f"import sys\nprint({says!r})\nsys.exit({code})\n")
    return [sys.executable, str(program)]


def _told(**vulnerable: list[dict[str, object]]) -> str:
    packages = [{"name": n, "version": "1", "vulns": v} for n, v in vulnerable.items()]
    return json.dumps({"dependencies": packages, "fixes": []})


def test_nothing_known_is_told_apart_from_nothing_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(["x.lock"], _tool(tmp_path, _told(numpy=[]))) == audit.CLEAN == 0
    assert "1 packages compared" in capsys.readouterr().out
    for odd in ("", "no network", "{}", '{"dependencies": []}'):
        assert audit.main(["x.lock"], _tool(tmp_path, odd, 1)) == audit.UNREACHABLE == 3
        assert "no database was reachable, nothing was compared" in capsys.readouterr().out
    skipped = json.dumps({"dependencies": [{"name": "numpy", "skip_reason": "unknown"}]})
    assert audit.main(["x.lock"], _tool(tmp_path, skipped)) == audit.UNREACHABLE
    assert "nothing was compared" in capsys.readouterr().out
    told = json.loads(_told(six=[]))["dependencies"]
    some = json.dumps({"dependencies": [*told, *json.loads(skipped)["dependencies"]]})
    assert audit.main(["x.lock"], _tool(tmp_path, some)) == audit.UNREACHABLE
    assert "not compared: numpy" in capsys.readouterr().out


def test_a_known_vulnerability_is_named_with_what_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known: dict[str, object] = {"id": "CVE-1", "fix_versions": ["2"]}
    tool = _tool(tmp_path, _told(numpy=[known], six=[]), 1)
    assert audit.main(["x.lock"], tool) == audit.VULNERABLE == 1
    assert "numpy 1: CVE-1, mended in 2\n" in capsys.readouterr().out


def test_the_cdk_command_line_is_pinned_exactly_with_its_hash() -> None:
    wanted = json.loads((ROOT / "infra" / "cdk" / "package.json").read_text())["dependencies"]
    lock = json.loads((ROOT / "infra" / "cdk" / "package-lock.json").read_text())
    pinned = lock["packages"]["node_modules/aws-cdk"]
    assert wanted == {"aws-cdk": pinned["version"]}
    assert pinned["integrity"].startswith("sha512-")
    assert "ci --silent --ignore-scripts" in (ROOT / "Makefile").read_text()


def test_every_dependency_of_the_project_is_in_a_layer_or_never_leaves_this_machine() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {word.split("<")[0].split(">")[0] for word in project["dependencies"]}
    assert names <= {one.name for one in shipped()}
