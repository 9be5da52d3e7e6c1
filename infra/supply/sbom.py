"""The bill of materials of what ships: `python -m infra.supply.sbom [FILE]`, CycloneDX 1.6.

From the lock and the packages' metadata, so that the same commit gives the same bytes: no time
and no serial number.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra.bundles import ROOT
from infra.supply.shipped import ShippedPackage, shipped

OUT = ROOT / "build" / "sbom.cdx.json"
_OURS = "pkg:generic/ops-pipeline"


def bill(packages: tuple[ShippedPackage, ...]) -> dict[str, Any]:
    """The document, with a component for each package, in the lock's order."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": _OURS,
                "name": "ops-pipeline",
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [_component(one) for one in packages],
        "dependencies": [{"ref": _OURS, "dependsOn": [_purl(one) for one in packages]}],
    }


def _component(package: ShippedPackage) -> dict[str, Any]:
    # A component has one hash of each kind; the lock accepts a file for each platform.
    files = [
        {
            "type": "distribution",
            "url": _purl(package),
            "hashes": [{"alg": "SHA-256", "content": sha}],
        }
        for sha in package.sha256
    ]
    return {
        "type": "library",
        "bom-ref": _purl(package),
        "name": package.name,
        "version": package.version,
        "purl": _purl(package),
        "licenses": [{"expression": package.licence}],
        "externalReferences": files,
        "properties": [{"name": "ops-pipeline:layer", "value": name} for name in package.layers],
    }


def _purl(package: ShippedPackage) -> str:
    return f"pkg:pypi/{quote(package.name)}@{quote(package.version)}"


def main(out: Path = OUT) -> None:
    packages = shipped()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(bill(packages), indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{out}: {len(packages)} packages\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
