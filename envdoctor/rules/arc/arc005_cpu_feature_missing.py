"""Code needs instructions that this processor does not have.

## Why it matters
At the first such instruction the process dies with `Illegal instruction`, usually at import and with no word about which
package it was. Where a file carries a note about it, the loader says `CPU ISA level is lower than required` instead.

## How it is found
Three declarations are compared with the processor's flags: the note that compilers put into ELF files
(GNU_PROPERTY_X86_ISA_1_NEEDED) of extension modules and of the libraries that they bring in, which glibc from 2.33 on
enforces; conda records that ask for a microarchitecture (`_x86_64-microarch-level`, `__archspec`); and a table of packages
whose wheels are known to use more than x86-64's common ground without looking first, by version. The table holds for wheels
from an index only, not for what conda, the operating system or this machine itself has built.

## Look-alikes that are fine
- Instructions in a file prove nothing: torch, scipy, onnxruntime and others hold code for many processors and choose at run
  time.
- `polars-runtime-32` beside `polars-runtime-compat`, which polars takes first.
- A processor whose flags are not known, another architecture's, and emulation (Rosetta 2, QEMU), where other rules hold.
- Libraries in `glibc-hwcaps/x86-64-v3` folders: the loader passes over those that do not fit.

## How to fix
Install the build for older processors, where there is one, or an earlier version; else conda-forge's build, or one's own. In a
virtual machine the processor model may hide what the hardware has: `host` instead of `kvm64` shows it.

## Example
`polars-runtime-32 1.36.1 needs avx, avx2, bmi1, bmi2, fma and movbe, which this processor (Intel Xeon X5650) does not have`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.data.cpu_baselines import BASELINES, MICROARCHITECTURES, Baseline
from envdoctor.finding import Confidence, Finding, Fix, Subject
from envdoctor.loader.model import base_name
from envdoctor.platforms import family, is_foreign
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import CondaPackage, Distribution
from envdoctor.tuples import NamedTuple
from envdoctor.versions import satisfies, version_of
from envdoctor.view import View

RULE = Rule(
    "ARC005",
    "cpu-feature-missing",
    "error",
    reads=("natives", "libraries", "machine", "interpreter", "distributions", "conda_packages", "sites", "target"),
    messages=(
        "Illegal instruction",
        "NumPy was built with baseline optimizations: {features}",
        "Your CPU does not support {features}",
        "died with <Signals.SIGILL: 4>",
        "Missing required CPU features",
    ),
)

ENFORCED = (2, 33)
"""The first glibc that compares the note with the processor."""
_ALIASES = {"pni": "sse3", "abm": "lzcnt", "sse4_1": "sse4.1", "sse4_2": "sse4.2", "avx": "avx1.0"}


class Noted(NamedTuple):
    """A file whose note asks for a level."""

    path: str
    level: str
    chain: tuple[str, ...]
    owner: str | None
    module: str


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution (or file that belongs to none), one for all conda records."""
    noted = _noted(view)
    known = [dist for name in BASELINES if (dist := view.effective.get(name)) is not None]
    asking = [package for package in view.snapshot.conda_packages if _asked(package) is not None]
    if not noted and not known and not asking:
        return
    machine = view.machine
    if is_foreign(view.snapshot, machine):
        raise Skip("the target belongs to another computer, whose processor is not known")
    if not any(family(name) in ("x86_64", "i686") for name in view.loading.machines):
        return
    if machine.emulation or family(machine.native_machine or machine.machine) != "x86_64":
        raise Skip("the interpreter is emulated: which instructions the emulator has is not known")
    if not machine.cpu.flags:
        raise Skip("the processor's flags are not known")
    missing = _missing_level(view, noted)
    for dist in known:
        lacking = _lacking(view, dist)
        if lacking:
            missing.pop(dist.name, None)
            yield _by_table(view, dist, BASELINES[dist.name], lacking)
    for name in sorted(missing):
        yield _by_note(view, view.effective.get(name), missing[name])
    yield from _conda(view, asking)


# ------------------------------------------------------------------------------------------------------------ ELF notes


