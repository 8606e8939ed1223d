"""A compiled file is damaged.

## Why it matters
The loader refuses it (`file too short`, `invalid ELF header`), or, worse, maps a file whose end is missing and dies by
SIGBUS as soon as the missing part is touched: the process is gone with no message at all. Interrupted downloads and full disks
leave such files, and so do repositories that keep binaries in git-lfs and are checked out without it.

## How it is found
The headers of every compiled file are read: a magic number of none of the formats, nothing but zero bytes, no bytes at all, a
git-lfs pointer, program headers that are cut off, segments that end behind the end of the file. It is an error where an import
reaches the file: an extension module whose name this interpreter opens, or a library that one needs, directly or through
others, as the loader would find it. A file that nothing leads to counts, too, where RECORD proves that it was another one. Of
the rest it is information. Where only what the loader does not map is gone (section headers, symbols for debuggers), modules
still load: a warning.

## Look-alikes that are fine
- Linker scripts in text form (`libfoo.so` that says `INPUT(libfoo.so.1)`), static archives, LLVM bitcode.
- Text and other content under a native name that nothing loads; files for other systems.
- A module that another file of the same name stands in for, which the import system takes first.
- Files that cannot be read: that says nothing about their content.

## How to fix
Install the distribution again, with the same version. A pointer that was packed into the wheel itself comes back each time:
take another release, or build it from a checkout where `git lfs pull` was run.

## Example
`numpy 2.4.6 is damaged: numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so: truncated: 1048576 bytes of at least
10834192`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Severity, Subject
from envdoctor.loader.model import Root, base_name
from envdoctor.natives import Group, Native, count
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Distribution, NativeFile
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "LIB006",
    "native-file-corrupt",
    "error",
    reads=("natives", "libraries", "machine", "interpreter", "distributions", "sites", "target"),
    messages=(
        "{library}: file too short",
        "{library}: invalid ELF header",
        "ELF load command past end of file",
        "ELF file's phentsize not the expected size",
        "not a mach-o file",
        "cannot read file data",
        "slice is not valid mach-o file",
        "bad magic number",
    ),
)

_HARMLESS = ("a linker script", "a static archive", "LLVM bitcode", "cannot be read")
"""Beginnings of what is no damage of a file that the loader may meet by its name only."""
_DAMAGE = ("empty", "filled with zero", "begins with", "a git-lfs pointer", "truncated", "headers that make no sense")
"""Beginnings of what no builder makes on purpose."""
_ORDER = {"cpython": 0, "pypy": 0, "graalpy": 0, "abi3": 1, "none": 2}
"""The import system tries tagged names before untagged ones."""
_SUFFIXES = {"linux": (".so",), "macos": (".so", ".dylib"), "windows": (".pyd", ".dll")}


class Bad(NamedTuple):
    """One damaged file."""

    path: str
    """Absolute."""
    file: NativeFile
    owner: Distribution | None
    severity: Severity
    why: str
    """What leads to it, for a person; empty for an extension module."""
    module: str | None = None


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution (or file that belongs to none) and severity."""
    snapshot = view.snapshot
    everything = (*snapshot.natives, *snapshot.libraries, *view.machine.libraries)
    if not any(file.problem or file.sections_cut for file in everything):
        return
    found: dict[str, Bad] = {}
    for bad in (*_modules(view), *_needed(view), *_rest(view)):
        known = found.get(bad.path)
        if known is None or (known.severity != "error" and bad.severity == "error"):
            found[bad.path] = bad
    groups: dict[tuple[str, str, str], list[Bad]] = {}
    for path in sorted(found):
        bad = found[path]
        name = bad.owner.name if bad.owner is not None else ""
        groups.setdefault((bad.severity, name, "" if name else path), []).append(bad)
    for members in groups.values():
        yield _finding(view, members)


def _modules(view: View) -> Iterator[Bad]:
    """Extension modules that the interpreter would open."""
    for group in view.loading.groups:
        for native in group.natives:
            if not native.file.problem or not native.module or not _opened(native):
                continue
            if native.name is None or native.name.family == "none" or _has_stand_in(group, native):
                continue
            if not native.file.problem.startswith("cannot be read"):
                yield Bad(_absolute(view, group, native), native.file, group.dist, "error", "", native.module)


def _opened(native: Native) -> bool:
    return native.opened and native.python and native.arch is not False


def _has_stand_in(group: Group, native: Native) -> bool:
    """Another file of that module is taken before it."""
    assert native.name is not None
    own = _ORDER.get(native.name.family, 2)
    return any(
        other.module == native.module and other.fits and other.arch and other.name and _ORDER.get(other.name.family, 2) < own
        for other in group.natives
        if other is not native
    )


