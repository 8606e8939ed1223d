"""Scripts of bin/ and what they run under, activate scripts, Jupyter kernels: everything that names an interpreter.

Formats: ``#!`` lines (execve(2)), the ``'''exec'`` trampoline that pip and uv write for long paths and relocatable
environments, distlib's and uv's Windows launchers (text behind a PE file), the activate scripts of venv, virtualenv and uv,
kernel.json (https://jupyter-client.readthedocs.io/en/stable/kernels.html).
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from envdoctor.collect import files
from envdoctor.collect.scene import Scene
from envdoctor.lazy import pattern
from envdoctor.snapshot import Kernel, PrefixRecord, Script, text
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.collect import interpreter

HEAD = 512
"""Bytes read of each file in bin/."""
LONG_HEAD = 8192
"""Bytes read when a trampoline's line does not end in the first ones."""
TAIL = 64 << 10
"""Bytes at the end of a Windows launcher in which its shebang is looked for."""
MAX_SCRIPTS = 5000
"""Files of bin/ that are opened."""
MAX_KERNELS = 200

_PYTHON = pattern(r"^\.?(python|pypy|graalpy|jython|ipy)w?[\d.]*[a-z]{0,2}(-wrapped|\.exe|\.app)?$", re.IGNORECASE)
_RELOCATABLE = pattern(rb"""[/\\]['"]?([\w.-]+)['"]?["']*\s+["']?\$0""")
_VERSION = pattern(r"(?:python|pypy)(\d\.\d+)", re.IGNORECASE)


class Facts(NamedTuple):
    """What :func:`collect` finds."""

    scripts: tuple[Script, ...] = ()
    prefix_records: tuple[PrefixRecord, ...] = ()
    kernels: tuple[Kernel, ...] = ()


class Shebang(NamedTuple):
    """The interpreter that a file asks for. `interpreter` is as written; bare for ``/usr/bin/env NAME``."""

    interpreter: str
    relocatable: bool = False
    """It is looked for beside the script; `interpreter` is its file name."""


class Place(NamedTuple):
    """The environment that an interpreter belongs to."""

    prefix: str
    virtual: bool
    """A venv, virtualenv or conda environment: its own site-packages over somebody else's standard library, or all its own."""
    identity: str
    """Equal for two interpreters that see the same packages."""


def is_python(interpreter: str) -> bool:
    """The file name is that of a Python interpreter."""
    return _PYTHON.match(re.split(r"[/\\]", interpreter)[-1]) is not None


def shebang(head: bytes) -> Shebang | None:
    """The interpreter named by the beginning of a script, shell trampolines followed. None where there is none."""
    if not head.startswith(b"#!"):
        return None
    first, _, rest = head[2:].partition(b"\n")
    line = first.strip().decode("utf-8", "surrogateescape")
    if not line or "\0" in line:
        return None
    if line.startswith('"'):
        program, _, arguments = line[1:].partition('"')
    else:
        parts = line.split(None, 1)
        program, arguments = parts[0], parts[1] if len(parts) > 1 else ""
    name = re.split(r"[/\\]", program)[-1]
    if name in ("env", "env.exe"):
        for word in _words(arguments):
            if word.startswith("-S") and len(word) > 2:
                word = word[2:]
            if word.startswith("-") or ("=" in word and "/" not in word.split("=", 1)[0]):
                continue
            return Shebang(word)
        return None
    if name in ("sh", "bash", "dash", "zsh", "ash", "ksh"):
        return _trampoline(rest)
    return Shebang(program)


def _trampoline(rest: bytes) -> Shebang | None:
    """The interpreter that a shell script hands itself to in its first lines (``'''exec' /path/python "$0" "$@"``)."""
    for raw in rest.split(b"\n")[:8]:
        line = raw.strip()
        if b"exec" not in line or b"$0" not in line:
            continue
        if b"dirname" in line or b"${0%" in line or b"realpath" in line:
            found = _RELOCATABLE.search(line)
            return Shebang(found[1].decode(), True) if found and is_python(found[1].decode()) else None
        words = _words(line.decode("utf-8", "surrogateescape"))
        if not words or words[0] != "exec":
            continue
        for word in words[1:]:
            if word.startswith("$"):
                break
            if not word.startswith("-"):
                return Shebang(word) if is_python(word) else None
    return None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def launcher_shebang(tail: bytes) -> Shebang | None:
    """The interpreter in the tail of a Windows launcher (distlib: shebang before a zip; uv: path before its magic)."""
    if tail[-4:] in (b"UVSC", b"UVPY") and len(tail) > 8:
        length = int.from_bytes(tail[-8:-4], "little")
        if 0 < length <= min(len(tail) - 8, 4096):
            path = tail[-8 - length : -8].decode("utf-8", "surrogateescape")
            return Shebang(path, not re.match(r"^([A-Za-z]:|[/\\])", path))
        return None
    archive = tail.rfind(b"PK\x05\x06")
    start = tail.find(b"PK\x03\x04")
    if archive < 0 or start < 0:
        return None
    at = tail.rfind(b"#!", 0, start)
    return shebang(tail[at:start]) if at >= 0 else None


