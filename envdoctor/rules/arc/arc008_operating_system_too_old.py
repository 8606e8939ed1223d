"""A package declares that it needs a newer operating system or C library than the machine has.

## Why it matters
Compiled code uses what the system it was built on has. On an older glibc the loader says ``version `GLIBC_2.38' not
found``; on an older macOS a symbol is missing when the module loads; a library that asks for a newer kernel is passed
over as if it were not there. Nothing in the environment is broken: the same files work on a newer system.

## How it is found
Four declarations are compared with the machine: the version in the wheel's platform tag (`manylinux_2_39`,
`musllinux_1_2`, `macosx_14_0`), the highest `GLIBC_` version that an extension module or its libraries need (weak needs
left out), the minimum that a file's own header names (`LC_BUILD_VERSION` of macOS, the ABI note of ELF), and what conda
packages ask of `__glibc`, `__osx`, `__linux` and `__musl` in their `depends`.

## Look-alikes that are fine
- A wheel with several tags, one of which is low enough.
- A tag that is too high while all files need less (ARC003 warns of the tag).
- Weak version needs, and libraries that no extension module names.
- A target of another computer.
- musl wheels on glibc and the reverse: no version is too old there; ARC003 tells.

## How to fix
Use a newer operating system (a newer base image), or an earlier version of the package, whose wheels ask for less.
conda-forge builds for glibc 2.17 where PyPI has only newer ones.

## Example
An environment that was made on Ubuntu 24.04 (glibc 2.39) is used on a cluster with Rocky Linux 8 (glibc 2.28).
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Confidence, Finding, Fix, Severity, Subject, fingerprint
from envdoctor.natives import Group, Loading, Native, names_of, some, wheel_tags
from envdoctor.platforms import explain, is_foreign, numbers
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import CondaPackage, Distribution
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

RULE = Rule(
    "ARC008",
    "operating-system-too-old",
    "error",
    reads=("distributions", "natives", "machine", "interpreter", "target", "sites", "conda_packages"),
    messages=(
        "version `GLIBC_{version}' not found",
        "was built for macOS {version} which is newer than running OS",
        "which was built for Mac OS X {version}",
        "requires macOS {version} or later",
        "Error loading shared library ld-linux-{arch}.so",
    ),
)

MANY = 12
"""From so many distributions on that lack the same thing it is told once, for the environment."""


class Need(NamedTuple):
    """One declaration that the machine does not meet."""

    what: str
    """glibc, musl, macOS, kernel."""
    version: tuple[int, ...]
    have: tuple[int, ...]
    evidence: str
    from_tag: bool = False
    certain: bool = True
    """What is asked for is also used; a macOS minimum is not enforced by the loader."""


class Lacking(NamedTuple):
    """What one distribution (or group of files) needs."""

    group: Group | None
    dist: Distribution | None
    needs: list[Need]

    @property
    def worst(self) -> Need:
        """The need that decides: proven ones first, the highest version."""
        return max(self.needs, key=lambda n: (n.certain, n.version))


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution, or one for the machine where many lack the same thing."""
    if is_foreign(view.snapshot, view.machine):
        raise Skip("the target belongs to another computer, whose operating system is not known")
    loading = view.loading
    found: dict[tuple[int, str], Lacking] = {}
    for group in loading.groups:
        needs = _file_needs(view, loading, group)
        if needs:
            found[group.site, group.key] = Lacking(group, group.dist, needs)
    for dist in view.effective.values():
        key = (dist.site, dist.name)
        need = _tag_need(view, loading, dist)
        if need is None:
            continue
        if key in found:
            found[key].needs.append(need)
        elif not _files_need_less(loading, dist, need):
            found[key] = Lacking(None, dist, [need])
    by_need: dict[tuple[str, bool], list[Lacking]] = {}
    for key in sorted(found):
        lacking = found[key]
        by_need.setdefault((lacking.worst.what, lacking.worst.certain), []).append(lacking)
    for _, some_ in sorted(by_need.items()):
        owned = [one for one in some_ if one.dist is not None]
        if len(owned) >= MANY:
            yield _machine(view, owned)
            some_ = [one for one in some_ if one.dist is None]
        for one in some_:
            yield _distribution(view, loading, one)
    yield from _conda(view, loading)


