"""Commands that lock again, and that install what is locked, by the tool that made the lock: ``Remedy.locks``. Pure, no IO.

Tools that have an option for the project's folder get it; for the others the title says where to run them. What a lock says of
the command that made it is never run: its file names and a few known options are taken, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from envdoctor.finding import Command, Fix, Safety
from envdoctor.lazy import pattern
from envdoctor.lock.held import Held
from envdoctor.lock.model import Lock, Manifest

if TYPE_CHECKING:
    from envdoctor.view import View

_NAME = pattern(r"[A-Za-z0-9][\w.-]*")
"""What of a lock may stand in a command by itself."""
TOOLS = {"uv": "uv", "pixi": "pixi", "poetry": "poetry", "pdm": "pdm", "pipfile": "pipenv", "conda-lock": "conda-lock"}
"""The tool of a format, where it has one."""
_CONDA_MANIFESTS = ("environment.yml", "environment.yaml")


class LockRemedy:
    """Commands about the locks of one snapshot."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.root = view.locks.root

    # ---------------------------------------------------------------------------------------------------------- places
    def file(self, lock: Lock) -> str:
        """The lock's path as commands need it."""
        return self._absolute(lock.path)

    def folder(self, lock: Lock) -> str:
        """The folder that the lock stands in."""
        return self.file(lock).replace("\\", "/").rpartition("/")[0] or "."

    def _absolute(self, path: str) -> str:
        if not self.root or path.startswith(("/", "\\")) or path[1:3] in (":/", ":\\"):
            return path
        return f"{self.root}/{path}"

    def tool(self, lock: Lock) -> str:
        """Who made the lock, as a program's name; envdoctor where nobody can be told."""
        maker = (lock.created_by or "").lower()
        if lock.format in ("conda-lock", "explicit"):
            return "conda-lock" if maker.startswith("conda-lock") else "envdoctor"
        if lock.format in TOOLS:
            return TOOLS[lock.format]
        first = maker.split(" ")[0].split("/")[0]
        return first if first in ("uv", "pip-compile", "pip", "pdm", "poetry", "pipenv") else "envdoctor"

    # ----------------------------------------------------------------------------------------------------------- again
    def relock(self, lock: Lock) -> tuple[str, tuple[Command, ...]]:
        """What to do, and the commands, to lock again from the manifests as they are."""
        tool, folder = self.tool(lock), self.folder(lock)
        name = lock.path.replace("\\", "/").rpartition("/")[2]
        commands: tuple[Command, ...]
        if tool == "uv" and lock.format == "uv":
            script = name.removesuffix(".lock")
            commands = (
                (("uv", "lock", "--script", f"{folder}/{script}"),)
                if name != "uv.lock"
                else (("uv", "lock", "--directory", folder),)
            )
        elif tool == "poetry" and lock.format == "poetry":
            commands = (("poetry", "lock", "--directory", folder),)
        elif tool == "pdm" and lock.format == "pdm":
            commands = (("pdm", "lock", "--project", folder, *(() if name == "pdm.lock" else ("--lockfile", name))),)
        elif tool == "pipenv" and lock.format == "pipfile":
            return f"let pipenv lock again, in {folder}", (("pipenv", "lock"),)
        elif tool == "pixi":
            commands = (("pixi", "lock", "--manifest-path", self.pixi_manifest(lock)),)
        elif tool == "conda-lock" and lock.format == "conda-lock":
            sources = [word for path in self._manifests(lock) for word in ("--file", path)]
            commands = (("conda-lock", "lock", *sources, "--lockfile", self.file(lock)),)
        elif tool == "uv" and self._manifests(lock):
            commands = (("uv", "pip", "compile", *self._manifests(lock), *self._uv_options(lock), "-o", self.file(lock)),)
        elif tool == "pip-compile" and self._manifests(lock):
            hashes = ("--generate-hashes",) if _hashed(lock) else ()
            commands = (("pip-compile", *hashes, "--output-file", self.file(lock), *self._manifests(lock)),)
        elif tool == "pip" and lock.format == "pylock":
            commands = (("pip", "lock", "-r", *self._manifests(lock)[:1], "-o", self.file(lock)),)
            if not self._manifests(lock):
                commands = (("pip", "lock", "-e", folder, "-o", self.file(lock)),)
        elif tool in ("pdm", "poetry", "pipenv"):
            return f"export {name} again with {tool}, in {folder}", ()
        else:
            tool = "envdoctor"
            commands = (self._own(lock),)
        return f"let {tool} lock again", commands

    def _own(self, lock: Lock) -> Command:
        """``envdoctor lock`` for this lock."""
        kinds = {"conda-lock": "conda-lock", "explicit": "explicit", "pylock": "pylock", "requirements": "requirements"}
        sources = [word for path in self._manifests(lock) for word in ("-f", path)]
        kind = ("--kind", kinds[lock.format]) if lock.format in kinds else ()
        return ("envdoctor", "lock", *sources, *kind, "-o", self.file(lock))

    def _manifests(self, lock: Lock) -> tuple[str, ...]:
        """Absolute paths of what it is made from, as far as that is known."""
        return tuple(self._absolute(path) for path in lock.manifests if not path.startswith("-"))

    def _uv_options(self, lock: Lock) -> tuple[str, ...]:
        """Options of ``uv pip compile`` that the lock's header names."""
        words = dict(lock.recorded).get("command", "").split()
        options = ["--universal"] if "--universal" in words else []
        if "--generate-hashes" in words or (lock.format == "requirements" and _hashed(lock)):
            options.append("--generate-hashes")
        for at, word in enumerate(words[:-1]):
            if word in ("--python-version", "--extra", "--group") and _NAME.fullmatch(words[at + 1]):
                options += [word, words[at + 1]]
        return tuple(options)

    def pixi_manifest(self, lock: Lock) -> str:
        """The manifest of a pixi project."""
        for path in (*lock.manifests, *(one.path for one in self.view.snapshot.manifests if "pixi" in (one.format, *one.tools))):
            if path.endswith((".toml",)):
                return self._absolute(path)
        return f"{self.folder(lock)}/pixi.toml"

    # --------------------------------------------------------------------------------------------------------- install
    def sync(self, held: Held) -> tuple[str, tuple[Command, ...]]:
        """What to do, and the commands, to install what is locked into the target. What is installed besides stays."""
        lock, remedy = held.lock, self.view.remedy
        folder, prefix = self.folder(lock), remedy.prefix
        own = prefix.replace("\\", "/").rpartition("/")[0] == folder and prefix.endswith(".venv")
        title = f"install what {lock.path} locks"
        groups = [group for group in held.groups or () if group not in ("main", "default") and _NAME.fullmatch(group)]
        held = held._replace(extras=tuple(extra for extra in held.extras if _NAME.fullmatch(extra)))
        if lock.format == "uv" and lock.path.endswith("uv.lock"):
            where = () if own else ("--active",)
            alone = bool(groups) and "" not in (held.groups or ())
            options = [w for g in groups for w in ("--only-group" if alone else "--group", g)]
            options += [w for extra in held.extras for w in ("--extra", extra)]
            if not alone and "dev" in lock.default_groups and "dev" not in groups:
                options.append("--no-dev")
            everyone = ("--all-packages",) if held.projects is not None and len(held.projects) > 1 else ()
            command = ("uv", "sync", "--directory", folder, "--frozen", "--inexact", *where, *everyone, *options)
            if not own:
                title += f", with {prefix} activated"
            return title, (command,)
        if lock.format == "poetry":
            extras = [word for extra in held.extras for word in ("--extras", extra)]
            alone = bool(groups) and not {"", "main"}.intersection(held.groups or ())
            without = [group for group in lock.default_groups if group not in groups and _NAME.fullmatch(group) and not alone]
            skipped = ("--without", ",".join(without)) if without else ()
            if not own:
                title += f", with {prefix} activated"
            chosen = ("--only" if alone else "--with", ",".join(groups)) if groups else ()
            return title, (("poetry", "install", "--directory", folder, *chosen, *skipped, *extras),)
        if lock.format == "pdm":
            options = [word for group in (*groups, *held.extras) for word in ("-G", group)]
            if groups and not {"", "default"}.intersection(held.groups or ()):
                options.insert(0, "--no-default")
            if not own:
                title += f", with {prefix} activated"
            return title, (("pdm", "install", "--project", folder, "--frozen-lockfile", *options),)
        if lock.format == "pipfile":
            dev = ("--dev",) if "develop" in groups else ()
            return f"{title}, in {folder}", (("pipenv", "sync", *dev),)
        if lock.format == "pixi":
            environment = next((group for group in held.groups or () if _NAME.fullmatch(group)), "default")
            return title, (("pixi", "install", "--frozen", "--manifest-path", self.pixi_manifest(lock), "-e", environment),)
        if lock.format == "conda-lock":
            return title, (self._conda_lock(lock),)
        if lock.format == "explicit":
            tool = remedy.conda_tool()
            return title, ((tool, "install", "-p", prefix, "--file", self.file(lock)),)
        return title, remedy.install_file(self.file(lock))

    def _conda_lock(self, lock: Lock) -> Command:
        tool = self.view.remedy.conda_tool()
        prefix = self.view.remedy.prefix
        if tool in ("micromamba", "mamba") and lock.path.endswith(("-lock.yml", "-lock.yaml")):
            return (tool, "install", "-p", prefix, "-f", self.file(lock))
        return ("conda-lock", "install", "-p", prefix, self.file(lock))

    def add(self, lock: Lock, *names: str) -> tuple[Command, ...]:
        """Commands that make packages part of what is locked; none where only a manifest can be edited."""
        folder = self.folder(lock)
        commands: dict[str, Command] = {
            "uv": ("uv", "add", "--directory", folder, *names),
            "poetry": ("poetry", "add", "--directory", folder, *names),
            "pdm": ("pdm", "add", "--project", folder, *names),
            "pipfile": ("pipenv", "install", *names),
            "pixi": ("pixi", "add", "--manifest-path", self.pixi_manifest(lock), *names),
        }
        return (commands[lock.format],) if lock.format in commands else ()

    def for_platform(self, lock: Lock, platform: str) -> tuple[str, tuple[Command, ...]]:
        """What to do, and the commands, to lock for one more platform."""
        if lock.format == "pixi":
            manifest = self.pixi_manifest(lock)
            return f"add {platform} to the project", (
                ("pixi", "workspace", "platform", "add", "--manifest-path", manifest, platform),
            )
        title, commands = self.relock(lock)
        platforms = [one for one in (*lock.platforms, platform) if _NAME.fullmatch(one)]
        if lock.format == "conda-lock" and self.tool(lock) == "conda-lock":
            known = [word for one in platforms for word in ("-p", one)]
            return f"lock for {platform}, too", ((*commands[0], *known),)
        if lock.format in ("conda-lock", "explicit"):
            known = [word for one in platforms for word in ("--platform", one)]
            if lock.format == "explicit":
                sources = [word for path in self._manifests(lock) for word in ("-f", path)]
                other = f"{self.folder(lock)}/conda-{platform}.lock"
                return f"lock for {platform}, too", (
                    ("envdoctor", "lock", *sources, "--kind", "explicit", "--platform", platform, "-o", other),
                )
            return f"lock for {platform}, too", ((*self._own(lock), *known),)
        return title, commands

    def make(self, manifest: Manifest) -> tuple[str, tuple[Command, ...]]:
        """What to do, and the commands, to make a first lock of a manifest."""
        path = self._absolute(manifest.path)
        folder = path.replace("\\", "/").rpartition("/")[0]
        first: dict[str, Command] = {
            "pixi": ("pixi", "lock", "--manifest-path", path),
            "uv": ("uv", "lock", "--directory", folder),
            "poetry": ("poetry", "lock", "--directory", folder),
            "pdm": ("pdm", "lock", "--project", folder),
        }
        if manifest.format == "pipfile":
            return f"let pipenv lock, in {folder}", (("pipenv", "lock"),)
        for tool, command in first.items():
            if manifest.format == tool or (manifest.format == "pyproject" and tool in manifest.tools):
                return f"let {tool} lock", (command,)
        return "make a lock", (("envdoctor", "lock", "-f", path),)

    # ----------------------------------------------------------------------------------------------------------- fixes
    def check(self, lock: Lock | None, *codes: str, target: bool = False) -> Command:
        """The command that shows whether findings about a lock are gone; with `target` compared with the environment."""
        select = ("--select", ",".join(codes)) if codes else ()
        if target:
            remedy = self.view.remedy
            named = ("--lock", self.file(lock)) if lock is not None and lock.named else ()
            project = ("--project", self.root) if self.root and not named else ()
            return ("envdoctor", "check", "-p", remedy.prefix, *project, *named, *select)
        if lock is None:
            return ("envdoctor", "lock", "--check", *(("--project", self.root) if self.root else ()), *select)
        return ("envdoctor", "lock", "--check", self.file(lock), *select)

    def fix(
        self,
        what: tuple[str, Iterable[Command]],
        lock: Lock | None,
        *codes: str,
        target: bool = False,
        safety: Safety = "unsafe",
    ) -> Fix:
        """A fix of a title and its commands; one without commands is for a person."""
        title, commands = what[0], tuple(what[1])
        return Fix(title, safety if commands else "manual", commands, (self.check(lock, *codes, target=target),))

    def install(self, held: Held, *codes: str) -> Fix:
        """The fix that installs what is locked."""
        return self.fix(self.sync(held), held.lock, *codes, target=True, safety=self.view.remedy.safety("unsafe"))

    def again(self, lock: Lock, *codes: str, title: str | None = None) -> Fix:
        """The fix that locks again."""
        words, commands = self.relock(lock)
        return self.fix((title or words, commands), lock, *codes)


def _hashed(lock: Lock) -> bool:
    return any(artifact.hashes for entry in lock.packages for artifact in entry.artifacts)
