"""Writes the files of infra/statemachines and removes those of former machines."""

from infra.asl.layout import text_of
from infra.asl.machines import build
from infra.definitions import ASL_FOLDER, MACHINE_SUFFIX
from ops_pipeline.domain.operations.manifest import MACHINES


def files() -> dict[str, str]:
    """Each file's name and text."""
    return {f"{machine.name}{MACHINE_SUFFIX}": text_of(build(machine)) for machine in MACHINES}


def main() -> None:
    written = files()
    for path in ASL_FOLDER.glob(f"*{MACHINE_SUFFIX}"):
        if path.name not in written:
            path.unlink()
    for name, text in written.items():
        (ASL_FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
