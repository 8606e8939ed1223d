"""The folders of sys.path that can hold distributions, as ``site`` would build them, from files alone.

Follows CPython's Lib/site.py (``main``, ``venv``, ``addsitepackages``, ``addsitedir``, ``addpackage``) and Debian's changes
to it (https://www.debian.org/doc/packaging-manuals/python-policy/): PYTHONPATH, the environment's own folder, the user site,
the base's folders where the environment asks for them, and what ``.pth`` files add. ``import`` lines of ``.pth`` files are
not run, so folders that only they add are not here.
"""

from __future__ import annotations

import os
import re
import sys

from envdoctor.collect import files
from envdoctor.collect.interpreter import Facts
from envdoctor.collect.scene import Scene
from envdoctor.snapshot import Site, SiteRole, text
from envdoctor.target import library_folders, virtualenv_origin

MAX_PTH_FILES = 2000
MAX_PTH_LINES = 20000
"""Lines of all ``.pth`` files together; what is beyond is a gap."""


def collect(scene: Scene, facts: Facts) -> list[Site]:
    """Site folders in the order of sys.path, each folder once. Inactive ones (not on sys.path, but of use to rules) are last."""
    path = _Path(scene, facts)
    path.pythonpath()
    config = facts.venv
    system_site = config is None or config.include_system_site
    origin = (
        virtualenv_origin(scene.prefix, windows=scene.windows) if scene.target.kind == "virtualenv" and config is None else None
    )
    if origin is not None:
        path.prefix(scene.prefix, of_target=True)
        if origin[1]:
            path.user(enabled=True)
            path.prefix(facts.base or origin[0], of_target=False)
        else:
            path.user(enabled=False)
        return path.sites + path.inactive
    if config is not None:
        path.prefix(scene.prefix, of_target=True)
    path.user(enabled=system_site)
    if system_site:
        path.prefix(facts.base if config is not None and facts.base else scene.prefix, of_target=config is None)
    if config is None and facts.base is not None and facts.base != scene.prefix:
        path.prefix(facts.base, of_target=False)
    path.other_versions()
    return path.sites + path.inactive


