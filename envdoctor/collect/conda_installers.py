"""The conda family around a conda or pixi prefix, from files alone: installations, settings, registry, caches, shells.

No conda, mamba or pixi is started. What leads to an installation is read where conda itself would leave it: PATH, variables,
the blocks that ``conda init`` and ``mamba shell init`` write, the history of the prefix.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from envdoctor.collect import conda_history, conda_paths, condarc
from envdoctor.collect import files as fs
from envdoctor.collect.scene import Scene
from envdoctor.lazy import pattern
from envdoctor.snapshot import (
    CondaCache,
    CondaInstallers,
    CondaMeta,
    CondaPackage,
    CondaPath,
    CondaRegistry,
    CondaRoot,
    CondaSetting,
    CondaShellBlock,
    text,
)
from envdoctor.tuples import NamedTuple

Tool = Literal["conda", "mamba", "micromamba"]
TOOLS: tuple[Tool, ...] = ("conda", "mamba", "micromamba")
KEPT = 20
START_UP = (
    ".bashrc", ".bash_profile", ".bash_login", ".profile", ".zshenv", ".zprofile", ".zshrc", ".cshrc", ".tcshrc", ".xonshrc",
    ".config/fish/config.fish", ".config/fish/conf.d/conda.fish", ".config/fish/conf.d/mamba.fish", ".config/xonsh/rc.xsh",
    ".config/nushell/config.nu", ".config/powershell/profile.ps1", ".config/powershell/Microsoft.PowerShell_profile.ps1",
    "Documents/PowerShell/profile.ps1", "Documents/WindowsPowerShell/profile.ps1",
    "Documents/PowerShell/Microsoft.PowerShell_profile.ps1", "Documents/WindowsPowerShell/Microsoft.PowerShell_profile.ps1",
)  # fmt: skip
"""Start-up files of shells, relative to the home folder."""
START_UP_SYSTEM = ("/etc/profile", "/etc/bash.bashrc", "/etc/bashrc", "/etc/zsh/zshrc", "/etc/zshrc")
_BEGIN = pattern(r"^\s*(?:# >>> |#region )(conda|mamba|micromamba) initialize(?: >>>)?\s*$")
_END = pattern(r"^\s*(?:# <<< (?:conda|mamba|micromamba) initialize <<<|#endregion)\s*$")
_PROGRAM = pattern(
    r"""(?:^|[\s"'(&=])((?:[A-Za-z]:|~|\$\{?\w+\}?)?[\\/][^"'$()|;&<>\n]*?[\\/](conda|mamba|micromamba)(?:\.exe|\.bat)?)(?=["'\s)]|$)"""
)
_ROOT_PREFIX = pattern(r"""MAMBA_ROOT_PREFIX["']?\s*(?:=|\s)\s*["']?([^"'\n]+?)["']?\s*(?:;.*)?$""")
_SOURCED = pattern(
    r"""((?:~|\$\{?\w+\}?)?/[^"'\s;]*?)/etc/(?:profile\.d/(conda|mamba|micromamba)\.(?:sh|csh)|fish/conf\.d/(conda)\.fish)"""
)
_ON_PATH = pattern(r"""\bPATH=["']?((?:~|\$\{?\w+\}?)?/[^"':\s]*?)/(?:bin|condabin)["']?:""")
_RECORD = pattern(
    r"(conda|mamba|micromamba|python|anaconda|_anaconda_depends|anaconda-navigator)-(\d[^-]*|custom)-([^-]+)\.json$"
)


class _Row(msgspec.Struct, gc=False):
    path: str = msgspec.field(name="_path", default="")
    path_type: str | None = None
    size_in_bytes: int | None = None


class _PathsFile(msgspec.Struct, gc=False):
    paths: list[_Row] = []


class _Trace(NamedTuple):
    """Something that leads to a root."""

    root: str
    seen: str
    micromamba: bool = False


def collect(scene: Scene, packages: Sequence[CondaPackage], meta: CondaMeta | None) -> CondaInstallers | None:
    """The facts; None where the target is no conda prefix. `packages` and `meta` are those of the target."""
    if meta is None or scene.target.kind not in ("conda", "pixi"):
        return None
    return _Collector(scene, packages, meta).run()


