"""A package index of small real wheels and source archives, served on this machine: no network, every platform."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import re
import tarfile
import threading
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

WHEN = (2024, 1, 1, 0, 0, 0)


def metadata(name: str, version: str, requires: Iterable[str] = (), *, python: str | None = None, text: str = "") -> bytes:
    """METADATA (core metadata 2.1)."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {python}"] * (python is not None)
    lines += [f"Requires-Dist: {one}" for one in requires if not one.startswith("extra:")]
    lines += [f"Provides-Extra: {one[6:]}" for one in requires if one.startswith("extra:")]
    return ("\n".join(lines) + "\n\n" + text).encode()


def wheel(
    name: str,
    version: str,
    tag: str = "py3-none-any",
    requires: Iterable[str] = (),
    *,
    python: str | None = None,
    build: str | None = None,
    tags: Iterable[str] | None = None,
    text: str = "",
) -> tuple[str, bytes]:
    """File name and content of a real wheel with one module; `tags` are those of WHEEL where they differ from the name's."""
    module = name.replace("-", "_").lower()
    info = f"{module}-{version}.dist-info"
    pure = tag.endswith("none-any")
    said = tags
    if said is None:
        said = [
            f"{a}-{b}-{c}"
            for a in tag.split("-")[0].split(".")
            for b in tag.split("-")[1].split(".")
            for c in tag.split("-")[2].split(".")
        ]
    about = ["Wheel-Version: 1.0", "Generator: tests", f"Root-Is-Purelib: {'true' if pure else 'false'}"]
    about += [f"Build: {build}"] * (build is not None) + [f"Tag: {one}" for one in said]
    members = {
        f"{module}.py": f"VERSION = {version!r}\nTAG = {tag!r}\n".encode(),
        f"{info}/METADATA": metadata(name, version, tuple(requires), python=python, text=text),
        f"{info}/WHEEL": ("\n".join(about) + "\n").encode(),
    }
    rows = []
    for path, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(data)}")
    members[f"{info}/RECORD"] = ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in members.items():
            archive.writestr(zipfile.ZipInfo(path, WHEN), data)
    return f"{module}-{version}-{f'{build}-' if build else ''}{tag}.whl", stream.getvalue()


