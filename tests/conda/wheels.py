"""Wheels of the package index as conda packages: ``noarch: python`` with entry points, or native ones per platform."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

from tests.conda.cpython import GLIBC, tag
from tests.conda.package import PLACEHOLDER, Package, record_rows
from tests.conda.store import digest, unpacked

TRIMMED = re.compile(r"(^|/)(tests?|testing/tests|__pycache__)/|\.pyi$|^bin/")
"""Left out of numpy: half of its files, needed by no import."""


def noarch(requirement: str, *, depends: list[str] | None = None) -> Package:
    """A pure wheel as a ``noarch: python`` package."""
    site = unpacked(requirement)
    info = next(site.glob("*.dist-info"))
    metadata = _metadata(info)
    package = Package(
        metadata["Name"].lower(), metadata["Version"], f"pyhd{digest(requirement)[:5]}ab_0", "noarch", noarch="python"
    )
    wanted = metadata["Requires-Python"]
    package.depends = [f"python {wanted.replace(' ', '')}" if wanted else "python", *(depends or _depends(metadata))]
    package.summary = metadata["Summary"] or ""
    package.entry_points = _entry_points(info)
    files = dict(_files(site))
    _conda_made(files, info.name, package.name, source=package.name == "click")
    for path, data in files.items():
        package.add(f"site-packages/{path}", data)
    return package


def native(requirement: str, subdir: str, python: str, *, depends: tuple[str, ...] = ()) -> Package:
    """A wheel with extension modules as a package of one platform and Python (X.Y)."""
    site = unpacked(requirement, subdir=subdir, python=python)
    info = next(site.glob("*.dist-info"))
    metadata = _metadata(info)
    following = f"{python.split('.')[0]}.{int(python.split('.')[1]) + 1}"
    package = Package(
        metadata["Name"].lower(), metadata["Version"], f"py{python.replace('.', '')}h{digest(requirement, subdir)[:7]}_0", subdir
    )
    package.depends = [
        f"python >={python},<{following}.0a0",
        f"python_abi {python}.* *_{tag(python)}",
        *depends,
        *_depends(metadata),
    ]
    if subdir.startswith("linux"):
        package.depends = [*package.depends, GLIBC, "libgcc >=12", "libstdcxx >=12"]
    elif subdir.startswith("osx"):
        package.depends = [*package.depends, "__osx >=11.0"]
    else:
        package.depends = [*package.depends, "ucrt >=10.0.20348.0"]
    folder = "Lib/site-packages" if subdir == "win-64" else f"lib/python{python}/site-packages"
    files = {path: data for path, data in _files(site) if not TRIMMED.search(path)}
    _conda_made(files, info.name, package.name)
    for path, data in files.items():
        package.add(f"{folder}/{path}", data)
    if subdir != "win-64":
        for point in _entry_points(info):
            name, module, function = (part.strip() for part in re.split("[=:]", point))
            head = module.split(".")[0]
            text = f"#!{PLACEHOLDER}/bin/python\nimport sys\nfrom {module} import {function.split('.')[0]}\n"
            text += f"if __name__ == '__main__':\n    sys.exit({function}())  # {head}\n"
            package.add(f"bin/{name}", text.encode(), 0o755, placeholder="text")
    return package


def _files(site: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(site.rglob("*")):
        rel = path.relative_to(site).as_posix()
        if path.is_file() and not rel.startswith(("bin/", "Scripts/")) and rel != ".lock":
            yield rel, path.read_bytes()


def _conda_made(files: dict[str, bytes], info: str, name: str, *, source: bool = False) -> None:
    """Turns what uv wrote into dist-info to what conda-build's pip leaves there."""
    for own in ("RECORD", "INSTALLER", "REQUESTED", "uv_cache.json", "direct_url.json"):
        files.pop(f"{info}/{own}", None)
    files[f"{info}/INSTALLER"] = b"conda"
    if source:
        files[f"{info}/direct_url.json"] = json.dumps(
            {"dir_info": {}, "url": f"file:///home/conda/feedstock_root/build_artifacts/{name}/work"}
        ).encode()
    else:
        files[f"{info}/REQUESTED"] = b""
    files[f"{info}/RECORD"] = record_rows(files, info)


def _metadata(info: Path) -> Message:
    return BytesParser().parsebytes((info / "METADATA").read_bytes())


def _entry_points(info: Path) -> list[str]:
    if not (info / "entry_points.txt").exists():
        return []
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.optionxform = str  # type: ignore[method-assign, assignment]
    parser.read_string((info / "entry_points.txt").read_text())
    return (
        [f"{name} = {target}" for name, target in parser.items("console_scripts")]
        if parser.has_section("console_scripts")
        else []
    )


def _depends(metadata: Message) -> list[str]:
    """Requires-Dist without markers as specs of conda (names are the same for the packages here)."""
    out = []
    for row in metadata.get_all("Requires-Dist") or []:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)\s*\(?([^;()]*)\)?", row.strip())
        if match:
            out.append(f"{match[1].lower()} {match[2].replace(' ', '')}".strip())
    return out