def _noted(view: View) -> list[Noted]:
    """Files with a note that extension modules bring in."""
    if not any(part.isa for file in (*view.snapshot.natives, *view.snapshot.libraries) for part in file.slices):
        return []
    found: dict[str, Noted] = {}
    for root in view.loads.roots:
        for loaded in view.loads.scope(root) if root.kind == "extension" else ():
            if loaded.part.isa and loaded.path not in found:
                owner = loaded.file.owner or root.distribution
                found[loaded.path] = Noted(loaded.path, loaded.part.isa, loaded.chain, owner, root.module)
    return [found[path] for path in sorted(found)]


def _missing_level(view: View, noted: list[Noted]) -> dict[str, list[Noted]]:
    """Those above the processor's level, by distribution (or path)."""
    level = view.machine.cpu.level
    found: dict[str, list[Noted]] = {}
    for one in noted:
        if level is not None and one.level > level:
            found.setdefault(one.owner or one.path, []).append(one)
    return found


def _by_note(view: View, dist: Distribution | None, members: list[Noted]) -> Finding:
    level = max(one.level for one in members)
    first = members[0]
    libc = view.loading.profile
    enforced = libc.libc == "glibc" and libc.libc_version is not None and libc.libc_version >= ENFORCED
    label = _label(dist) if dist is not None else view.inside(first.path)
    lines = []
    for one in members[:5]:
        chain = f"; {' → '.join(base_name(path) for path in one.chain)}" if len(one.chain) > 1 else ""
        lines.append(f"{view.inside(one.path)}: its ELF note asks for {one.level}{chain}")
    if len(members) > 5:
        lines.append(f"and {len(members) - 5} more")
    refusal = "the loader says: CPU ISA level is lower than required" if enforced else "this C library does not compare the two"
    subject = view.distribution(dist) if dist is not None else view.file(first.path)
    confidence: Confidence = "certain" if enforced else "likely"
    return RULE.finding(
        f"{label} needs a processor of level {level}, this one is {view.machine.cpu.level}",
        [subject, _machine_subject(view), *(view.file(one.path) for one in members[:5])],
        evidence=[*lines, _processor(view), refusal],
        fixes=_fixes(view, dist, None, first.module),
        key=f"{subject.kind}:{subject.name}",
        confidence=confidence,
    )


# ---------------------------------------------------------------------------------------------------------------- table


def _lacking(view: View, dist: Distribution) -> tuple[str, ...]:
    """Flags that the wheel needs and the processor does not have; nothing where the table does not hold."""
    row = BASELINES[dist.name]
    if version_of(dist.version or "") is None or not satisfies(dist.version or "", row.versions):
        return ()
    if view.packager(dist) is not None or dist.direct_url is not None or dist.editable is not None:
        return ()
    if dist.wheel is None or not any("_x86_64" in tag or "_amd64" in tag or "universal2" in tag for tag in dist.wheel.tags):
        return ()
    if any(tag.endswith("-linux_x86_64") for tag in dist.wheel.tags):
        return ()
    if row.spared_by and row.spared_by in view.effective:
        return ()
    group = view.loading.by_owner.get((dist.site, dist.name))
    if group is None or not group.fitting:
        return ()
    flags = set(view.machine.cpu.flags)
    return tuple(sorted(flag for flag in row.flags if flag not in flags and _ALIASES.get(flag) not in flags))


def _by_table(view: View, dist: Distribution, row: Baseline, lacking: tuple[str, ...]) -> Finding:
    words = sorted(_ALIASES[flag] if flag in ("pni", "abm") else flag.replace("sse4_", "sse4.") for flag in lacking)
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    confidence: Confidence = "certain" if "tried" in row.source else "likely"
    name = view.machine.cpu.name
    return RULE.finding(
        f"{_label(dist)} needs {listed}, which this processor{f' ({name})' if name else ''} does not have",
        [view.distribution(dist), _machine_subject(view)],
        evidence=[
            f"wheels of {dist.name} {row.versions} use these instructions without looking first ({row.source})",
            f"what people see: {row.symptom}",
            _processor(view),
        ],
        fixes=_fixes(view, dist, row, dist.import_names[0] if dist.import_names else ""),
        key=f"distribution:{dist.name}",
        confidence=confidence,
    )