def read_shebang(path: str, *, windows: bool = False) -> Shebang | None:
    """The interpreter that the file runs under; None for native programs and what names none. Raises files.Unreadable."""
    fd, info = files.open_regular(path)
    try:
        head = os.read(fd, HEAD)
        if head[:2] == b"#!":
            if len(head) == HEAD and (head.count(b"\n") < 2 or b"exec" in head):
                head += os.read(fd, LONG_HEAD)
            return shebang(head)
        if head[:2] == b"MZ" and windows and info.st_size <= 64 << 20:
            size = min(TAIL, info.st_size)
            os.lseek(fd, info.st_size - size, os.SEEK_SET)
            return launcher_shebang(os.read(fd, size))
        return None
    except OSError as error:
        raise files.unreadable(error) from None
    finally:
        os.close(fd)


def place_of(interpreter: str, root: Scene | None = None) -> Place:
    """The environment of an interpreter by its path, as Python finds it: by pyvenv.cfg beside or above, else the real file."""

    def here(path: str) -> str:
        return root.rooted(path) if root is not None else path

    folder = os.path.dirname(interpreter)
    for home in (folder, os.path.dirname(folder)):
        if home and files.is_file(here(f"{home}/pyvenv.cfg")):
            return Place(home, True, files.real(here(home)))
    above = os.path.dirname(folder)
    if files.is_folder(here(f"{above}/conda-meta")):
        return Place(above, True, files.real(here(above)))
    if files.is_folder(here(f"{folder}/conda-meta")):
        return Place(folder, True, files.real(here(folder)))
    real = files.real(here(interpreter))
    home = os.path.dirname(real)
    if posixpath.basename(home.replace("\\", "/")).lower() in ("bin", "scripts"):
        home = os.path.dirname(home)
    sysroot = root.target.sysroot if root is not None else None
    if sysroot and home.startswith(sysroot.rstrip("/") + "/"):
        home = home[len(sysroot.rstrip("/")) :]
    return Place(home, False, real)


def _reach(scene: Scene, path: str) -> bool:
    """Something stands at an absolute path of the target, links followed; inside a mounted root, links stay inside."""
    if scene.target.sysroot is None:
        return files.exists(path)
    for _ in range(40):
        here = scene.rooted(path)
        link = files.link(here)
        if link is None:
            return files.exists(here)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    return False


def _unknowable(scene: Scene) -> bool:
    """Paths that the target names say nothing here: it belongs to another machine and is not mounted as a root."""
    return scene.target.foreign and scene.target.sysroot is None


class _Judge:
    """Answers whether an interpreter is the target's own; each folder and interpreter is asked once."""

    def __init__(self, scene: Scene, facts: interpreter.Facts) -> None:
        self.scene = scene
        self.real = facts.interpreter.real_path
        self.venv = facts.venv is not None
        self.version = ".".join((facts.interpreter.version or "").split(".")[:2])
        self.folders: dict[str, bool] = {}
        self.answers: dict[str, tuple[bool, bool, str | None]] = {}

    def own_folder(self, folder: str) -> bool:
        if folder not in self.folders:
            self.folders[folder] = folder == self.scene.bin or files.same(self.scene.rooted(folder), self.scene.bin)
        return self.folders[folder]

    def judge(self, path: str) -> tuple[bool, bool, str | None]:
        """(exists, is the target's own, prefix) of an absolute interpreter path."""
        if path not in self.answers:
            self.answers[path] = self._judge(path)
        return self.answers[path]

    def _judge(self, path: str) -> tuple[bool, bool, str | None]:
        folder = os.path.dirname(path)
        if _unknowable(self.scene):
            return True, True, _above(path)
        exists = _reach(self.scene, path)
        if self.own_folder(folder):
            named = _VERSION.search(os.path.basename(path))
            # /usr/bin holds several Pythons; a venv's bin holds one under several names
            other = not self.venv and named is not None and bool(self.version) and named[1] != self.version
            return exists, not other, _above(path)
        if not exists:
            return False, False, _above(path)
        place = place_of(path, self.scene)
        same = files.same(self.scene.rooted(place.prefix), self.scene.prefix) if place.virtual else False
        if not same and not self.venv and not place.virtual and self.real is not None:
            same = files.real(self.scene.rooted(path)) == files.real(self.scene.rooted(self.real))
        return exists, same, place.prefix


