"""Builds the layers from the lock, without Docker: `python -m infra.layers [ARCHITECTURE]`.

The same lock gives the same bytes: files are sorted, stripped of what Lambda never
reads, and dated 1980 in the archive that is measured. If a Python of Lambda's version is
installed, the modules are compiled too: Lambda cannot keep what it compiles, so each cold
start would compile again, at a fraction of a processor.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from infra.bundles import ROOT, built_layer
from infra.definitions import load_functions

NAMES = ("vendor", "broker", "inference")
PYTHON = "3.13"
# Lambda's limit for a function including its layers.
UNZIPPED_LIMIT_BYTES = 250 * 2**20

# The platform tags that Lambda's system, with glibc 2.34, accepts.
_MANYLINUX = (
    "manylinux2014",
    "manylinux_2_17",
    "manylinux_2_27",
    "manylinux_2_28",
    "manylinux_2_34",
)
_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_NEVER_READ = ("__pycache__", "tests", "test", "bin", "include")
# A pinned package with its hashes, and the comments that name the packages requiring it.
_BLOCK = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==.*\n(?:    .*\n)+", re.MULTILINE)
_ASKED = re.compile(r"^    #(?: via)?\s+([a-z0-9._-]+)$", re.MULTILINE)
# Of botocore's four hundred services, those that our adapters use.
_SERVICES = ("cloudwatch", "s3", "secretsmanager", "sns", "stepfunctions", "sts")
# Required by onnxruntime's tools and for downloads by tokenizers, and imported by neither for what
# the classifier does; with them go those that only they require.
NEVER_IMPORTED = frozenset({"flatbuffers", "huggingface-hub", "packaging", "protobuf"})
# Where Lambda unpacks layers.
LAYER_ROOT = "/opt"
_SUFFIXES = (".pyc", ".pyi", ".pyx", ".pxd", ".h", ".c", ".a")


class LayerTooLarge(Exception):
    """A function including its layers exceeds Lambda's limit."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python that layers are built for; `path` is None if it is not installed."""

    version: str
    path: Path | None


@dataclass(frozen=True, slots=True)
class Built:
    """A layer's folder and its sizes in bytes."""

    name: str
    folder: Path
    unzipped: int
    archive: int


def build(
    name: str,
    architecture: str,
    lock: Path = ROOT / "requirements.lock",
    into: Path | None = None,
    python: Interpreter | None = None,
) -> Built:
    """Install a layer's packages for Lambda's system, strip and pack them.

    Args:
        into: The folder to build it in; None is where a deployment expects it.
        python: None means Lambda's version.

    Raises:
        subprocess.CalledProcessError: pip failed and printed why.
    """
    folder = into or built_layer(name, architecture)
    python = python or interpreter_of_lambda()
    shutil.rmtree(folder, ignore_errors=True)
    site = folder / "python"
    site.mkdir(parents=True)
    pins = packages_of(name, lock.read_text(encoding="utf-8"))
    listed = folder.with_suffix(".txt")
    listed.write_text("".join(pins[package] for package in sorted(pins)), encoding="utf-8")
    _install(listed, site, architecture, python.version)
    _strip(site)
    if python.path is not None:
        compile_modules(site, python.path)
    archive = folder.with_suffix(".zip")
    pack(folder, archive)
    return Built(name, folder, _weight(folder), archive.stat().st_size)


def packages_of(name: str, lock: str) -> dict[str, str]:
    """A layer's packages and their requirements, as blocks of the lock, without vendor's.

    What they require and never import is left out.
    """
    wanted = _closure(name, lock)
    below = {} if name == "vendor" else _closure("vendor", lock)
    return {package: block for package, block in wanted.items() if package not in below}


def _closure(name: str, lock: str) -> dict[str, str]:
    """Follow the lock's comments on which package requires which."""
    asked = set((ROOT / "layers" / name / "requirements.txt").read_text().split())
    return _with_needs(asked, lock, without=NEVER_IMPORTED)