# ---------------------------------------------------------------------------------------------------------------- conda


def _asked(package: CondaPackage) -> int | None:
    """psABI level that a record asks for; None where it asks for none, or for what is no x86 name."""
    if package.name == "_x86_64-microarch-level":
        return int(package.version) if package.version.isdigit() else None
    lowest: int | None = None
    for depend in package.virtual:
        name, _, spec = depend.partition(" ")
        if name.partition("=")[0] != "__archspec":
            continue
        for build in spec.replace("=", " ").split()[-1:]:
            levels = [MICROARCHITECTURES.get(word.strip("*")) for word in build.split("|")]
            known = [level for level in levels if level is not None]
            if known and len(known) == len(levels):
                lowest = max(lowest or 0, min(known))
    return lowest


def _conda(view: View, asking: list[CondaPackage]) -> Iterator[Finding]:
    level = view.machine.cpu.level
    have = int(level[-1]) if level else None
    members = [
        (package, asked) for package in asking if (asked := _asked(package)) is not None and have is not None and asked > have
    ]
    if not members:
        return
    first = members[0][0]
    names = f"{first.name} {first.version}".rstrip() + (
        f" and {len(members) - 1} more conda packages" if len(members) > 1 else ""
    )
    verb = "needs" if len(members) == 1 else "need"
    yield RULE.finding(
        f"{names} {verb} a processor of level x86-64-v{max(asked for _, asked in members)}, this one is {level}",
        [*(Subject("conda-package", package.name, package.version or None) for package, _ in members), _machine_subject(view)],
        evidence=[*(_record_line(package, asked) for package, asked in members[:5]), _processor(view)],
        fixes=[
            view.remedy.fix(
                "let conda choose builds of them for this processor",
                view.remedy.conda_update(*sorted({package.name for package, _ in members})),
                RULE.code,
                safety="unsafe",
            ),
            view.remedy.recreate("make the environment again on this machine, so that builds for it are taken"),
        ],
        key="conda",
    )


def _record_line(package: CondaPackage, asked: int) -> str:
    depends = [depend for depend in package.virtual if depend.startswith("__archspec")]
    return f"{package.record}: {f'depends on {depends[0]}' if depends else f'level {asked}'}"


# ---------------------------------------------------------------------------------------------------------------- fixes


def _fixes(view: View, dist: Distribution | None, row: Baseline | None, module: str) -> list[Fix]:
    remedy = view.remedy
    fixes = []
    verify = (remedy.importing(module),) if module else ()
    if dist is not None and row is not None and row.instead:
        wanted = row.instead.format(version=dist.version)
        commands = (*(remedy.uninstall(dist) if row.replaces else ()), *remedy.install(wanted, dist=dist))
        title = f"install {wanted}" + (f" in place of {dist.name}" if row.replaces else "") + ", which runs on this processor"
        fixes.append(remedy.fix(title, commands, RULE.code, safety=remedy.safety("unsafe", dist), verify=verify))
    what = dist.name if dist is not None else "it"
    fixes.append(
        remedy.manual(
            f"build {what} from source on this machine, take conda-forge's build, or use another processor (in a virtual machine "
            "the processor model `host`)",
            RULE.code,
        )
    )
    return fixes


def _label(dist: Distribution) -> str:
    return f"{dist.name} {dist.version}" if dist.version else dist.name


def _processor(view: View) -> str:
    cpu = view.machine.cpu
    flags = [flag for flag in ("sse4_2", "avx", "avx2", "avx512f") if flag in cpu.flags]
    name = f"{cpu.name}, " if cpu.name else ""
    return f"this processor: {name}{cpu.level or 'level not known'} ({', '.join(flags) or 'no sse4_2, no avx'})"


def _machine_subject(view: View) -> Subject:
    return Subject("machine", view.machine.native_machine or view.machine.machine or view.machine.system)