class _Collector:
    def __init__(self, scene: Scene, packages: Sequence[CondaPackage], meta: CondaMeta) -> None:
        self.scene, self.packages, self.meta = scene, packages, meta
        self.environ: Mapping[str, str] = scene.environ
        self.home = scene.home if scene.home and os.path.isabs(scene.home) else None
        self.foreign = scene.target.foreign
        self.pixi = scene.target.kind == "pixi"

    def run(self) -> CondaInstallers:
        blocks = [] if self.foreign or self.pixi else list(self._blocks())
        owner = None if self.pixi else self._owner()
        roots = () if self.pixi else self._roots(owner, blocks)
        own = next((root for root in roots if root.owner), None)
        read = condarc.Read((), ())
        if not self.pixi:
            found = condarc.places(
                self.environ, self.home, owner, self.scene.prefix, rooted=self.scene.rooted, foreign=self.foreign
            )
            read = condarc.read(found, self.environ, cwd=self.scene.cwd, variables=not self.foreign)
        mamba = self.meta.writer == "micromamba" or bool(own and (own.mamba or own.micromamba))
        priority = condarc.merged(read.settings, "channel_priority", mamba=mamba)[:1]
        return CondaInstallers(
            roots=roots,
            files=read.files,
            settings=read.settings,
            channels=condarc.values(read.settings, "channels", mamba=mamba),
            channel_priority=_priority(priority[0]) if priority else None,
            priority_from=origin(priority[0]) if priority else None,
            blocks=tuple(blocks),
            caches=self._caches(owner, read.settings, mamba=mamba),
            registry=self._registry(),
            programs=self._programs(),
            later_requested=self._later() if self.scene.target.base else (),
        )

    # -------------------------------------------------------------------------------------------------------- roots
    def _owner(self) -> str | None:
        """The root that the target is or belongs to."""
        prefix = self.scene.prefix
        if self.scene.target.base:
            return prefix
        parent = os.path.dirname(prefix)
        if os.path.basename(parent) == "envs" and fs.is_folder(f"{os.path.dirname(parent)}/conda-meta"):
            return os.path.dirname(parent)
        if self.foreign:
            return None
        command = self.meta.history.last_command if self.meta.history else None
        if command and self.meta.writer == "conda":
            program = command.split()[0]
            for part in (os.path.dirname(os.path.dirname(program)), program.partition("/lib/python")[0]):
                if os.path.isabs(part) and (root := _root_of(f"{part}/bin/conda")):
                    return root
        variables = ("MAMBA_ROOT_PREFIX", "CONDA_EXE") if self.meta.writer == "micromamba" else ("CONDA_EXE", "MAMBA_ROOT_PREFIX")
        for variable in variables:
            value = self.environ.get(variable)
            if value and os.path.isabs(value):
                root = _root_of(value) if variable.endswith("EXE") else value if _is_root(value) else None
                if root:
                    return root
        return next((root for tool in TOOLS for path in self._on_path(tool) if (root := _root_of(path))), None)

    def _on_path(self, tool: str) -> Iterator[str]:
        names = (f"{tool}.exe", f"{tool}.bat") if os.name == "nt" else (tool,)
        for folder in self.environ.get("PATH", "").split(os.pathsep)[:200]:
            if os.path.isabs(folder):
                for name in names:
                    if fs.is_file(path := f"{folder.rstrip('/')}/{name}"):
                        yield path

    def _traces(self, owner: str | None, blocks: Iterable[CondaShellBlock]) -> Iterator[_Trace]:
        if owner is not None:
            yield _Trace(owner, "this environment's folder" if owner != self.scene.prefix else "this environment")
        if self.foreign:
            return
        for tool in TOOLS[:2]:
            for path in self._on_path(tool):
                if root := _root_of(path):
                    yield _Trace(root, f"{tool} on PATH")
        for variable in ("CONDA_EXE", "_CONDA_EXE", "MAMBA_EXE"):
            value = self.environ.get(variable)
            if value and os.path.isabs(value) and not _is_micromamba(value) and (root := _root_of(value)):
                yield _Trace(root, variable)
        for variable in ("CONDA_ROOT", "_CONDA_ROOT", "MAMBA_ROOT_PREFIX"):
            value = self.environ.get(variable)
            if value and os.path.isabs(value) and _is_root(value):
                yield _Trace(value, variable, variable == "MAMBA_ROOT_PREFIX" and not fs.is_file(f"{value}/bin/conda"))
        for block in blocks:
            if block.root and block.exists and _is_root(block.root):
                yield _Trace(block.root, f"{block.file}:{block.line}", block.tool == "micromamba")

    def _roots(self, owner: str | None, blocks: Iterable[CondaShellBlock]) -> tuple[CondaRoot, ...]:
        seen: dict[str, dict[str, None]] = defaultdict(dict)
        micromamba: set[str] = set()
        for trace in self._traces(owner, blocks):
            real = fs.real(trace.root)
            seen[real][trace.seen] = None
            if trace.micromamba:
                micromamba.add(real)
        own = fs.real(owner) if owner else None
        return tuple(
            _root(path, tuple(map(text, by)), owner=path == own, micromamba=path in micromamba)
            for path, by in sorted(seen.items())[:50]
        )

    def _programs(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if not self.foreign and not self.pixi:
            for variable in ("CONDA_EXE", "MAMBA_EXE"):
                value = self.environ.get(variable)
                if value and os.path.isabs(value) and not fs.exists(value):
                    found[variable] = text(value)
        return found

    # ------------------------------------------------------------------------------------------------------- shells
    def _blocks(self) -> Iterator[CondaShellBlock]:
        places = [(path, path) for path in START_UP_SYSTEM]
        if self.home:
            places += [(f"{self.home}/{name}", f"~/{name}") for name in START_UP]
            zsh = self.environ.get("ZDOTDIR")
            if zsh and os.path.isabs(zsh) and zsh.rstrip("/") != self.home:
                places += [(f"{zsh}/{name}", f"{zsh}/{name}") for name in (".zshenv", ".zprofile", ".zshrc")]
        for path, shown in places:
            try:
                source = fs.read_text(path, 1 << 20)
            except fs.Unreadable:
                continue
            if "conda" in source or "mamba" in source:
                yield from self._in_file(shown, source)
        for tool in ("conda", "mamba"):
            path = f"/etc/profile.d/{tool}.sh"
            real = fs.real(path)
            if real != path and real.endswith(f"/etc/profile.d/{tool}.sh") and fs.exists(real):
                root = real.removesuffix(f"/etc/profile.d/{tool}.sh")
                yield CondaShellBlock(file=path, line=1, tool=tool, managed=False, root=text(root))

    def _in_file(self, shown: str, source: str) -> Iterator[CondaShellBlock]:
        lines = source.splitlines()
        at = 0
        found = tried = 0
        while at < len(lines) and found < KEPT:
            begin = _BEGIN.match(lines[at])
            if begin:
                end = next((i for i in range(at + 1, len(lines)) if _END.match(lines[i]) or _BEGIN.match(lines[i])), None)
                closed = end is not None and bool(_END.match(lines[end]))
                stop = end if end is not None else min(len(lines), at + 40)
                yield self._block(shown, at + 1, begin[1], lines[at + 1 : min(stop, at + 100)], closed=closed)
                found += 1
                at = stop + (1 if closed else 0)
                continue
            line = lines[at]
            if not line.lstrip().startswith("#") and ("conda" in line or "mamba" in line or "forge" in line):
                tried += 1
                root = self._by_hand(line[:500]) if tried <= 200 else None
                if root and fs.is_folder(f"{root}/conda-meta"):
                    tool: Tool = "mamba" if "mamba.sh" in line and "micromamba.sh" not in line else "conda"
                    yield CondaShellBlock(file=text(shown), line=at + 1, tool=tool, managed=False, root=text(root))
                    found += 1
            at += 1

    def _by_hand(self, line: str) -> str | None:
        """The root that a line without marks sources or puts on PATH."""
        match = _SOURCED.search(line) or _ON_PATH.search(line)
        if not match:
            return None
        root = condarc.expanded(match[1], {**_home(self.home), **_plain(self.environ, match[1])}, self.home)
        return os.path.normpath(root) if os.path.isabs(root) and "$" not in root else None

    def _block(self, shown: str, number: int, tool: str, lines: list[str], *, closed: bool) -> CondaShellBlock:
        root = program = None
        name = tool
        for line in (line[:1000] for line in lines if not line.lstrip().startswith("#")):
            if root is None and (match := _ROOT_PREFIX.search(line)):
                root = self._full(match[1])
            if program is None and (match := _PROGRAM.search(line)):
                program, name = self._full(match[1]), match[2]
        if program is not None and name != "micromamba" and not _is_micromamba(program):
            root = _root_of(program) or os.path.dirname(os.path.dirname(program))
            name = tool
        exists = fs.exists(program) if program is not None else root is None or fs.is_folder(root)
        return CondaShellBlock(
            file=text(shown),
            line=number,
            tool="micromamba" if name == "micromamba" else tool,  # type: ignore[arg-type]
            closed=closed,
            root=text(root) if root else None,
            program=text(program) if program else None,
            exists=exists,
        )

    def _full(self, path: str) -> str | None:
        path = condarc.expanded(path, {**_home(self.home), **_plain(self.environ, path)}, self.home)
        return os.path.normpath(path) if os.path.isabs(path) and "$" not in path else None

    # ------------------------------------------------------------------------------------------------------- caches
    def _caches(self, owner: str | None, settings: Iterable[CondaSetting], *, mamba: bool) -> tuple[CondaCache, ...]:
        """Caches that packages of the prefix came from, and those that conda would use now."""
        of_prefix: dict[str, list[CondaPackage]] = defaultdict(list)
        for package in self.packages:
            place = package.cache.replace("\\", "/") if package.cache else None
            if place and os.path.isabs(place) and ".." not in place.split("/"):
                of_prefix[os.path.dirname(os.path.normpath(self.scene.rooted(place)))].append(package)
        configured: list[str] = []
        if not self.pixi and not self.foreign:
            for value in condarc.values(settings, "pkgs_dirs", mamba=mamba):
                path = condarc.expanded(value, self.environ, self.home)
                if os.path.isabs(path) and "$" not in path:
                    configured.append(os.path.normpath(path))
            if not configured:
                configured = [f"{place}/pkgs" for place in (owner, f"{self.home}/.conda" if self.home else None) if place]
        if self.foreign and self.scene.target.sysroot is None:
            return ()
        return tuple(
            self._cache(path, of_prefix.get(path, []), configured=path in configured)
            for path in sorted({*of_prefix, *configured})[:KEPT]
        )

    def _cache(self, path: str, packages: list[CondaPackage], *, configured: bool) -> CondaCache:
        folder = fs.is_folder(path)
        there: set[str] = set()
        if folder and packages:
            try:
                there = set(fs.names(path))
            except fs.Unreadable:
                pass
        broken: list[str] = []
        spoiled: list[str] = []
        extracted = 0
        for package in packages:
            name = os.path.basename((package.cache or "").replace("\\", "/"))
            if name in there:
                extracted += 1
                if problem := self._package(f"{path}/{name}"):
                    broken.append(f"{text(name)}: {problem}")
                spoiled += self._spoiled(package, path, name)
            elif package.filename and package.filename in there and (size := _size(f"{path}/{package.filename}")) == 0:
                broken.append(f"{package.filename}: is empty ({size} bytes)")
        return CondaCache(
            path=text(path),
            exists=fs.is_there(path),
            folder=folder,
            writable=None if self.foreign else fs.writable(path) and (folder or not fs.is_there(path)),
            configured=configured,
            home=fs.is_folder(os.path.dirname(path)),
            packages=len(packages),
            linked=sum(package.link in ("hardlink", "softlink") for package in packages),
            extracted=extracted,
            broken=tuple(sorted(broken)[:KEPT]),
            broken_count=len(broken),
            spoiled=tuple(sorted(spoiled)[: 10 * KEPT]),
        )

    def _package(self, folder: str) -> str | None:
        """What is wrong with an extracted package; with ``--deep`` the sizes of its files, too."""
        try:
            index = fs.read(f"{folder}/info/index.json", 1 << 20).data
        except fs.Unreadable as error:
            return "info/index.json is gone" if error.missing else f"info/index.json: {error}"
        if not index.rstrip().endswith(b"}"):
            return "info/index.json is empty" if not index.strip(b"\0 \r\n\t") else "info/index.json is cut off"
        size = _size(f"{folder}/info/paths.json")
        if size == 0:
            return "info/paths.json is empty"
        if size is None and _size(f"{folder}/info/files") is None:
            return "info/paths.json is gone"
        return self._sizes(folder) if self.scene.deep and size else None

    def _sizes(self, folder: str) -> str | None:
        try:
            rows = msgspec.json.decode(fs.read(f"{folder}/info/paths.json", 64 << 20).data, type=_PathsFile).paths
        except (fs.Unreadable, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return "info/paths.json cannot be read"
        bad: list[str] = []
        for row in rows:
            if row.path_type != "hardlink" or row.size_in_bytes is None or ".." in row.path or row.path.startswith("/"):
                continue
            size = _size(f"{folder}/{row.path}")
            if size != row.size_in_bytes:
                bad.append(
                    f"{text(row.path)} is gone" if size is None else f"{text(row.path)} has {size} of {row.size_in_bytes} bytes"
                )
        return f"{bad[0]}" + (f", and {len(bad) - 1} more" if len(bad) > 1 else "") if bad else None

    def _spoiled(self, package: CondaPackage, cache: str, name: str) -> list[str]:
        """Altered files of the prefix that the cache has, too: the very file, or one of the same size or hash."""
        found: list[str] = []
        for path in package.altered[:50]:
            mine = f"{self.scene.prefix}/{path.path}"
            for inner in _in_package(package, path.path):
                theirs = f"{cache}/{name}/{inner}"
                if (path.links > 1 and fs.same(mine, theirs)) or (path.rewritten is None and self._alike(path, theirs)):
                    found.append(f"{text(name)}: {path.path}")
                    break
        return found

    def _alike(self, path: CondaPath, theirs: str) -> bool:
        """The cache's copy of a file differs from the record as the prefix's own does."""
        size = _size(theirs)
        if size is None or size != path.actual_size:
            return False
        if path.problem == "resized":
            return size != path.size
        return path.actual_hash is not None and conda_paths.sha256(theirs) == path.actual_hash

    # ----------------------------------------------------------------------------------------------------- registry
    def _registry(self) -> CondaRegistry | None:
        if self.foreign or not self.home:
            return None
        path = f"{self.home}/.conda/environments.txt"
        try:
            source = fs.read(path, 4 << 20).data.decode("utf-8", "surrogateescape")
        except fs.Unreadable as error:
            return CondaRegistry(path=text(path), problem=None if error.missing else str(error), exists=not error.missing)
        entries = list(dict.fromkeys(line.strip() for line in source.splitlines() if os.path.isabs(line.strip())))[:5000]
        mine = {self.scene.prefix, fs.real(self.scene.prefix)}
        gone = [entry for entry in entries if not fs.exists(f"{entry}/conda-meta")]
        listed = any(os.path.normpath(entry) in mine for entry in entries) or any(
            os.path.basename(entry) == os.path.basename(self.scene.prefix) and fs.same(entry, self.scene.prefix)
            for entry in entries
        )
        return CondaRegistry(
            path=text(path),
            exists=True,
            entries=len(entries),
            listed=listed,
            gone=tuple(sorted(map(text, gone))[:50]),
            gone_count=len(gone),
        )

    def _later(self) -> tuple[str, ...]:
        """Specs that the history of a base environment has after its first revision."""
        try:
            source = fs.read(f"{self.scene.prefix}/conda-meta/history", conda_history.LIMIT).data.decode("utf-8", "replace")
        except fs.Unreadable:
            return ()
        revision = 0
        wanted: dict[str, str] = {}
        for line in io.StringIO(source, newline=None):
            if line.startswith("==>"):
                revision += 1
            if line[:1] != "#":
                continue
            match = re.match(r"#\s*(update|install|create|remove|uninstall) specs:\s*(.*)", line)
            if match is None or revision < 2:
                continue
            for spec in conda_history.words(match[2]) or ():
                name = re.match(r"(?:[^\[\]]*::)?\s*([A-Za-z0-9_.\-]+)", spec)
                if name and match[1] in ("remove", "uninstall"):
                    wanted.pop(name[1].lower(), None)
                elif name:
                    wanted[name[1].lower()] = spec
        return tuple(text(spec) for _, spec in sorted(wanted.items())[:200])


def origin(setting: CondaSetting) -> str:
    """Where a setting stands."""
    return f"variable {setting.variable}" if setting.variable else f"{setting.file}:{setting.line}"


def _priority(setting: CondaSetting) -> str | None:
    value = (setting.values[0] if setting.values else "").strip().lower()
    # what conda itself makes of the switch that it had before
    return {
        "true": "flexible",
        "yes": "flexible",
        "on": "flexible",
        "false": "disabled",
        "no": "disabled",
        "off": "disabled",
    }.get(value, value or None)


def _is_micromamba(path: str) -> bool:
    return os.path.basename(path).startswith("micromamba")


def _is_root(path: str) -> bool:
    return fs.is_folder(f"{path}/conda-meta") or fs.is_folder(f"{path}/envs") or fs.is_folder(f"{path}/pkgs")


def _root_of(program: str) -> str | None:
    """The installation that a conda or mamba executable belongs to; of one inside of an environment the root of that."""
    for path in (program, fs.real(program)):
        root = os.path.dirname(os.path.dirname(os.path.normpath(path)))
        if fs.is_folder(f"{root}/conda-meta"):
            parent = os.path.dirname(root)
            if os.path.basename(parent) == "envs" and fs.is_folder(f"{os.path.dirname(parent)}/conda-meta"):
                return os.path.dirname(parent)
            return root
    return None


def _root(path: str, seen: tuple[str, ...], *, owner: bool, micromamba: bool) -> CondaRoot:
    records: dict[str, tuple[str, str]] = {}
    try:
        for name in fs.names(f"{path}/conda-meta"):
            if match := _RECORD.match(name):
                records[match[1]] = match[2], match[3]
    except fs.Unreadable:
        pass
    product, by = _product(path, records, micromamba=micromamba)
    python = records.get("python")
    return CondaRoot(
        path=text(path),
        exists=fs.is_folder(path),
        product=product,
        product_from=by,
        implementation="pypy" if python and "pypy" in python[1] else "cpython",
        python=text(python[0]) if python else None,
        conda=text(records["conda"][0]) if "conda" in records else None,
        mamba=text(records["mamba"][0]) if "mamba" in records else None,
        micromamba=micromamba and "conda" not in records,
        seen=seen,
        owner=owner,
    )


def _product(path: str, records: Mapping[str, Any], *, micromamba: bool) -> tuple[Any, str | None]:
    name = os.path.basename(path).lower()
    if name.startswith("mambaforge"):
        return "mambaforge", "its name"
    if {"anaconda", "_anaconda_depends", "anaconda-navigator"} & records.keys():
        return "anaconda", "its records"
    try:
        licence = fs.read(f"{path}/LICENSE.txt", 1 << 12).data.lower()
    except fs.Unreadable:
        licence = b""
    for product in (b"mambaforge", b"miniforge", b"miniconda"):
        if product in licence:
            return product.decode(), "LICENSE.txt"
    for product_name in ("miniforge", "miniconda", "anaconda", "micromamba"):
        if name.startswith(product_name):
            return product_name, "its name"
    if micromamba and "conda" not in records:
        return "micromamba", "what leads to it"
    return ("conda", "its records") if "conda" in records else (None, None)


def _in_package(package: CondaPackage, path: str) -> tuple[str, ...]:
    """Where the file at `path` of the prefix may stand in the package: noarch ones of Python have folders without a version."""
    if package.noarch != "python":
        return (path,)
    _, found, rest = path.partition("/site-packages/")
    if found:
        return path, f"site-packages/{rest}"
    folder, _, name = path.rpartition("/")
    return (path, f"python-scripts/{name}") if folder in ("bin", "Scripts") else (path,)


def _home(home: str | None) -> dict[str, str]:
    return {"HOME": home} if home else {}


def _plain(environ: Mapping[str, str], path: str) -> dict[str, str]:
    """Variables that a path names, as far as this shell has them."""
    names = {found[0] or found[1] for found in re.findall(r"\$(?:\{(\w+)\}|(\w+))", path)}
    return {name: value for name in sorted(names) if (value := environ.get(name))}


def _size(path: str) -> int | None:
    """Bytes of a file, links followed; None where there is none."""
    try:
        info = fs.stat_of(path)
    except (OSError, ValueError):
        return None
    return info.st_size if stat.S_ISREG(info.st_mode) else None