def _with_needs(
    wanted: set[str], lock: str, without: frozenset[str] = frozenset()
) -> dict[str, str]:
    found_in = {found[1]: found[0] for found in _BLOCK.finditer(lock)}
    blocks = {name: block for name, block in found_in.items() if name not in without}
    askers = {package: set(_ASKED.findall(block)) for package, block in blocks.items()}
    while True:
        more = {package for package, who in askers.items() if who & wanted} - wanted
        if not more:
            return {package: blocks[package] for package in wanted}
        wanted |= more


def build_runtime(
    architecture: str,
    lock: Path = ROOT / "requirements-infra.lock",
    into: Path | None = None,
    version: str = PYTHON,
) -> Path:
    """Lambda's own runtime packages, for tests that run a bundle as Lambda does."""
    folder = into or built_layer("runtime", architecture)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed = folder.with_suffix(".txt")
    pins = _with_needs({"awslambdaric"}, lock.read_text(encoding="utf-8"))
    listed.write_text("".join(pins.values()), encoding="utf-8")
    _install(listed, folder, architecture, version)
    return folder


def _install(listed: Path, site: Path, architecture: str, version: str) -> None:
    platforms = [f"{tag}_{_MACHINE[architecture]}" for tag in _MANYLINUX]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", version]
    command += [part for platform in platforms for part in ("--platform", platform)]
    command += ["--target", str(site), "--no-compile", "-r", str(listed)]
    subprocess.run(command, check=True)  # noqa: S603 - our own arguments


def _strip(site: Path) -> None:
    """Remove what Lambda never reads: caches, tests, headers, unused services of botocore."""
    for path in sorted(site.rglob("*"), reverse=True):
        if path.is_dir() and (path.name in _NEVER_READ or _is_other_service(path)):
            shutil.rmtree(path)
        elif path.is_file() and (
            path.suffix in _SUFFIXES or path.name in ("RECORD", "direct_url.json")
        ):
            path.unlink()


def interpreter_of_lambda() -> Interpreter:
    return Interpreter(PYTHON, python_of_lambda())


def python_of_lambda() -> Path | None:
    """An interpreter of Lambda's version, or None. A version manager's shim may not work."""
    name = f"python{PYTHON}"
    listed = sorted(Path.home().glob(f".pyenv/versions/{PYTHON}.*/bin/{name}"))
    on_path = shutil.which(name)
    found = [*([Path(on_path)] if on_path else []), *listed]
    return next((python for python in found if _runs(python)), None)


def _runs(python: Path) -> bool:
    asked = [str(python), "-c", "import ssl"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0  # noqa: S603 - ours


def compile_modules(site: Path, python: Path) -> None:
    """Compile a layer's modules for the place where Lambda unpacks them.

    The bytecode is never compared with its source there, and contains the path below /opt.
    """
    command = [str(python), "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(site), "-p", f"{LAYER_ROOT}/python", str(site)]
    # Some packages contain files for other Pythons, which do not compile and are never imported.
    subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, check=False)  # noqa: S603 - ours


def _is_other_service(path: Path) -> bool:
    return path.parent.parts[-2:] == ("botocore", "data") and path.name not in _SERVICES


def pack(folder: Path, archive: Path) -> None:
    """Write an archive whose bytes depend on the files alone."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
                entry.external_attr = 0o755 << 16 if path.suffix == ".so" else 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                packed.writestr(entry, path.read_bytes())


def _weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check(built: dict[str, Built]) -> None:
    """Compare the total size of each function's layers with Lambda's limit.

    Raises:
        LayerTooLarge: names the function.
    """
    for function in load_functions().values():
        together = sum(built[name].unzipped for name in function.layers if name in built)
        if together > UNZIPPED_LIMIT_BYTES:
            raise LayerTooLarge(f"{function.name}: {together / 2**20:.0f} MiB of layers, 250 fit")


def main(architecture: str = "arm64") -> None:
    built = {name: build(name, architecture) for name in NAMES}
    for layer in built.values():
        sys.stdout.write(
            f"{layer.name:10} {architecture:7} {layer.unzipped / 2**20:6.1f} MiB unzipped"
            f" {layer.archive / 2**20:6.1f} MiB packed\n"
        )
    if python_of_lambda() is None:
        sys.stdout.write(
            f"no python{PYTHON} at hand: modules are not compiled, starts are slower\n"
        )
    check(built)
    build_runtime(architecture)


if __name__ == "__main__":
    main(*sys.argv[1:])