def _tag_need(view: View, loading: Loading, dist: Distribution) -> Need | None:
    """What the wheel's tags ask for, when each of them fails by nothing but the system's version."""
    best: Need | None = None
    for tag in wheel_tags(dist):
        misfits = explain(tag, loading.profile)
        versions = [m for m in misfits if m.os_version]
        if not misfits:
            return None
        if len(versions) != len(misfits):
            continue
        what = "macOS" if versions[0].part == "macOS version" else versions[0].part
        platform = tag.rsplit("-", 1)[-1]
        digits = [numbers(piece.replace("_", ".").partition(".")[2]) for piece in platform.split(".")]
        wanted = min((d for d in digits if d is not None), default=None)
        have = loading.profile.macos if what == "macOS" else loading.profile.libc_version
        if wanted is None or have is None:
            continue
        need = Need(what, wanted, have, f"{view.in_site(dist.site, dist.path)}/WHEEL: Tag: {tag}", from_tag=True)
        if best is None or need.version < best.version:
            best = need
    return best


def _files_need_less(loading: Loading, dist: Distribution, need: Need) -> bool:
    """Compiled files are there, and none asks for more of glibc than there is."""
    if need.what != "glibc":
        return False
    group = loading.by_owner.get((dist.site, dist.name))
    asked = [part for n in group.natives if n.arch for part in n.file.slices] if group is not None else []
    return bool(asked) and all((numbers(part.glibc) or (0, 0)) <= need.have for part in asked)


def _file_needs(view: View, loading: Loading, group: Group) -> list[Need]:
    """What the extension modules of a group, and the libraries that they name, ask of the system."""
    found = loading.profile
    kernel = _triple(view.machine.kernel) if found.system == "linux" else None
    needs: dict[str, Need] = {}
    if found.libc_version is None and found.macos is None and kernel is None:
        return []
    for native in group.natives:
        if not native.arch or not ((native.extension and native.fits) or names_of(native.file) & group.needed):
            continue
        for need in _needs(loading, group, native, kernel):
            if need.what not in needs or need.version > needs[need.what].version:
                needs[need.what] = need
    return list(needs.values())


def _needs(loading: Loading, group: Group, native: Native, kernel: tuple[int, ...] | None) -> Iterator[Need]:
    found = loading.profile
    for part in native.file.slices:
        if part.glibc and found.libc == "glibc" and found.libc_version is not None:
            wanted = numbers(part.glibc)
            if wanted is not None and wanted > found.libc_version:
                yield Need("glibc", wanted, found.libc_version, f"{loading.shown(group, native.file)}: needs GLIBC_{part.glibc}")
        if part.minimum_os and native.file.format == "elf" and kernel is not None:
            wanted_kernel = _triple(part.minimum_os)
            if wanted_kernel is not None and wanted_kernel > kernel:
                yield Need(
                    "kernel",
                    wanted_kernel,
                    kernel,
                    f"{loading.shown(group, native.file)}: its ABI note asks for Linux {part.minimum_os}",
                    certain=_enforced(found.libc_version),
                )
        if part.minimum_os and native.file.format == "macho" and found.macos is not None and part.platform == "macos":
            wanted = numbers(part.minimum_os)
            current = (11, 0) if found.macos == (10, 16) else found.macos
            if wanted is not None and wanted > current and any(part.machine == m for m in loading.machines):
                path = loading.shown(group, native.file)
                yield Need("macOS", wanted, current, f"{path}: built for macOS {part.minimum_os} or later", certain=False)


_VIRTUAL = {"__glibc": "glibc", "__musl": "musl", "__osx": "macOS", "__linux": "kernel"}


def _conda(view: View, loading: Loading) -> Iterator[Finding]:
    """One finding for each of glibc, musl, macOS and the kernel that conda records ask more of than there is."""
    profile = loading.profile
    has: dict[str, tuple[int, ...] | None] = {
        "glibc": profile.libc_version if profile.libc == "glibc" else None,
        "musl": profile.libc_version if profile.libc == "musl" else None,
        "macOS": (11, 0) if profile.macos == (10, 16) else profile.macos,
        "kernel": _triple(view.machine.kernel) if profile.system == "linux" else None,
    }
    found: dict[str, list[tuple[CondaPackage, Need]]] = {}
    for package in view.snapshot.conda_packages:
        for depend in package.virtual:
            name, _, spec = depend.partition(" ")
            what = _VIRTUAL.get(name, "")
            have, wanted = has.get(what), _floor(spec)
            if have is not None and wanted is not None and wanted > have:
                found.setdefault(what, []).append((package, Need(what, wanted, have, f"{package.record}: depends on {depend}")))
    for what, members in sorted(found.items()):
        worst = max((need for _, need in members), key=lambda need: need.version)
        names = [f"{package.name} {package.version}".rstrip() for package, _ in members]
        shown = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} other conda packages"
        specs = sorted({package.name for package, _ in members})
        yield RULE.finding(
            f"{shown} need{'s' if len(names) == 1 else ''} {_name(worst)}, this machine has {_has(worst)}",
            [
                *(Subject("conda-package", package.name, package.version or None) for package, _ in members),
                _machine_subject(view),
            ],
            evidence=[*(need.evidence for _, need in members[:5]), f"this machine: {_has(worst)}"],
            fixes=[
                view.remedy.fix(
                    "let conda choose versions of them for this machine",
                    view.remedy.conda_update(*specs),
                    RULE.code,
                    safety="unsafe",
                ),
                view.remedy.manual(f"use an operating system (or base image) with {_name(worst)} or newer", RULE.code),
            ],
            key=f"conda:{what}",
        )


