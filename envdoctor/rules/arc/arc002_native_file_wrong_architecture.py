"""A compiled file is for another architecture or operating system than the interpreter.

## Why it matters
The loader refuses it, and what Python says then misleads: on Linux an aarch64 file gives `cannot open shared object
file: No such file or directory`, a macOS file gives `invalid ELF header`, and a file whose name carries another
platform is not even opened, so that the error is `No module named numpy.core._multiarray_umath` although the file lies
there.

## How it is found
The header of every compiled file (ELF class, byte order and machine; each slice of a Mach-O file; PE machine) is
compared with that of the interpreter's own binary. A file counts when an import reaches it: an extension module in a
package folder, a library that one of them names, or the only kind of library in a wheel that is made for a platform.
Files are grouped by distribution.

## Look-alikes that are fine
- A fat Mach-O file (universal2) that has the interpreter's slice.
- Files that nothing loads: firmware, CUDA and HSACO device code, the Windows launchers inside pip and setuptools,
  payloads for other systems that lie beside the fitting one or in a wheel for any platform.
- Extension modules for several platforms side by side, one of which fits.
- Python of another version but the right architecture: that is ARC004.

## How to fix
Install the distribution again: the installer takes the wheel for this interpreter. An environment cannot be copied from
a computer of another architecture; then make it anew from its requirements or its lock.

## Example
`pip install --platform manylinux2014_aarch64 --target …` for a Lambda function, unpacked into the x86_64 environment of
the developer.
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.natives import Group, Loading, Native, count, describe, names_of, platform_of, some
from envdoctor.platforms import explain
from envdoctor.rules.base import Rule, Skip
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "ARC002",
    "native-file-wrong-architecture",
    "error",
    reads=("natives", "interpreter", "distributions", "machine", "target", "sites"),
    messages=(
        "incompatible architecture (have '{have}', need '{need}')",
        "wrong ELF class: {class}",
        "wrong architecture",
        "is not a valid Win32 application",
        "cannot open shared object file: wrong ELF class",
    ),
)

MANY = 12
"""From so many distributions on with one and the same fault it is told once, for the environment."""


class Wrong(NamedTuple):
    """The files of one group that do not fit and that an import reaches."""

    group: Group
    modules: list[Native]
    libraries: list[Native]

    @property
    def files(self) -> list[Native]:
        """Both, modules first."""
        return [*self.modules, *self.libraries]

    @property
    def platforms(self) -> tuple[str, ...]:
        """What they are for."""
        return tuple(sorted({platform_of(n.file) for n in self.files}))


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution, or one for the environment where many have the same fault."""
    loading = view.loading
    if not view.snapshot.natives:
        return
    if not loading.machines:
        raise Skip("the architecture of the interpreter is not known")
    found = [wrong for group in loading.groups if (wrong := _wrong(loading, group)) is not None]
    by_platform: dict[tuple[str, ...], list[Wrong]] = {}
    for wrong in found:
        by_platform.setdefault(wrong.platforms, []).append(wrong)
    for platforms, group in sorted(by_platform.items()):
        owned = [wrong for wrong in group if wrong.group.dist is not None]
        if len(owned) >= MANY:
            yield _environment(view, loading, platforms, owned)
            group = [wrong for wrong in group if wrong.group.dist is None]
        for wrong in group:
            yield _distribution(view, loading, wrong)


def _wrong(loading: Loading, group: Group) -> Wrong | None:
    bad = [n for n in group.natives if n.arch is False]
    if not bad:
        return None
    misplaced = _wheel_does_not_fit(loading, group)
    modules = []
    libraries = []
    for native in bad:
        if native.extension:
            if (group.site, native.module) in loading.loadable_modules or group.has_fitting_twin(native):
                continue
            if native.opened or misplaced or not group.fitting:
                modules.append(native)
            continue
        asked_for = names_of(native.file) & group.needed and not _provided(group, native)
        whole = not group.fitting and (misplaced or _for_a_platform(group)) and not group.has_fitting_twin(native)
        if asked_for or whole:
            libraries.append(native)
    return Wrong(group, modules, libraries) if modules or libraries else None


def _provided(group: Group, native: Native) -> bool:
    return bool(names_of(native.file) & group.provided)


