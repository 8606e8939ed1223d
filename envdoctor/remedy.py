"""Commands that mend a target: argv lists that fit who installed the thing, and where. Pure; nothing here runs one.

Rules ask :class:`Remedy` (``view.remedy``) and never spell an installer's command line themselves, so one change of an
installer's interface is one change here, and ``envdoctor.plan`` can merge what several findings ask for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from envdoctor.finding import Command, Fix, Safety
from envdoctor.snapshot import CondaPackage, Distribution
from envdoctor.view import version_of

if TYPE_CHECKING:
    from envdoctor.lock.commands import LockRemedy
    from envdoctor.view import View

Tool = Literal["pip", "uv", "conda", "mamba", "micromamba", "pixi", "apt", "outside-pip"]


class Remedy:
    """Fix commands for one target."""

    def __init__(self, view: View) -> None:
        self.view = view
        snapshot = view.snapshot
        self.prefix = snapshot.target.prefix
        self.python = snapshot.interpreter.path
        self.kind = snapshot.target.kind
        self.tools = snapshot.shell.tools

    @cached_property
    def locks(self) -> LockRemedy:
        """Commands about the project's locks."""
        from envdoctor.lock.commands import LockRemedy

        return LockRemedy(self.view)

    # ------------------------------------------------------------------------------------------------- who installs
    def tool(self, dist: Distribution | None = None) -> Tool:
        """The installer for `dist` (by INSTALLER, conda record, dpkg), or for something new in this target."""
        if dist is not None:
            if dist.conda:
                return self.conda_tool()
            if dist.system_package:
                return "apt"
            if dist.installer == "uv":
                return "uv"
        snapshot = self.view.snapshot
        if snapshot.venv is not None and snapshot.venv.uv:
            return "uv"
        if self.pip_starts and (snapshot.installers.pip.importable or (dist is not None and dist.installer == "pip")):
            return "pip"
        if "uv" in self.tools:
            return "uv"
        return "outside-pip" if "pip" in self.tools else "pip"

    @property
    def pip_starts(self) -> bool:
        """The target has a pip of its own that is whole and fits its Python."""
        pip = self.view.snapshot.installers.pip
        return pip.present and not pip.missing and not pip.lacks

    def conda_tool(self) -> Tool:
        """The member of the conda family that owns this prefix: pixi by kind, else by who wrote its records and is at hand.

        Records in micromamba's dialect are micromamba's or, since 2.0, mamba's; those of conda are mamba's where the history
        says so. One that is not at hand gives way to one that is.
        """
        if self.kind == "pixi":
            return "pixi"
        meta = self.view.snapshot.conda_meta
        writer = meta.writer if meta else None
        command = ((meta.history.last_command if meta and meta.history else None) or "").split(" ", 1)[0]
        caller = command.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".exe")
        family: tuple[Tool, ...] = ("conda", "mamba", "micromamba")
        if writer == "micromamba":
            family = ("mamba", "micromamba", "conda") if caller == "mamba" else ("micromamba", "mamba", "conda")
        elif caller == "mamba":
            family = ("mamba", "conda", "micromamba")
        at_hand = set(self.tools)
        for variable in ("CONDA_EXE", "MAMBA_EXE"):
            path = self.view.snapshot.shell.variables.get(variable, "")
            at_hand.add(path.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".exe"))
        return next((tool for tool in family if tool in at_hand), family[0])

    def _pip(self, verb: str, tool: Tool) -> Command:
        if tool == "uv":
            return ("uv", "pip", verb, "--python", self.python)
        if tool == "outside-pip":
            return ("pip", "--python", self.python, verb)
        return (self.python, "-m", "pip", verb)

    # ----------------------------------------------------------------------------------------------------- commands
    def install(self, *requirements: str, dist: Distribution | None = None) -> tuple[Command, ...]:
        """Commands that make these PEP 508 requirements hold; `dist` is one that asks for them (its installer is used).

        Specifiers are kept as given. In a conda prefix what conda-owned distributions need comes from conda.
        """
        tool = self.tool(dist)
        if tool in ("conda", "mamba", "micromamba", "pixi"):
            return self.conda_install(*(self._conda_name(requirement) for requirement in requirements))
        if tool == "apt":
            tool = self.tool()
        return ((*self._pip("install", tool), *requirements),)

    def install_file(self, path: str) -> tuple[Command, ...]:
        """Commands that install all of a requirements file or a ``pylock.toml``."""
        return ((*self._pip("install", self.tool()), "-r", path),)

    def upgrade(self, *dists: Distribution) -> tuple[Command, ...]:
        """Commands that bring distributions to their newest version that fits, by the tool that put them there."""
        by_tool: dict[Tool, list[str]] = {}
        for dist in dists:
            by_tool.setdefault(self.tool(dist), []).append((dist.conda or dist.name).split("=", 1)[0])
        commands: list[Command] = []
        for tool, names in by_tool.items():
            seen = tuple(dict.fromkeys(names))
            if tool in ("conda", "mamba", "micromamba", "pixi"):
                commands += self.conda_update(*seen)
            elif tool == "apt":
                packages = (dist.system_package or dist.name for dist in dists if self.tool(dist) == "apt")
                commands.append(("apt-get", "install", "--only-upgrade", "-y", *packages))
            else:
                commands.append((*self._pip("install", tool), "--upgrade", *seen))
        return tuple(commands)

    def reinstall(self, *dists: Distribution, deps: bool = False) -> tuple[Command, ...]:
        """Commands that put the very same versions there again, from where they came."""
        commands: list[Command] = []
        by_tool: dict[Tool, list[Distribution]] = {}
        for dist in dists:
            by_tool.setdefault(self.tool(dist), []).append(dist)
        for tool, group in by_tool.items():
            if tool in ("conda", "mamba", "micromamba", "pixi"):
                commands += self.conda_reinstall(*dict.fromkeys((d.conda or d.name).rsplit("=", 1)[0] for d in group))
            elif tool == "apt":
                commands.append(("apt-get", "install", "--reinstall", "-y", *(d.system_package or d.name for d in group)))
            else:
                if tool == "pip" and not self.pip_starts and any(d.name == "pip" for d in group):
                    # nothing else is there to install it: the metadata has to go, or ensurepip takes it for installed
                    halves = [f"{self.view.site_path(d)}/{d.path}" for d in group if d.name == "pip"]
                    commands += [*self.delete(*halves), (self.python, "-m", "ensurepip", "--upgrade")]
                    group = [d for d in group if d.name != "pip"]
                options = () if deps else ("--no-deps",)
                flag = ("--reinstall",) if tool == "uv" else ("--force-reinstall",)
                # pip removes nothing that has no RECORD, and stops there; what it would remove is written over
                bare = [d for d in group if tool != "uv" and d.record is None and d.format == "dist-info"]
                if bare:
                    commands.append((*self._pip("install", tool), "--ignore-installed", *options, *map(pinned, bare)))
                group = [d for d in group if d not in bare]
                for editable in (True, False):
                    chosen = [d for d in group if bool(d.direct_url and d.direct_url.editable) is editable]
                    if not chosen:
                        continue
                    words: list[str] = []
                    for d in chosen:
                        words += ["-e", _source(d)] if editable else [pinned(d)]
                    commands.append((*self._pip("install", tool), *flag, *options, *words))
        return tuple(commands)

    def rebuild(self, dist: Distribution) -> tuple[Command, ...]:
        """Commands that build the very same version from source against what is installed, without build isolation."""
        tool = self.tool(dist)
        if tool in ("conda", "mamba", "micromamba", "pixi", "apt"):
            return self.reinstall(dist)
        words = ("--no-deps", "--no-build-isolation", "--no-binary", dist.name, pinned(dist))
        if tool == "uv":
            return ((*self._pip("install", tool), "--reinstall", "--no-cache", *words),)
        return ((*self._pip("install", tool), "--force-reinstall", "--no-cache-dir", *words),)

    def uninstall(self, *dists: Distribution) -> tuple[Command, ...]:
        """Commands that remove these distributions by the tool that put them there."""
        by_tool: dict[Tool, list[Distribution]] = {}
        for dist in dists:
            by_tool.setdefault(self.tool(dist), []).append(dist)
        commands: list[Command] = []
        for tool, group in by_tool.items():
            seen = tuple(dict.fromkeys(d.name for d in group))
            if tool in ("conda", "mamba", "micromamba"):
                names = [(d.conda or d.name).split("=", 1)[0] for d in group]
                commands.append((tool, "remove", "-p", self.prefix, "--force", *names))
            elif tool == "pixi":
                commands.append(("pixi", "remove", *self.pixi_manifest(), *((d.conda or d.name).split("=", 1)[0] for d in group)))
            elif tool == "apt":
                commands.append(("apt-get", "remove", "-y", *(d.system_package or d.name for d in group)))
            elif tool == "uv":
                commands.append((*self._pip("uninstall", tool), *seen))
            else:
                commands.append((*self._pip("uninstall", tool), "-y", *seen))
        return tuple(commands)

    def conda_install(self, *specs: str, channel: str | None = None) -> tuple[Command, ...]:
        """Commands that add conda packages to this prefix, or to the project that owns it (pixi).

        They come from `channel`, else from the channel that most of the prefix is of, where its records tell.
        """
        tool = self.conda_tool()
        if tool == "pixi":
            return (("pixi", "add", *self.pixi_manifest(), *specs),)
        return ((tool, "install", "-p", self.prefix, *self._from(channel or self._main_channel), *specs),)

    def conda_update(self, *names: str) -> tuple[Command, ...]:
        """Commands that bring conda packages to versions that fit this machine."""
        tool = self.conda_tool()
        if tool == "pixi":
            return (("pixi", "update", *self.pixi_manifest(), *names),)
        return ((tool, "update", "-p", self.prefix, *self._from(self._main_channel), *names),)

    def conda_reinstall(self, *specs: str) -> tuple[Command, ...]:
        """Commands that link conda packages (``name`` or ``name=version``) anew: the build that the record names, from its
        channel, and nothing else."""
        tool = self.conda_tool()
        if tool == "pixi":
            return (("pixi", "reinstall", *self.pixi_manifest(), *dict.fromkeys(spec.partition("=")[0] for spec in specs)),)
        by_channel: dict[str | None, list[str]] = {}
        for spec in specs:
            package = self._recorded(spec)
            channel = package.channel if package else self._main_channel
            if package is not None and package.version:
                spec = "=".join(filter(None, (package.name, package.version, package.build)))
            by_channel.setdefault(channel, []).append(spec)
        return tuple(
            (tool, "install", "-p", self.prefix, "--force-reinstall", "--no-deps", *self._from(channel), *dict.fromkeys(group))
            for channel, group in by_channel.items()
        )

    def conda_put_back(self, *specs: str) -> tuple[Command, ...]:
        """Commands that install conda packages whose records are of no use; pixi puts back what its lock says."""
        tool = self.conda_tool()
        if tool == "pixi":
            return (("pixi", "install", *self.pixi_manifest()),)
        return ((tool, "install", "-p", self.prefix, "--force-reinstall", "--no-deps", *self._from(self._main_channel), *specs),)

    def conda_remove(self, *names: str) -> tuple[Command, ...]:
        """Commands that remove conda packages, and what needs them."""
        tool = self.conda_tool()
        if tool == "pixi":
            return (("pixi", "remove", *self.pixi_manifest(), *names),)
        return ((tool, "remove", "-p", self.prefix, *names),)

    def relink(self, *packages: CondaPackage) -> tuple[Command, ...]:
        """The same for packages with a record."""
        return self.conda_reinstall(*(f"{package.name}={package.version}" for package in packages))

    def pip_check(self) -> Command:
        """The command with which pip or uv looks over the requirements of all that is installed."""
        return self._pip("check", self.tool())

    def _recorded(self, spec: str) -> CondaPackage | None:
        """The record that ``name`` or ``name=version`` names, where it is one and no more."""
        name, _, version = spec.partition("=")
        found = [
            package for package in self.view.snapshot.conda_packages if package.name == name and version in ("", package.version)
        ]
        return found[0] if len(found) == 1 else None

    @cached_property
    def _main_channel(self) -> str | None:
        """The channel that most of the prefix is of."""
        counts = Counter(package.channel for package in self.view.snapshot.conda_packages if package.channel)
        return min(counts, key=lambda channel: (-counts[channel], channel)) if counts else None

    def _from(self, channel: str | None) -> Command:
        """Options that name a channel, by the name that conda's tools give it."""
        from envdoctor.conda.channels import DEFAULTS, name

        if not channel or "://" not in channel or channel.startswith("file:"):
            return ("-c", channel) if channel else ()
        host, short = channel.partition("://")[2].partition("/")[0], name(channel)
        if host == "conda.anaconda.org":
            return ("-c", short)
        return ("-c", "defaults" if host == "repo.anaconda.com" and short in DEFAULTS else channel)

    def pixi_manifest(self) -> Command:
        """Options with which pixi finds the project from any folder."""
        meta = self.view.snapshot.conda_meta
        if meta is None or not meta.pixi:
            return ()
        # A project that was moved has its manifest where the environment stands now, whatever pixi noted.
        project, inside, _ = self.prefix.replace("\\", "/").rpartition("/.pixi/envs/")
        name = meta.pixi.replace("\\", "/").rpartition("/")[2]
        return ("--manifest-path", f"{project}/{name}" if inside else meta.pixi)

    def _conda_name(self, requirement: str) -> str:
        """A PEP 508 requirement as a spec of the conda package that has the distribution."""
        from envdoctor.data.conda_names import CONDA_NAMES
        from envdoctor.view import normalize

        spec = _conda_spec(requirement)
        name = re.match(r"[A-Za-z0-9._-]+", spec)
        if name is None:
            return spec
        dist = self.view.effective.get(normalize(name[0]))
        package = dist.conda.split("=", 1)[0] if dist is not None and dist.conda else CONDA_NAMES.get(normalize(name[0]), name[0])
        return package + spec[name.end() :]

    # ------------------------------------------------------------------------------------------- libraries of the system
    def system_library(
        self, soname: str, *codes: str, dist: Distribution | None = None, verify: Iterable[Command] = ()
    ) -> tuple[Fix, ...]:
        """Fixes that bring a shared library which the loader does not find, the best first; at least one, maybe by hand only.

        `soname` is the name as a file asks for it (``libGL.so.1``, ``@rpath/libomp.dylib``, ``vcruntime140.dll``); a path in
        front is left out. `dist` is the distribution whose file asks: an extra of it that brings the library
        (``onnxruntime-gpu[cuda]``) comes first, a sister that does without it (``opencv-python-headless``) last. In a conda
        target the conda-forge package is next, else a wheel of PyPI (NVIDIA's, MPI's); then the package of this machine's
        operating system, by its release (``libglib2.0-0t64``), which takes root's rights. None of them is ``safe``. A library
        that comes with a driver, and one that no table knows, is left to a person: no package's name is made up. `verify` goes
        before ``envdoctor check`` for `codes`.
        """
        from envdoctor import system_packages as system

        target, machine = self.view.snapshot.target, self.view.machine
        verify = tuple(verify)
        name = soname.replace("\\", "/").rpartition("/")[2]
        driver = system.driver(name)
        if driver is not None:
            title = f"install {driver} on the machine: {name} comes with it and is no package of its own"
            return (Fix(title, "manual", (), (*verify, self.check(*codes))),)

        def fix(title: str, commands: Iterable[Command], safety: Safety = "unsafe") -> None:
            fixes.append(self.fix(title, commands, *codes, safety=safety, verify=verify))

        fixes: list[Fix] = []
        own = dist is not None and self.tool(dist) not in ("conda", "mamba", "micromamba", "pixi", "apt")
        spec = system.conda(name) if self.kind in ("conda", "pixi") else None
        wheel = system.wheel(name, self._cuda_major) if spec is None else None
        if dist is not None and own and (extra := self._with_extra(name, dist)):
            fix(f"install {extra}, which brings {name}", self.install(extra, dist=dist), self.safety("unsafe", dist))
        if spec:
            fix(f"add {spec} from conda-forge, which has {name}", self.conda_install(spec, channel="conda-forge"))
        elif wheel:
            commands = self.install(wheel, dist=dist if own else None)
            fix(f"install {wheel}, which has {name}", commands, self.safety("unsafe", dist))
        foreign = target.system != machine.system
        by: system.Manager | None = None if foreign else system.manager(machine, self.tools)
        if foreign and target.system != "linux":
            by = "brew" if target.system == "macos" else "winget"
        package = system.package(name, by, machine) if by else None
        if by and package:
            # images of containers come without the lists that apt-get needs
            update: tuple[Command, ...] = (("apt-get", "update"),) if by == "apt-get" and machine.container else ()
            root = "" if by in ("brew", "winget") else " (as root)"
            fix(f"install {package}, which has {name}{root}", (*update, self._system_install(by, package)))
        if dist is not None and own and (sister := self._sister(name, dist)):
            commands = (*self.uninstall(dist), *self.install(sister, dist=dist))
            fix(f"replace {dist.name} by {sister}, which does without {name}", commands, self.safety("unsafe", dist))
        if not fixes:
            question = system.search(name, by) if by else None
            title = f"install the package of the operating system that has {name}"
            if by == "apt-get" and any(row.apt for row in system.rows(name)):
                title, question = f"use another release of the operating system: this one has no package with {name}", None
            fixes.append(Fix(title, "manual", (question,) if question else (), (*verify, self.check(*codes))))
        return tuple(fixes)

    def _with_extra(self, name: str, dist: Distribution) -> str | None:
        """The requirement for `dist` with the extra that brings its CUDA libraries, where `name` is one and it has such."""
        from envdoctor.data.system_libraries import EXTRAS

        if not name.startswith(("libcu", "libnv")):
            return None
        major = str(self._cuda_major)
        wanted = [e for e in EXTRAS.get(dist.name, ()) if e in dist.extras and (not e[-1].isdigit() or e.endswith(major))]
        return f"{dist.name}[{','.join(wanted)}]{_equal(dist)}" if wanted else None

    def _sister(self, name: str, dist: Distribution) -> str | None:
        """The requirement for the distribution that has the same modules as `dist` and does without the library `name`."""
        from envdoctor.data.system_libraries import LEANER

        sister, spared = LEANER.get(dist.name, ("", ""))
        return f"{sister}{_equal(dist)}" if name in spared.split() and sister not in self.view.by_name else None

    @cached_property
    def _cuda_major(self) -> int | None:
        """The CUDA major that the target's distributions are made for, where they name one and agree."""
        majors: set[int] = set()
        for name, dists in self.view.by_name.items():
            versions = [d.version or "" for d in dists]
            if "-cu" in name or any("+cu" in version for version in versions):
                for major in (11, 12, 13):
                    if name.endswith((f"-cu{major}", f"-cuda{major}x")) or any(f"+cu{major}" in version for version in versions):
                        majors.add(major)
            if name in ("nvidia-cuda-runtime", "nvidia-cublas"):
                majors |= {int(first) for version in versions if (first := version.partition(".")[0]).isdigit()}
        return majors.pop() if len(majors) == 1 else None

    def _system_install(self, by: str, *packages: str) -> Command:
        """The command with which the operating system's package manager installs packages."""
        verbs: dict[str, Command] = {
            "apk": ("add",),
            "brew": ("install",),
            "pacman": ("-S", "--noconfirm"),
            "winget": ("install", "--exact", "--id"),
        }
        return (by, *verbs.get(by, ("install", "-y")), *packages)

    def delete(self, *paths: str) -> tuple[Command, ...]:
        """Commands that delete files or folders (absolute paths)."""
        if not paths:
            return ()
        if self.view.snapshot.machine.system == "windows":
            return tuple(("powershell", "-Command", "Remove-Item", "-Recurse", "-Force", p) for p in paths)
        return (("rm", "-rf", "--", *paths),)

    def recreate(self, why: str = "make the environment again", *, python: str | None = None) -> Fix:
        """A fix that makes a new environment in the same place and tells how to fill it. Never safe: it replaces all."""
        version = python or self.view.python_short or self.view.snapshot.target.site_version
        commands: tuple[Command, ...]
        title = why
        wanted = sorted(
            f"{d.name}=={d.version}"
            for d in self.view.of_target
            if d.requested and d.version and version_of(d.version) and not (d.direct_url or d.editable or d.conda)
        )
        named = {pin.partition("=")[0] for pin in wanted} | {"pip", "setuptools", "wheel"}
        # Old installers do not note what was asked for, and projects on disk are no pins: then no list is whole.
        whole = all(d.name in named or d.name in self.view.closure.incoming for d in self.view.of_target)
        pins = tuple(wanted) if len(wanted) <= 12 and whole else ()
        if self.kind == "system" or (self.kind == "unknown" and self.view.snapshot.venv is None):
            # An installation is not made by venv or uv, and `--clear` would empty it.
            wanted_python = f"Python {version}" if version else "Python"
            return Fix(f"install {wanted_python} again from where it came, or use another one", "manual", (), (self.check(),))
        if self.kind in ("conda", "pixi"):
            tool = self.conda_tool()
            if tool == "pixi":
                manifest = self.pixi_manifest()
                commands = (("pixi", "clean", *manifest), ("pixi", "install", *manifest))
            elif tool == "conda":
                file = "environment.yml"
                commands = (
                    (tool, "env", "export", "-p", self.prefix, "--file", file),
                    (tool, "env", "remove", "-p", self.prefix, "-y"),
                    (tool, "env", "create", "-p", self.prefix, "--file", file),
                )
                title += f", from what it exports to {file}"
            else:
                # these print what they export: nothing may be removed before somebody has saved it
                title += (
                    f": save what this prints as environment.yml, then remove the environment and let {tool} create it from that"
                )
                return Fix(title, "manual", ((tool, "env", "export", "-p", self.prefix),), (self.check(),))
        elif self.view.snapshot.venv is not None and (self.view.snapshot.venv.uv or "uv" in self.tools):
            commands = (("uv", "venv", "--clear", *(("--python", version) if version else ()), self.prefix),)
            if pins:
                commands += (("uv", "pip", "install", "--python", self.prefix, *pins),)
            else:
                title += ", then install the project's requirements again"
        else:
            maker = "pypy" if self.view.snapshot.interpreter.implementation == "pypy" else "python"
            interpreter = f"{maker}{version or 3}"
            commands = ((interpreter, "-m", "venv", "--clear", self.prefix),)
            if pins:
                commands += ((self.python, "-m", "pip", "install", *pins),)
            else:
                title += ", then install the project's requirements again"
        return Fix(title, "unsafe", commands, (self.check(),))

    def check(self, *codes: str) -> Command:
        """The command that shows whether findings of these codes are gone."""
        select = ("--select", ",".join(codes)) if codes else ()
        return ("envdoctor", "check", "-p", self.prefix, *select)

    def safety(self, wanted: Safety, dist: Distribution | None = None) -> Safety:
        """`wanted`, or ``manual`` where the target is managed by the operating system (PEP 668)."""
        if self.view.snapshot.interpreter.externally_managed and not (dist is not None and (dist.conda or dist.system_package)):
            return "manual"
        return wanted

    def fix(
        self, title: str, commands: Iterable[Command], *codes: str, safety: Safety = "safe", verify: Iterable[Command] = ()
    ) -> Fix:
        """A fix with the usual verify command for `codes`, after those given."""
        return Fix(title, safety, tuple(commands), (*verify, self.check(*codes)))

    def manual(self, title: str, *codes: str, commands: Iterable[Command] = ()) -> Fix:
        """A fix that a person must decide on or do by hand."""
        return Fix(title, "manual", tuple(commands), (self.check(*codes),))

    def importing(self, module: str) -> Command:
        """The command that imports a module in the target."""
        return (self.python, "-c", f"import {module}")