def _floor(spec: str) -> tuple[int, ...] | None:
    """The first two numbers of the least version that a conda version spec allows; None where it has no lower end."""
    lows: list[tuple[int, int]] = []
    for alternative in spec.split(" ")[0].split("|"):
        low: tuple[int, int] | None = None
        for part in alternative.split(","):
            plain = part.strip().lstrip(">=~")
            if part.strip()[:1] in ("<", "!") or not plain[:1].isdigit():
                continue
            version = numbers(plain.rstrip("*").rstrip("."))
            if version is not None and (low is None or version > low):
                low = version
        if low is None:
            return None
        lows.append(low)
    return min(lows, default=None)


def _enforced(glibc: tuple[int, int] | None) -> bool:
    """glibc compares the ABI note with the kernel before 2.37; later ones do not."""
    return glibc is None or glibc < (2, 37)


def _triple(text: str | None) -> tuple[int, ...] | None:
    parts: list[int] = []
    for piece in (text or "").split("-")[0].split(".")[:3]:
        if not piece.isdigit():
            break
        parts.append(int(piece))
    return tuple((*parts, 0, 0)[:3]) if parts else None


def _name(need: Need) -> str:
    version = ".".join(map(str, need.version))
    return f"Linux {version}" if need.what == "kernel" else f"{need.what} {version}"


def _has(need: Need) -> str:
    version = ".".join(map(str, need.have))
    return f"Linux {version}" if need.what == "kernel" else f"{need.what} {version}"


def _machine_subject(view: View) -> Subject:
    return Subject("machine", view.machine.native_machine or view.machine.machine or view.machine.system)


def _distribution(view: View, loading: Loading, one: Lacking) -> Finding:
    need = one.worst
    if one.dist is not None:
        subject = view.distribution(one.dist)
        label = f"{one.dist.name} {one.dist.version}" if one.dist.version else one.dist.name
    else:
        assert one.group is not None
        subject = loading.subject(one.group)
        label = one.group.key
    severity: Severity = "error" if need.certain else "warning"
    confidence: Confidence = "certain" if need.certain else "possible"
    by_tag = any(n.from_tag for n in one.needs) and one.dist is not None
    return RULE.finding(
        f"{label} needs {_name(need)}, this machine has {_has(need)}",
        [subject, _machine_subject(view)],
        evidence=[*sorted(n.evidence for n in one.needs), f"this machine: {_has(need)}"],
        fixes=_fixes(view, one, need),
        key=f"{subject.kind}:{one.dist.name if one.dist is not None else label}",
        severity=severity,
        confidence=confidence,
        caused_by=fingerprint("ARC003", f"distribution:{one.dist.name}") if by_tag and one.dist is not None else None,
    )


def _fixes(view: View, one: Lacking, need: Need) -> list[Fix]:
    fixes = []
    if one.dist is not None:
        fixes.append(
            view.remedy.fix(
                f"install {one.dist.name} again here, so that a wheel for {_has(need)} is taken or it is built",
                view.remedy.reinstall(one.dist),
                RULE.code,
                safety=view.remedy.safety("unsafe", one.dist),
            )
        )
    fixes.append(
        view.remedy.manual(
            f"use an operating system (or base image) with {_name(need)} or newer, or an earlier version of it", RULE.code
        )
    )
    return fixes


def _machine(view: View, group: list[Lacking]) -> Finding:
    worst = max((one.worst for one in group), key=lambda n: n.version)
    dists = sorted((view.distribution(one.dist) for one in group if one.dist is not None), key=lambda s: s.name)
    lines = [one.worst.evidence for one in group[:5]]
    return RULE.finding(
        f"{len(group)} distributions need a newer {worst.what}: up to {_name(worst)}, this machine has {_has(worst)}",
        [_machine_subject(view), *dists],
        evidence=[*some(lines, len(group)), f"this machine: {_has(worst)}"],
        fixes=[
            view.remedy.manual(f"use an operating system (or base image) with {_name(worst)} or newer", RULE.code),
            view.remedy.recreate("make the environment again on this machine, so that wheels for it are taken"),
        ],
        key=f"machine:{worst.what}",
        severity="error" if worst.certain else "warning",
        confidence="certain" if worst.certain else "possible",
    )