def _wheel_does_not_fit(loading: Loading, group: Group) -> bool:
    """The wheel's own tags say that it is for another platform."""
    wheel = group.dist.wheel if group.dist is not None else None
    if wheel is None or not wheel.tags:
        return False
    return all(any(m.part == "platform" for m in explain(tag, loading.profile)) for tag in wheel.tags)


def _for_a_platform(group: Group) -> bool:
    """The wheel's tags name a platform, so it has been built for one."""
    wheel = group.dist.wheel if group.dist is not None else None
    return wheel is not None and bool(wheel.tags) and not any(tag.endswith("-any") for tag in wheel.tags)


def _what(wrong: Wrong) -> str:
    words = []
    if wrong.modules:
        words.append(count(len(wrong.modules), "extension module"))
    if wrong.libraries:
        words.append(count(len(wrong.libraries), "library"))
    return " and ".join(words)


def _lines(loading: Loading, wrong: Wrong, limit: int = 5) -> list[str]:
    lines = []
    for native in wrong.files[:limit]:
        line = f"{loading.shown(wrong.group, native.file)}: {describe(native.file)}"
        if native.module and not native.opened:
            line += ", never opened: this Python imports no file of such a name"
        lines.append(line)
    return some(lines, len(wrong.files), limit)


def _interpreter_line(view: View) -> str:
    interpreter = view.snapshot.interpreter
    if interpreter.binary is not None and interpreter.binary.slices:
        return f"interpreter {view.inside(interpreter.binary.path)}: {describe(interpreter.binary)}"
    return f"interpreter: {view.loading.here}"


def _distribution(view: View, loading: Loading, wrong: Wrong) -> Finding:
    group, dist = wrong.group, wrong.group.dist
    files = wrong.files
    are = "is" if len(files) == 1 else "are"
    tail = f"{are} for {' and '.join(wrong.platforms)}, this Python is {loading.here}"
    subject = loading.subject(group)
    first = wrong.modules[0].module if wrong.modules else None
    verify = (view.remedy.importing(first),) if first else ()
    fixes: list[Fix] = []
    if dist is not None:
        label = f"{dist.name} {dist.version}" if dist.version else dist.name
        message = f"{label} cannot be loaded: {_what(wrong)} {tail}"
        fixes.append(
            view.remedy.fix(
                f"install {dist.name} again, built for this interpreter",
                view.remedy.reinstall(dist),
                RULE.code,
                safety=view.remedy.safety("safe", dist),
                verify=verify,
            )
        )
    else:
        message = f"{group.key} cannot be loaded: {_what(wrong)} {tail}"
        paths = tuple(f"{view.snapshot.sites[group.site].path}/{n.file.path}" for n in files)
        fixes.append(
            view.remedy.manual(
                "build or install it for this interpreter; no installed distribution owns these files, so they may be deleted",
                RULE.code,
                commands=view.remedy.delete(*paths) if len(paths) <= 20 else (),
            )
        )
    subjects = [subject, *(view.file(f"{view.snapshot.sites[group.site].path}/{n.file.path}") for n in files[:5])]
    key = f"{subject.kind}:{dist.name if dist is not None else group.key}"
    return RULE.finding(message, subjects, evidence=[*_lines(loading, wrong), _interpreter_line(view)], fixes=fixes, key=key)


def _environment(view: View, loading: Loading, platforms: tuple[str, ...], group: list[Wrong]) -> Finding:
    files = sum(len(wrong.files) for wrong in group)
    words = " and ".join(platforms)
    lines = [line for wrong in group[:5] for line in _lines(loading, wrong, 1)[:1]]
    return RULE.finding(
        f"{len(group)} distributions cannot be loaded: {files} compiled files are for {words}, this Python is {loading.here}",
        [view.environment_subject(), *sorted((loading.subject(wrong.group) for wrong in group), key=_by_name)],
        evidence=[*some(lines, files), _interpreter_line(view)],
        fixes=[view.remedy.recreate(f"make the environment again on {loading.here}; compiled files cannot be carried over")],
        key=f"environment:{words}",
    )


def _by_name(subject: Subject) -> str:
    return subject.name