class _Path:
    """sys.path in the making."""

    def __init__(self, scene: Scene, facts: Facts) -> None:
        self.scene = scene
        self.facts = facts
        self.sites: list[Site] = []
        self.inactive: list[Site] = []
        self.known: set[str] = set()
        self.folders: set[tuple[int, int]] = set()
        self.lines = 0
        self.version = facts.version or _numbers(scene.target.site_version)
        self.flag = "t" if facts.interpreter.free_threaded else ""
        self.distributor = _patched_by_debian(scene, facts)

    def add(self, path: str, role: SiteRole, *, of_target: bool, active: bool = True) -> bool:
        """Puts a folder on the path; false when it is no folder, or there already by this or another name."""
        normal = os.path.normcase(path)
        if normal in self.known:
            return False
        try:
            info = os.stat(path)
        except (OSError, ValueError) as error:
            if isinstance(error, PermissionError):
                self._put(Site(path=text(path), role=role, readable=False, of_target=of_target, active=active))
                self.known.add(normal)
            return False
        if not os.path.isdir(path):
            return False
        if active:
            self.known.add(normal)
        identity = (info.st_dev, info.st_ino)
        if info.st_ino and identity in self.folders:
            return False
        self.folders.add(identity)
        readable = os.access(path, os.R_OK | os.X_OK)
        left = _metadata_folders(path) if of_target and not active else 0
        self._put(Site(path=text(path), role=role, readable=readable, of_target=of_target, active=active, metadata_folders=left))
        return True

    def _put(self, site: Site) -> None:
        (self.sites if site.active else self.inactive).append(site)

    # ------------------------------------------------------------------------------------------------------- the parts
    def pythonpath(self) -> None:
        """PYTHONPATH of this shell; relative entries and empty ones are from the working directory."""
        value = self.scene.environ.get("PYTHONPATH")
        if not value or self.scene.target.foreign:
            return
        for part in value.split(os.pathsep):
            folder = os.path.normpath(os.path.join(self.scene.cwd or "/", part))
            self.add(folder, "pythonpath", of_target=self._inside(folder))

    def prefix(self, prefix: str, *, of_target: bool) -> None:
        """The site folders of one prefix (``site.getsitepackages``), with what their ``.pth`` files add."""
        for folder, role in self._site_folders(prefix, venv=of_target and self.facts.venv is not None):
            self._site(folder, role if of_target else _base_role(role), of_target=of_target)

    def _site_folders(self, prefix: str, *, venv: bool) -> list[tuple[str, SiteRole]]:
        if self.scene.windows:
            embedded = _embedded(prefix)
            return embedded if embedded is not None else [(f"{prefix}/Lib/site-packages", "purelib")]
        found: list[tuple[str, SiteRole]] = []
        if self.facts.interpreter.implementation != "cpython":
            own = [(folder, v) for folder, v in library_folders(prefix) if self._fits(v)]
            if venv or not self.distributor:
                found += [(f"{folder}/site-packages", "purelib") for folder, _ in own]
            if self.distributor:
                name = os.path.basename(own[0][0]) if own else "pypy3"
                found.append((f"{prefix}/local/lib/{name}/dist-packages", "dist-packages"))
                return [*found, (f"{prefix}/lib/python3/dist-packages", "dist-packages")]
            return [*found, (f"{prefix}/site-packages", "purelib")]
        version = self.version
        if version is None:
            return found
        name = f"python{version[0]}.{version[1]}{self.flag}"
        if self.distributor and not venv:
            return [
                (f"{prefix}/local/lib/{name}/dist-packages", "dist-packages"),
                (f"{prefix}/lib/python3/dist-packages", "dist-packages"),
                (f"{prefix}/lib/{name}/dist-packages", "dist-packages"),
            ]
        local = f"{prefix}/local" if prefix == self.scene.rooted("/usr") and files.is_folder(f"{prefix}/lib64/{name}") else None
        for base in filter(None, (local, prefix)):
            lib = f"{base}/lib/{name}/site-packages"
            lib64 = f"{base}/lib64/{name}/site-packages"
            if files.is_folder(lib64) and not files.same(lib64, lib):
                found.append((lib64, "platlib"))
            found.append((lib, "purelib"))
        if self.distributor:
            found += [
                (f"{prefix}/local/lib/{name}/dist-packages", "dist-packages"),
                (f"{prefix}/lib/python3/dist-packages", "dist-packages"),
            ]
        return found

    def user(self, *, enabled: bool) -> None:
        """The user site; inactive where the environment or PYTHONNOUSERSITE shuts it out."""
        scene = self.scene
        if scene.target.foreign or self.version is None:
            return
        folder = self._user_folder()
        if folder is None:
            return
        allowed = enabled and not scene.environ.get("PYTHONNOUSERSITE") and not _changed_user()
        if allowed:
            self._site(folder, "user", of_target=False)
        else:
            self.add(folder, "user", of_target=False, active=False)

    def _user_folder(self) -> str | None:
        """``site.getusersitepackages`` of the target."""
        scene = self.scene
        assert self.version is not None
        major, minor = self.version
        base = scene.environ.get("PYTHONUSERBASE")
        if base:
            base = os.path.join(scene.cwd or "/", base)
        if scene.windows:
            root = base or (f"{scene.environ['APPDATA']}/Python" if scene.environ.get("APPDATA") else None)
            bits = "-32" if self.facts.interpreter.bits == 32 else ""
            return f"{root}/Python{major}{minor}{bits}/site-packages" if root else None
        name = "pypy" if self.facts.interpreter.implementation == "pypy" else "python"
        framework = scene.target.system == "macos" and ".framework/" in f"{self.facts.base}/" and not base
        if framework and scene.home:
            return f"{scene.home}/Library/Python/{major}.{minor}/lib/python/site-packages"
        root = base or (f"{scene.home}/.local" if scene.home else None)
        return f"{root}/lib/{name}{major}.{minor}{self.flag}/site-packages" if root else None

    def other_versions(self) -> None:
        """Site folders of other X.Y in the environment: what an upgrade of its interpreter left behind."""
        if self.scene.windows or self.scene.target.kind == "system":
            return
        for folder, _ in reversed(library_folders(self.scene.prefix)):
            self.add(f"{folder}/site-packages", "other", of_target=True, active=False)

    # ------------------------------------------------------------------------------------------------------ .pth files
    def _site(self, folder: str, role: SiteRole, *, of_target: bool) -> None:
        """``site.addsitedir``: the folder, then what its .pth files name, those sorted."""
        self.add(folder, role, of_target=of_target)
        try:
            names = [n for n in os.listdir(folder) if n.endswith(".pth")]
        except (OSError, ValueError):
            return
        if len(names) > MAX_PTH_FILES:
            self.scene.gap("paths", folder, f"more than {MAX_PTH_FILES} .pth files")
        for name in sorted(names)[:MAX_PTH_FILES]:
            if name.startswith(".") and self._skips_hidden():
                continue
            self._package(folder, name)

    def _package(self, folder: str, name: str) -> None:
        """``site.addpackage``, import lines left out."""
        try:
            content = files.read(f"{folder}/{name}", 1 << 20).data
        except files.Unreadable:
            return
        for raw in content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").splitlines():
            self.lines += 1
            if self.lines > MAX_PTH_LINES:
                self.scene.gap("paths", folder, f"more than {MAX_PTH_LINES} lines in .pth files")
                return
            if raw.startswith(("#", "import ", "import\t")) or not raw.strip() or "\0" in raw:
                continue
            line = raw.rstrip()
            if self.scene.windows and os.sep == "/":
                line = line.replace("\\", "/")
                if re.match(r"[A-Za-z]:|//", line):
                    continue
            path = os.path.normpath(os.path.join(folder, self.scene.rooted(line)))
            self.add(path, "pth", of_target=self._inside(path))

    def _skips_hidden(self) -> bool:
        """``site`` ignores .pth files whose name begins with a dot since 3.13, 3.12.3, 3.11.9, … (CPython gh-113659)."""
        version = self.facts.interpreter.version or ""
        found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
        if found is None:
            return True
        short, micro = (int(found[1]), int(found[2])), int(found[3] or 99)
        first = {(3, 8): 19, (3, 9): 19, (3, 10): 14, (3, 11): 8, (3, 12): 2}
        return short >= (3, 13) or micro >= first.get(short, 1 << 30)

    # ------------------------------------------------------------------------------------------------------------ pieces
    def _inside(self, path: str) -> bool:
        return path == self.scene.prefix or path.startswith(self.scene.prefix.rstrip("/") + "/")

    def _fits(self, version: str | None) -> bool:
        return self.version is None or version is None or _numbers(version) == self.version


