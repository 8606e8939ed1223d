"""A conda prefix in a test's hands."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.builders import Env
from tests.conda import channel, dialects
from tests.conda.package import TIMESTAMP

CONDA_FORGE = "https://conda.anaconda.org/conda-forge"


class CondaPrefix(Env):
    """A conda prefix on disk. `Env` gives ``site``, ``python``, ``run``, ``imports`` and ``dist``."""

    def __init__(self, prefix: Path, writer: str = "conda", subdir: str | None = None, minor: str = "") -> None:
        super().__init__(prefix)
        self.writer, self.subdir, self.minor = writer, subdir or channel.native_subdir(), minor

    @property
    def meta(self) -> Path:
        """conda-meta."""
        return self.prefix / "conda-meta"

    def records(self) -> dict[str, dict[str, Any]]:
        """Name to record, of all records."""
        found = (json.loads(path.read_text()) for path in sorted(self.meta.glob("*.json")))
        return {record["name"]: record for record in found}

    def record_path(self, name: str) -> Path:
        """The file of a package's record."""
        for path in sorted(self.meta.glob(f"{name}-*.json")):
            if path.name.rsplit("-", 2)[0] == name:
                return path
        raise FileNotFoundError(name)

    def record(self, name: str) -> dict[str, Any]:
        """A package's record."""
        return json.loads(self.record_path(name).read_text())  # type: ignore[no-any-return]

    def edit(self, package: str, changes: Mapping[str, Any] | None = None, **fields: Any) -> Path:
        """Changes fields of a record (None takes one out); returns its file. The file's name stays."""
        path = self.record_path(package)
        record = json.loads(path.read_text()) | dict(changes or {}) | fields
        self.put(f"conda-meta/{path.name}", json.dumps({k: v for k, v in record.items() if v is not None}, indent=2))
        return path

    def put(self, path: str, data: str | bytes) -> Path:
        """Writes a file; what stood there is unlinked first."""
        file = self.prefix / path
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = file.stat().st_mode & 0o777 if file.exists() else None
        if file.is_symlink() or file.exists():
            file.unlink()
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        if mode is not None:
            file.chmod(mode)
        return file

    def alter(self, path: str, *, same_size: bool = True) -> Path:
        """Changes a file's content, its size kept or not."""
        data = (self.prefix / path).read_bytes()
        return self.put(path, (bytes([data[0] ^ 1]) + data[1:]) if same_size else data + b"\n")

    def add(
        self,
        name: str,
        version: str = "1.0",
        build: str = "h0_0",
        *,
        depends: Iterable[str] = (),
        constrains: Iterable[str] = (),
        files: Mapping[str, str | bytes] | None = None,
        subdir: str | None = None,
        channel_url: str = CONDA_FORGE,
        requested: str = "",
        **fields: Any,
    ) -> Path:
        """Installs a package: its files and a record in this prefix's dialect; returns the record's file."""
        subdir = subdir or self.subdir
        rows = []
        for path, content in (files or {}).items():
            data = content.encode() if isinstance(content, str) else content
            self.put(path, data)
            rows.append(
                {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
            )
        dist = f"{name}-{version}-{build}"
        number = build.rsplit("_", 1)[-1]
        record = {
            "build": build, "build_number": int(number) if number.isdigit() else 0, "constrains": list(constrains),
            "depends": list(depends), "md5": "0" * 32, "name": name, "sha256": "0" * 64, "size": 1000, "subdir": subdir,
            "timestamp": TIMESTAMP, "version": version, "fn": f"{dist}.conda", "url": f"{channel_url}/{subdir}/{dist}.conda",
            "channel": f"{channel_url}/", "extracted_package_dir": f"/opt/conda/pkgs/{dist}",
            "requested_specs": [requested] if requested else [], "files": [row["_path"] for row in rows],
            "paths_data": {"paths_version": 1, "paths": rows}, "link": {"source": f"/opt/conda/pkgs/{dist}", "type": 1},
        }  # fmt: skip
        record = dialects.convert(record, self.writer, {}, prefix=self.prefix, spec=requested, root="/opt/conda") | fields
        return self.put(f"conda-meta/{dist}.json", json.dumps(record, indent=2))

    def remove_record(self, name: str) -> None:
        """Deletes a record, leaves its files."""
        self.record_path(name).unlink()

    def pip(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs the prefix's own pip; asserts that it succeeds."""
        done = self.run("-m", "pip", *words, env={"PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"})
        assert done.returncode == 0, done.stderr
        return done
