"""Builds envdoctor.pyz: one file for machines with nothing but Python. ``python tools/pyz.py [--here] [OUT]``.

In it: envdoctor, and the wheels of what it needs, native ones for each system, machine and Python below (with ``--here``: for
this Python alone). Which of them fits is decided where it starts (pyz_main.py).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PLATFORMS = (
    ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64"),
    ("manylinux_2_17_aarch64", "manylinux2014_aarch64", "manylinux_2_28_aarch64"),
    ("musllinux_1_1_x86_64", "musllinux_1_2_x86_64"),
    ("macosx_11_0_arm64", "macosx_12_0_arm64"),
    ("macosx_10_9_x86_64", "macosx_10_12_x86_64", "macosx_11_0_x86_64"),
    ("win_amd64",),
)
NATIVE = ("msgspec", "psutil")
PURE = ("archspec", "click", "packaging", "tomli")


def main() -> int:
    """Exit code 0 and the file's name and size on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", default=str(ROOT / "dist" / "envdoctor.pyz"))
    parser.add_argument("--here", action="store_true", help="for this Python and system alone")
    given = parser.parse_args()
    out = Path(given.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        download(folder, *PURE, "--python-version", "3.11", "--platform", "any")
        if given.here:
            download(folder, *NATIVE)
        else:
            for python in PYTHONS:
                for tags in PLATFORMS:
                    words = [word for tag in tags for word in ("--platform", tag)]
                    for distribution in NATIVE:
                        download(
                            folder, distribution, "--python-version", python, "--implementation", "cp", *words, may_fail=True
                        )
        write(out, folder)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
    return 0


def download(folder: Path, *words: str, may_fail: bool = False) -> None:
    """Wheels into `folder`; what has none for a platform is left out with `may_fail`."""
    argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder), *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        sys.exit(f"error: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'pip download failed'}")
    if done.returncode:
        print(f"note: no wheel: {' '.join(words)}", file=sys.stderr)


def write(out: Path, folder: Path) -> None:
    """The archive: the same bytes for the same contents."""
    wheels: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.whl")):
        wheels.setdefault(path.name.split("-")[0].lower(), []).append(path.name)
    own = sorted(path for path in (ROOT / "envdoctor").rglob("*") if path.suffix in (".py", ".json", ".typed") and path.is_file())
    digest = hashlib.sha256(json.dumps(wheels).encode())
    for path in own:
        digest.update(path.read_bytes())
    index = {"id": digest.hexdigest()[:16], "wheels": wheels}
    members: dict[str, bytes] = {
        "__main__.py": (ROOT / "tools" / "pyz_main.py").read_bytes(),
        "index.json": json.dumps(index).encode(),
    }
    members |= {str(path.relative_to(ROOT)): path.read_bytes() for path in own}
    members |= {f"wheels/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.whl"))}
    with out.open("wb") as stream:
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, data)
    out.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