def _above(path: str) -> str | None:
    """The prefix of ``PREFIX/bin/python`` by its text."""
    parts = re.split(r"([/\\])", path)
    if len(parts) >= 5 and parts[-3].lower() in ("bin", "scripts"):
        return "".join(parts[:-4]) or None
    return "".join(parts[:-2]) or None


def collect(scene: Scene, facts: interpreter.Facts, owners_absolute: Mapping[str, str]) -> Facts:
    """Scripts of the target's bin folder, the prefixes its scripts were written for, and the kernels that concern it.

    `owners_absolute` maps absolute paths of recorded files outside the site folders to their distribution. In a system
    interpreter's bin only recorded scripts count; the rest belongs to the operating system.
    """
    judge = _Judge(scene, facts)
    scripts = _scripts(scene, judge, owners_absolute)
    return Facts(scripts, _prefix_records(scene, facts, scripts), _kernels(scene, judge))


def _scripts(scene: Scene, judge: _Judge, owners: Mapping[str, str]) -> tuple[Script, ...]:
    found: list[Script] = []
    for path in _candidates(scene, owners):
        try:
            named = read_shebang(path, windows=scene.windows)
        except files.Unreadable:
            continue
        if named is None:
            continue
        owner = owners.get(path)
        if named.relocatable:
            program = f"{os.path.dirname(path)}/{named.interpreter}"
            found.append(
                Script(path=text(path), interpreter=text(program), exists=files.exists(program), owner=owner, relocatable=True)
            )
            continue
        if not is_python(named.interpreter):
            continue
        if not os.path.isabs(named.interpreter) and not re.match(r"^[A-Za-z]:[/\\]", named.interpreter):
            found.append(Script(path=text(path), interpreter=text(named.interpreter), owner=owner))
            continue
        exists, same, prefix = judge.judge(named.interpreter)
        found.append(
            Script(
                path=text(path),
                interpreter=text(named.interpreter),
                exists=exists,
                same_prefix=same,
                prefix=None if prefix is None else text(prefix),
                owner=owner,
                executable=(exists and same) or scene.windows or _executable(path),
            )
        )
    return tuple(found)


def _executable(path: str) -> bool:
    mode = files.mode(path)
    return mode is not None and bool(mode & 0o111)


def _candidates(scene: Scene, owners: Mapping[str, str]) -> list[str]:
    """Files to open: all of bin/ that are no links, or the recorded ones for a system interpreter."""
    if scene.target.kind == "system":
        folders = ("bin", "sbin", "Scripts")
        return sorted(p for p in owners if os.path.basename(os.path.dirname(p)) in folders)[:MAX_SCRIPTS]
    paths: list[str] = []
    try:
        with files.entries(scene.bin) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith(("activate", "deactivate", "python")) and name in _NOT_SCRIPTS:
                    continue
                try:
                    if entry.is_file(follow_symlinks=False):
                        paths.append(entry.path)
                except OSError:
                    continue
    except files.Unreadable as reason:
        if not reason.missing:
            scene.gap("scripts", scene.bin, str(reason))
        return []
    paths.sort()
    if len(paths) > MAX_SCRIPTS:
        scene.gap("scripts", scene.bin, f"only the first {MAX_SCRIPTS} of {len(paths)} files were read")
    return paths[:MAX_SCRIPTS]


_NOT_SCRIPTS = frozenset(
    f"{verb}{suffix}"
    for verb in ("activate", "deactivate")
    for suffix in ("", ".bat", ".csh", ".fish", ".nu", ".ps1", ".xsh", "_this.py")
) | {"python", "python3", "python.exe", "pythonw.exe"}


# ------------------------------------------------------------------------------------------------------- prefix records
_ASSIGNMENTS = {
    "activate": ("VIRTUAL_ENV=", "export VIRTUAL_ENV="),
    "activate.csh": ("setenv VIRTUAL_ENV ",),
    "activate.fish": ("set -gx VIRTUAL_ENV ",),
}


def activate_prefix(name: str, content: str) -> str | None:
    """The folder that an activate script sets VIRTUAL_ENV to; None where it is computed (relocatable) or not found."""
    for raw in content.splitlines():
        line = raw.strip()
        for start in _ASSIGNMENTS.get(name, ()):
            if not line.startswith(start):
                continue
            value = line[len(start) :].strip()
            if "$(" in value or "`" in value or "(" in value[:4] or value.startswith(('"$', "$")):
                continue
            try:
                words = shlex.split(value)
            except ValueError:
                continue
            if words and words[0] and "$" not in words[0]:
                return words[0]
    return None