def pinned(dist: Distribution) -> str:
    """The requirement for exactly this distribution: its URL where it came from one, else ``name==version``."""
    if dist.direct_url is not None:
        url = dist.direct_url
        if url.vcs:
            at = f"@{url.commit}" if url.commit else ""
            sub = f"#subdirectory={url.subdirectory}" if url.subdirectory else ""
            return f"{dist.name} @ {url.vcs}+{url.url}{at}{sub}"
        return f"{dist.name} @ {url.url}"
    return f"{dist.name}=={dist.version}" if dist.version and version_of(dist.version) else dist.name


def _equal(dist: Distribution) -> str:
    """``==version``, or nothing where the version is none."""
    return f"=={dist.version}" if dist.version and version_of(dist.version) else ""


def _source(dist: Distribution) -> str:
    """The folder of an editable install."""
    from urllib.parse import unquote, urlsplit

    url = dist.direct_url.url if dist.direct_url else ""
    return unquote(urlsplit(url).path) if url.startswith("file:") else url


def _conda_spec(requirement: str) -> str:
    """A PEP 508 requirement as conda takes it on its command line: no marker, no extras, no ``==`` local version."""
    text = requirement.split(";", 1)[0].strip()
    if "[" in text:
        head, _, tail = text.partition("[")
        text = head + tail.partition("]")[2]
    return text.replace(" ", "")
