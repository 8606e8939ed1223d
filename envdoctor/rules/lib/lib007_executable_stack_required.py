"""A compiled file asks for an executable stack, which the C library or the kernel refuses.

## Why it matters
`ImportError: libctranslate2.so: cannot enable executable stack as shared object requires: Invalid argument`. Since version
2.41 glibc no longer makes the stack executable for a library that is loaded into a running process; such a file then cannot be
imported at all. The code rarely needs it: usually one assembler file was built without saying that it does not.

## How it is found
The program header PT_GNU_STACK of every extension module, and of every library that one brings in, is read; where it is absent
the default of the architecture holds (executable on x86, not on 64-bit ARM). The machine's glibc decides: an error from 2.41
on. Before that the file loads, unless SELinux, PaX or a service's MemoryDenyWriteExecute forbid it, and it will not on the
next release of the operating system: a warning.

## Look-alikes that are fine
- The interpreter itself, or a library that it or LD_PRELOAD brings along, asks for an executable stack: then it is one from
  the start, and nothing is refused.
- `GLIBC_TUNABLES=glibc.rtld.execstack=2` in this shell, which allows it.
- musl, which never looks at the header of libraries.
- Files that no extension module loads; macOS and Windows.

## How to fix
Take a newer release: most have been built anew. Else clear the flag in the file (`patchelf --clear-execstack`), or allow it
for one process.

## Example
`ctranslate2 4.5.0 cannot be loaded: libctranslate2-bc15bf3f.so.4.5.0 asks for an executable stack, which glibc 2.41 refuses`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Severity, Subject
from envdoctor.loader.model import Loaded, Root, base_name
from envdoctor.natives import count
from envdoctor.platforms import is_foreign
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Distribution
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "LIB007",
    "executable-stack-required",
    "error",
    reads=("natives", "libraries", "machine", "interpreter", "distributions", "sites", "shell", "target"),
    messages=("cannot enable executable stack as shared object requires",),
)

REFUSES = (2, 41)
"""The first glibc whose dlopen refuses (its NEWS; tried with the libc6 of Debian 13)."""


class Asks(NamedTuple):
    """One file with the flag, and the first extension module that brings it in."""

    loaded: Loaded
    root: Root


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution."""
    if view.snapshot.target.system != "linux" or not any(
        part.executable_stack for file in (*view.snapshot.natives, *view.snapshot.libraries) for part in file.slices
    ):
        return
    if is_foreign(view.snapshot, view.machine):
        raise Skip("the target belongs to another computer, whose C library is not known")
    profile = view.loading.profile
    if profile.libc == "musl":
        return
    loads = view.loads
    if any(one.part.executable_stack for one in loads.process) or _allowed(view):
        return
    found: dict[str, Asks] = {}
    for root in loads.roots:
        for loaded in loads.scope(root):
            if loaded.part.executable_stack and loaded.path not in found:
                found[loaded.path] = Asks(loaded, root)
    groups: dict[str, list[Asks]] = {}
    for path in sorted(found):
        asks = found[path]
        owner = asks.loaded.file.owner or asks.root.distribution
        groups.setdefault(owner or path, []).append(asks)
    if groups and profile.libc_version is None:
        raise Skip("the version of the machine's C library is not known")
    for name, members in groups.items():
        yield _finding(view, view.effective.get(name), members, profile.libc_version or (0, 0))


def _allowed(view: View) -> bool:
    """The shell's tunables make every stack executable. They are the shell's: on another machine they say nothing."""
    tunables = view.snapshot.shell.variables.get("GLIBC_TUNABLES", "").split(":")
    return view.machine is view.snapshot.machine and "glibc.rtld.execstack=2" in tunables


def _finding(view: View, dist: Distribution | None, members: list[Asks], libc: tuple[int, int]) -> Finding:
    version = ".".join(map(str, libc))
    severity: Severity = "error" if libc >= REFUSES else "warning"
    first = members[0]
    what = base_name(first.loaded.path) if len(members) == 1 else count(len(members), "file")
    asks = "asks" if len(members) == 1 else "ask"
    label = f"{dist.name} {dist.version or ''}".rstrip() if dist is not None else first.root.module
    if severity == "error":
        message = f"{label} cannot be loaded: {what} {asks} for an executable stack, which glibc {version} refuses"
    else:
        message = f"{label}: {what} {asks} for an executable stack, which glibc refuses from 2.41 on (this machine has {version})"
    paths = [asks.loaded.path for asks in members]
    subjects: list[Subject] = [view.distribution(dist)] if dist is not None else []
    subjects += [view.file(path) for path in paths[:5]]
    evidence = [_line(view, asks) for asks in members[:5]]
    if len(members) > 5:
        evidence.append(f"and {len(members) - 5} more")
    evidence.append(f"this machine: glibc {version}")
    remedy = view.remedy
    verify = (remedy.importing(first.root.module),) if first.root.module and severity == "error" else ()
    fixes = []
    if dist is not None:
        title = f"take a newer release of {dist.name}, built without the flag"
        safety = remedy.safety("unsafe", dist)
        fixes.append(remedy.fix(title, remedy.upgrade(dist), RULE.code, safety=safety, verify=verify))
    fixes.append(
        remedy.manual(
            "clear the flag in the file; or allow it for one process: GLIBC_TUNABLES=glibc.rtld.execstack=2",
            RULE.code,
            commands=tuple(("patchelf", "--clear-execstack", path) for path in paths[:5]),
        )
    )
    return RULE.finding(
        message,
        subjects,
        evidence=evidence,
        fixes=fixes,
        key=f"distribution:{dist.name}" if dist is not None else f"file:{view.inside(first.loaded.path)}",
        severity=severity,
    )


def _line(view: View, asks: Asks) -> str:
    chain = " → ".join(base_name(path) for path in asks.loaded.chain)
    line = f"{view.inside(asks.loaded.path)}: PT_GNU_STACK is executable (readelf -lW shows RWE), or absent"
    return f"{line}; {chain}" if asks.loaded.by is not None else line