def _prefix_records(scene: Scene, facts: interpreter.Facts, scripts: tuple[Script, ...]) -> tuple[PrefixRecord, ...]:
    if _unknowable(scene) or scene.target.kind == "system":
        return ()
    records: list[PrefixRecord] = []

    def add(source: str, path: str, prefix: str) -> None:
        here = scene.rooted(prefix)
        records.append(
            PrefixRecord(
                source=source,  # type: ignore[arg-type]
                path=text(path),
                prefix=text(prefix),
                exists=files.is_folder(here),
                same=files.same(here, scene.prefix),
            )
        )

    venv = facts.venv
    if venv is not None and venv.command_prefix and not venv.relocatable:
        add("pyvenv.cfg", venv.path, venv.command_prefix)
    for name in _ASSIGNMENTS if venv is not None else ():
        path = f"{scene.bin}/{name}"
        try:
            prefix = activate_prefix(name, files.read_text(path, 64 << 10))
        except files.Unreadable:
            continue
        if prefix is not None:
            add("activate", path, prefix)
    # A script of another environment proves nothing about this one where something else knows better; most of several do.
    known = any(record.same for record in records)
    conda = scene.target.kind in ("conda", "pixi")
    named = [s for s in scripts if s.prefix is not None and not s.relocatable and (conda or s.owner is not None)]
    for prefix, count in sorted(Counter(s.prefix for s in named if s.prefix).items()):
        if 2 * count > len(named) and (count > 1 or not known or files.same(scene.rooted(prefix), scene.prefix)):
            add("conda" if conda else "script", next(s.path for s in named if s.prefix == prefix), prefix)
    return tuple(records)


# --------------------------------------------------------------------------------------------------------------- kernels
def _kernel_folders(scene: Scene) -> list[tuple[str, bool]]:
    """Folders that hold kernelspecs, the target's own first, with whether they are the target's."""
    folders = [(f"{scene.prefix}/share/jupyter/kernels", True)]
    if scene.target.foreign:
        return folders
    environ, home = scene.environ, scene.home
    user: list[str] = [p for p in environ.get("JUPYTER_PATH", "").split(os.pathsep) if p]
    if environ.get("JUPYTER_DATA_DIR"):
        user.append(environ["JUPYTER_DATA_DIR"])
    elif scene.target.system == "windows":
        user += [f"{environ['APPDATA']}/jupyter"] if environ.get("APPDATA") else []
    elif scene.target.system == "macos":
        user += [f"{home}/Library/Jupyter"] if home else []
    else:
        data = environ.get("XDG_DATA_HOME") or (f"{home}/.local/share" if home else None)
        user += [f"{data}/jupyter"] if data else []
    for base in user:
        folder = f"{base}/kernels"
        if os.path.isabs(folder) and not any(folder == seen or files.same(folder, seen) for seen, _ in folders):
            folders.append((folder, False))
    return folders


def _kernels(scene: Scene, judge: _Judge) -> tuple[Kernel, ...]:
    found: list[Kernel] = []
    for folder, own in _kernel_folders(scene):
        try:
            names = files.names(folder)
        except files.Unreadable:
            continue
        for name in names[:MAX_KERNELS]:
            path = f"{folder}/{name}/kernel.json"
            try:
                data = files.read(path, 1 << 20)
            except files.Unreadable as error:
                if not error.missing:
                    found.append(Kernel(name=text(name), path=text(path), of_target=own, problem=str(error)))
                continue
            found.append(_kernel(judge, name, path, own, data.data))
    return tuple(found)


def _kernel(judge: _Judge, name: str, path: str, own: bool, data: bytes) -> Kernel:
    import msgspec

    argv: list[str] = []
    problem: str | None = None
    language: str | None = None
    try:
        spec = msgspec.json.decode(data)
        language = spec.get("language") if isinstance(spec, dict) and isinstance(spec.get("language"), str) else None
        words = spec.get("argv") if isinstance(spec, dict) else None
        if isinstance(words, list) and words and all(isinstance(w, str) for w in words):
            argv = words
        else:
            problem = "no argv"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = "not JSON"
    if not argv or problem:
        return Kernel(name=text(name), path=text(path), language=language, of_target=own, problem=problem)
    program = argv[0].replace("{resource_dir}", os.path.dirname(path))
    exists, same, prefix, version = True, True, None, None
    if os.path.isabs(program) or re.match(r"^[A-Za-z]:[/\\]", program):
        exists, same, prefix = judge.judge(program)
        if not is_python(program):
            same = True
        found = _VERSION.search(program)
        version = found[1] if found else None
    return Kernel(
        name=text(name),
        path=text(path),
        argv=tuple(_clean(word) for word in argv[:40]),
        language=None if language is None else _clean(language),
        exists=exists,
        same_prefix=same,
        prefix=None if prefix is None else text(prefix),
        of_target=own,
        version=version,
    )


def _clean(word: str) -> str:
    """A string out of JSON as a fact: bounded, no lone surrogates."""
    return word[:1000].encode("utf-8", "backslashreplace").decode()