def _needed(view: View) -> Iterator[Bad]:
    """Files that the loader maps for an extension module, or stops at."""
    loads = view.loads
    owners: dict[str, Distribution] | None = None
    seen: dict[str, tuple[NativeFile, Root, tuple[str, ...]]] = {}
    for root in loads.roots:
        if root.kind == "extension":
            for loaded in loads.scope(root):
                if loaded.file.problem and loaded.path not in seen:
                    seen[loaded.path] = (loaded.file, root, loaded.chain)
    for needs in view.process.failing.values():
        for missing in needs:
            for path, _ in missing.passed if missing.root.kind == "extension" else ():
                file = loads.files.get(path)
                if file is not None and file.problem and not file.slices and path not in seen:
                    seen[path] = (file, missing.root, (*missing.chain, path))
    for path, (file, root, chain) in seen.items():
        if (file.problem or "").startswith("cannot be read"):
            continue
        if owners is None:
            owners = _owners(view)
        why = " → ".join(base_name(step) for step in chain) if len(chain) > 1 else ""
        yield Bad(path, file, owners.get(path), "error", why, root.module)


def _rest(view: View) -> Iterator[Bad]:
    """Damaged files that nothing is known to load, and those that lost only what no loader reads."""
    suffixes = _SUFFIXES[view.snapshot.target.system]
    for group in view.loading.groups:
        resized = _resized(group.dist)
        for native in group.natives:
            file = native.file
            problem = file.problem
            if file.sections_cut and not problem and native.arch and file.path not in resized:
                yield Bad(_absolute(view, group, native), file, group.dist, "warning", "")
            if not problem or native.arch is False or problem.startswith(_HARMLESS):
                continue
            name = base_name(file.path)
            if not (name.endswith(suffixes) or (".so." in name and view.snapshot.target.system == "linux")):
                continue
            proven = file.path in resized and (native.module is None or _opened(native))
            if proven and not (native.name is not None and native.name.family != "none"):
                yield Bad(_absolute(view, group, native), file, group.dist, "error", "other size than recorded", native.module)
            elif problem.startswith(_DAMAGE) and not (native.name is not None and native.name.family != "none"):
                yield Bad(_absolute(view, group, native), file, group.dist, "info", "nothing is known to load it")


def _resized(dist: Distribution | None) -> frozenset[str]:
    """Paths whose size is another one than RECORD says."""
    return frozenset(row.path for row in dist.record.resized) if dist is not None and dist.record is not None else frozenset()


def _absolute(view: View, group: Group, native: Native) -> str:
    return f"{view.snapshot.sites[group.site].path}/{native.file.path}"


def _owners(view: View) -> dict[str, Distribution]:
    """The distribution of each file of the site folders, by absolute path."""
    return {
        _absolute(view, group, native): group.dist
        for group in view.loading.groups
        if group.dist is not None
        for native in group.natives
    }


def _finding(view: View, members: list[Bad]) -> Finding:
    first = members[0]
    dist = first.owner
    severity = first.severity
    lines = [_line(view, bad) for bad in members[:5]]
    if len(members) > 5:
        lines.append(f"and {len(members) - 5} more")
    shown = view.inside(first.path)
    if len(members) == 1:
        what = f"{shown}: {_problem(first)}"
    else:
        what = f"{count(len(members), 'compiled file')}, {shown} first: {_problem(first)}"
    if dist is not None:
        label = f"{dist.name} {dist.version}" if dist.version else dist.name
        verdict = "has lost the end of" if severity == "warning" else "is damaged:"
        message = f"{label} {verdict} {what}"
        subject = view.distribution(dist)
    else:
        message = f"damaged: {what}"
        subject = view.file(first.path)
    subjects: list[Subject] = [subject, *(view.file(bad.path) for bad in members[:5])]
    # one distribution's files of two severities are two findings
    key = f"{subject.kind}:{subject.name}" + ("" if severity == "error" else f":{severity}")
    return RULE.finding(
        message,
        subjects,
        evidence=lines,
        fixes=_fixes(view, members),
        key=key,
        severity=severity,
        confidence="certain" if severity != "info" else "possible",
    )


def _problem(bad: Bad) -> str:
    return bad.file.problem or "its section headers lie behind its end; what the loader maps is whole"


def _line(view: View, bad: Bad) -> str:
    text = f"{view.inside(bad.path)}: {_problem(bad)}"
    if not bad.file.problem or not bad.file.problem.startswith(("empty", "truncated")):
        text += f" ({bad.file.size:,} bytes)"
    return f"{text}; {bad.why}" if bad.why else text


def _fixes(view: View, members: list[Bad]) -> list[Fix]:
    remedy = view.remedy
    dist = members[0].owner
    module = next((bad.module for bad in members if bad.module), None)
    verify = (remedy.importing(module),) if module and members[0].severity == "error" else ()
    pointers = all((bad.file.problem or "").startswith("a git-lfs pointer") for bad in members)
    if dist is not None and pointers and not _resized(dist).intersection(bad.file.path for bad in members):
        title = f"take another release of {dist.name}, or build it from a checkout after `git lfs pull`: it was packed like this"
        return [remedy.manual(title, RULE.code, commands=remedy.upgrade(dist))]
    if dist is not None:
        title = f"install {dist.name} {dist.version or ''}".rstrip() + " again"
        safety = remedy.safety("safe", dist)
        return [remedy.fix(title, remedy.reinstall(dist), RULE.code, safety=safety, verify=verify)]
    title = "install or build again what put this file there; no installed distribution owns it"
    return [Fix(title, "manual", (), (*verify, remedy.check(RULE.code)))]