def sdist(name: str, version: str, requires: Iterable[str] = ()) -> tuple[str, bytes]:
    """File name and content of a source archive that builds itself: its backend lies in it and needs nothing."""
    module = name.replace("-", "_").lower()
    top = f"{module}-{version}"
    built, content = wheel(name, version, requires=requires)
    backend = (
        "import base64, pathlib\n"
        f"NAME, DATA = {built!r}, {base64.b64encode(content).decode()!r}\n"
        "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
        "    pathlib.Path(folder, NAME).write_bytes(base64.b64decode(DATA))\n"
        "    return NAME\n"
    )
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    about = f'[project]\nname = "{name}"\nversion = "{version}"\ndependencies = {json.dumps(list(requires))}\n'
    members = {
        "PKG-INFO": metadata(name, version, requires).replace(b"Metadata-Version: 2.1", b"Metadata-Version: 2.2"),
        "pyproject.toml": f"{project}{about}".encode(),
        "backend.py": backend.encode(),
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, data in members.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return f"{top}.tar.gz", gzip.compress(stream.getvalue(), mtime=0)


class Index:
    """Files by project, and what was asked for. With a password, only who gives it is served."""

    def __init__(
        self, *, password: str | None = None, html_only: bool = False, core_metadata: bool = True, ranges: bool = True
    ) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.password = password
        self.html_only = html_only
        self.core_metadata = core_metadata
        self.ranges = ranges
        self.instead: dict[str, bytes] = {}
        """What is sent for a file, although the pages have the hash of what was published."""
        self.asked: list[str] = []
        self.port = 0

    def add(self, *files: tuple[str, bytes]) -> Index:
        """Publishes files."""
        for name, data in files:
            project = name.split("-")[0] if name.endswith(".whl") else name.rpartition("-")[0]
            self.files.setdefault(project.replace("_", "-").replace(".", "-").lower(), {})[name] = data
        return self

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The simple index, without the password."""
        return f"http://{self.host}/simple"

    @property
    def secret_url(self) -> str:
        """The simple index with user and password in it."""
        return f"http://someone:{self.password}@{self.host}/simple"

    def file_url(self, name: str) -> str:
        return f"http://{self.host}/files/{name}"

    def data(self, name: str) -> bytes:
        return next(files[name] for files in self.files.values() if name in files)

    def sha256(self, name: str) -> str:
        return hashlib.sha256(self.data(name)).hexdigest()

    def core(self, name: str) -> bytes | None:
        """METADATA of a wheel."""
        if not name.endswith(".whl"):
            return None
        with zipfile.ZipFile(io.BytesIO(self.data(name))) as archive:
            return next(archive.read(one) for one in archive.namelist() if one.endswith(".dist-info/METADATA"))

    def page(self, project: str, *, as_json: bool) -> bytes | None:
        """A project's page (PEP 691, PEP 503)."""
        files = self.files.get(project)
        if files is None:
            return None
        rows: list[dict[str, Any]] = []
        for name, data in files.items():
            row: dict[str, Any] = {
                "filename": name,
                "url": f"../../files/{name}",
                "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
                "size": len(data),
                "upload-time": "2024-01-01T00:00:00Z",
                "yanked": False,
            }
            core = self.core(name)
            if core is not None and self.core_metadata:
                row["core-metadata"] = {"sha256": hashlib.sha256(core).hexdigest()}
            rows.append(row)
        if as_json:
            return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": rows}).encode()
        links = [
            f'<a href="{html.escape(row["url"])}#sha256={row["hashes"]["sha256"]}">{row["filename"]}</a><br/>' for row in rows
        ]
        return ("<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>").encode()

    @contextmanager
    def served(self) -> Iterator[Index]:
        """Serves until the block ends."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if outer.password is not None:
                    wanted = base64.b64encode(f"someone:{outer.password}".encode()).decode()
                    if self.headers.get("Authorization") != f"Basic {wanted}":
                        self.send_response(401)
                        self.send_header("WWW-Authenticate", 'Basic realm="index"')
                        self.send_header("Content-Length", "0")
                        self.end_headers()
                        return
                kind, body = self.answer(unquote(self.path).strip("/").split("/"))
                if body is None:
                    self.send_response(404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                part = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", "")) if outer.ranges else None
                self.send_response(206 if part else 200)
                if part:
                    whole = len(body)
                    first = int(part[1]) if part[1] else max(0, whole - int(part[2]))
                    last = min(whole - 1, int(part[2])) if part[1] and part[2] else whole - 1
                    body = body[first : last + 1]
                    self.send_header("Content-Range", f"bytes {first}-{last}/{whole}")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def answer(self, path: list[str]) -> tuple[str, bytes | None]:
                if path[0] == "simple" and len(path) == 2:
                    as_json = not outer.html_only and "application/vnd.pypi.simple.v1+json" in self.headers.get("Accept", "")
                    return ("application/vnd.pypi.simple.v1+json" if as_json else "text/html"), outer.page(
                        path[1], as_json=as_json
                    )
                if path[0] == "files" and len(path) == 2:
                    name = path[1].removesuffix(".metadata")
                    known = any(name in files for files in outer.files.values())
                    if known and name != path[1]:
                        return "text/plain", outer.core(name)
                    return "application/octet-stream", outer.instead.get(name, outer.data(name)) if known else None
                return "text/plain", None

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        server.daemon_threads = True
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def small(**options: Any) -> Index:
    """An index with a pure package, one with wheels for some platforms, one with a dependency of one platform alone."""
    index = Index(**options)
    index.add(wheel("alpha", "1.0"), wheel("alpha", "1.1"), wheel("alpha", "2.0"), sdist("alpha", "1.0"))
    for version in ("1.0", "1.1"):
        for tag in (
            "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
            "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64",
            "cp311-cp311-macosx_11_0_arm64",
            "cp311-cp311-win_amd64",
        ):
            index.add(wheel("native", version, tag.replace("cp311-cp311", "cp310-abi3"), ["alpha"]))
    index.add(
        wheel(
            "app", "1.0", requires=["alpha>=1", "native", "colour; sys_platform == 'win32'", "socks; extra == 'net'", "extra:net"]
        )
    )
    index.add(wheel("colour", "0.4"), wheel("socks", "1.7"), sdist("built", "1.0", ["alpha"]))
    for tag in ("cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp310-abi3-win_amd64"):
        index.add(wheel("nomac", "1.0", tag))
    return index