def _base_role(role: SiteRole) -> SiteRole:
    return role if role == "dist-packages" else "system"


def _patched_by_debian(scene: Scene, facts: Facts) -> bool:
    """The base's site.py looks for ``dist-packages``."""
    if scene.windows or facts.stdlib is None:
        return facts.base is not None and files.is_folder(f"{facts.base}/lib/python3/dist-packages")
    try:
        return b'"dist-packages"' in files.read(f"{facts.stdlib}/site.py", 1 << 18).data
    except files.Unreadable:
        return False


def _embedded(prefix: str) -> list[tuple[str, SiteRole]] | None:
    """Folders of ``pythonXY._pth``, which replaces sys.path altogether; None where there is no such file."""
    try:
        name = next((n for n in sorted(os.listdir(prefix)) if re.fullmatch(r"python(?:3\d+)?\._pth", n, re.IGNORECASE)), None)
        if name is None:
            return None
        lines = files.read_text(f"{prefix}/{name}", 1 << 16).splitlines()
    except (OSError, files.Unreadable):
        return None
    found: list[tuple[str, SiteRole]] = []
    for line in lines:
        line = line.split("#")[0].strip().replace("\\", "/")
        if line == "import site":
            found.append((f"{prefix}/Lib/site-packages", "purelib"))
        elif line and line != "." and not line.startswith("import ") and not line.endswith(".zip"):
            folder = os.path.normpath(os.path.join(prefix, line))
            if not files.is_file(f"{folder}/os.py"):
                found.append((folder, "purelib" if folder.endswith("site-packages") else "other"))
    return found


def _metadata_folders(folder: str) -> int:
    try:
        return sum(name.endswith((".dist-info", ".egg-info")) for name in os.listdir(folder))
    except OSError:
        return 0


def _changed_user() -> bool:
    """This process runs with another effective user or group, for which ``site`` leaves the user site out."""
    if sys.platform == "win32":
        return False
    return os.geteuid() != os.getuid() or os.getegid() != os.getgid()


def _numbers(version: str | None) -> tuple[int, int] | None:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", version or "")
    return (int(found[1]), int(found[2])) if found else None
