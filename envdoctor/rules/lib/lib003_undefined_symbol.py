"""An extension module or library needs a symbol that nothing in its load scope defines.

## Why it matters
A compiled file names the functions that it takes from other libraries. Python has all of them resolved when it opens the
file: one that is nowhere ends the import with `undefined symbol: _ZN3c106detail…`. It happens when an extension was
built against another version of a library that a second distribution ships: flash-attn, xformers or torchaudio for another
torch, an extension for another pyarrow, libtorch for another NCCL.

## How it is found
For every extension module the files that the loader would map are worked out, in its order. The strong undefined symbols of
each, those that some relocation names, are looked up in the program, in what LD_PRELOAD adds and in those files: by their
hash tables, nothing is run. Files that are as an index published them, and that need only their own distribution and the
system, were linked together and are looked up with `--deep` only. Files of macOS and Windows say themselves which library
must define a symbol: where that is another distribution's, it is asked.

## Look-alikes that are fine
- Weak symbols, and symbols that no relocation names.
- The C-API, which the interpreter itself exports, and names that it lacks: those are ARC004.
- libtorch, libc10 and the like, which `import torch` has loaded before: they count where the file names them.
- Libraries that another distribution opens for everybody (RTLD_GLOBAL).
- Symbols with a version (`GLIBC_2.34`): LIB002.

## How to fix
Install the release that fits what is installed, or build it again: for extensions of torch that pip built, without build
isolation, so that they see the torch that they will run with.

## Example
`flash-attn` built with torch 2.5, then torch upgraded to 2.6: `undefined symbol: _ZN3c105ErrorC2ENS_14SourceLocation…`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envdoctor.finding import SEVERITIES, Command, Finding, Fix, Severity, Subject
from envdoctor.loader.model import Root, base_name
from envdoctor.natives import some
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.lib._loading import Weights
from envdoctor.snapshot import Distribution, NativeFile, UnresolvedSymbols
from envdoctor.symbol_names import is_python, plain_name, spoken
from envdoctor.tuples import NamedTuple
from envdoctor.versions import satisfies
from envdoctor.view import View

RULE = Rule(
    "LIB003",
    "undefined-symbol",
    "error",
    reads=("unresolved_symbols", "natives", "libraries", "imported_modules", "distributions"),
    deep=True,
    messages=(
        "undefined symbol: {symbol}",
        "symbol not found in flat namespace '{symbol}'",
        "Symbol not found: {symbol}",
        "DLL load failed while importing {module}: The specified procedure could not be found",
        "Error relocating {library}: {symbol}: symbol not found",
        "operator {symbol} does not exist",
    ),
)

_NAMESPACES = {"at": ("torch",), "c10": ("c10", "torch"), "caffe2": ("torch",), "torch": ("torch",), "google": ("protobuf",)}
"""Libraries, by the beginning of their names, that define a C++ namespace of another name."""


class Fault(NamedTuple):
    """One file and the symbols that it misses."""

    fact: UnresolvedSymbols
    path: str
    symbols: tuple[str, ...]
    number: int
    provider: NativeFile | None
    """The library that should define them, as far as that can be told."""
    provider_path: str


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution and the one whose library does not fit it."""
    if view.loads.reason is not None and not view.snapshot.unresolved_symbols:
        raise Skip(view.loads.reason)
    groups: dict[tuple[int, str, str], list[Fault]] = {}
    faults: list[Fault] = []
    for fact in view.snapshot.unresolved_symbols:
        fault = _fault(view, fact)
        if fault is not None and not _by_variable(view, fault):
            faults.append(fault)
            owner = _owner_name(view, fact)
            provider = fault.provider.owner or "" if fault.provider is not None else ""
            groups.setdefault((fact.folder, owner, provider), []).append(fault)
    judge = _Judge(view, faults)
    for (folder, owner, _), members in sorted(groups.items()):
        yield _finding(view, judge, folder, owner, members)


def _fault(view: View, fact: UnresolvedSymbols) -> Fault | None:
    """The fact as a fault; None for an extension module that misses the C-API of Python and nothing else."""
    symbols = fact.symbols if fact.module else tuple(name for name in fact.symbols if not is_python(name))
    if not symbols:
        return None
    number = fact.count - (len(fact.symbols) - len(symbols))
    path = f"{view.snapshot.sites[fact.folder].path}/{fact.path}" if fact.folder >= 0 else fact.path
    others = [
        (where, file)
        for where in fact.providers
        if (file := view.loads.files.get(where)) is not None and (file.owner is None or file.owner != _owner_name(view, fact))
    ]
    for symbol in symbols:
        fitting = [(where, file) for where, file in others if _belongs(symbol, where)]
        if fitting:
            # of libtorch.so and libtorch_cpu.so the one that holds the code
            where, file = max(fitting, key=lambda one: one[1].size)
            return Fault(fact, path, symbols, number, file, where)
    owned = {file.owner for _, file in others if file.owner}
    if len(owned) == 1 and not any(_speaks_of(symbol, fact) for symbol in symbols):
        where, file = next((w, f) for w, f in others if f.owner)
        return Fault(fact, path, symbols, number, file, where)
    return Fault(fact, path, symbols, number, None, "")


def _belongs(symbol: str, path: str) -> bool:
    """By its name the symbol is one of that library: ``ncclCommResume`` of libnccl, ``c10::Error`` of libc10."""
    stem = re.split(r"[.\-]", base_name(path).removeprefix("lib"), maxsplit=1)[0].lower()
    if len(stem) < 2:
        return False
    space = plain_name(symbol).partition("::")[0].lower()
    if symbol.startswith("_Z"):
        known = _NAMESPACES.get(space)
        if known is not None:
            return stem.startswith(known)
        return stem.startswith(space) or space.startswith(stem) if len(space) > 2 else False
    return symbol.lstrip("_").lower().startswith(stem)


def _speaks_of(symbol: str, fact: UnresolvedSymbols) -> bool:
    """The symbol is by its name one of the asking file's own."""
    stem = base_name(fact.path).partition(".")[0].removeprefix("lib").lower().strip("_")
    return len(stem) > 2 and stem in symbol.lower()


def _by_variable(view: View, fault: Fault) -> bool:
    """The library comes from LD_LIBRARY_PATH or LD_PRELOAD, and PTH004 tells that story."""
    return any(override.path == fault.provider_path and override.lacks for override in view.snapshot.shell.overrides)


def _owner_name(view: View, fact: UnresolvedSymbols) -> str:
    """The distribution that the asking file belongs to, else its top-level name."""
    path = f"{view.snapshot.sites[fact.folder].path}/{fact.path}" if fact.folder >= 0 else fact.path
    file = view.loads.files.get(path)
    if file is not None and file.owner:
        return file.owner
    for root in (*view.loads.roots, *view.loads.orphans):
        if root.path == path and root.distribution:
            return root.distribution
    return fact.path.partition("/")[0] if fact.folder >= 0 else fact.path


class _Judge:
    """How much it matters that a file does not load."""

    def __init__(self, view: View, faults: list[Fault]) -> None:
        self.weights = Weights(view)
        by_path = {root.path: root for root in view.loads.roots}
        by_module = {(root.site, root.module): root for root in view.loads.roots if root.module}
        orphans: dict[str, Root] | None = None
        self.roots: dict[str, Root] = {}
        for fault in faults:
            root = by_path.get(fault.path)
            if root is None and fault.fact.module:
                root = by_module.get((fault.fact.folder, fault.fact.module)) or next(
                    (each for (_, module), each in by_module.items() if module == fault.fact.module), None
                )
            if root is None:
                orphans = {each.path: each for each in view.loads.orphans} if orphans is None else orphans
                root = orphans.get(fault.path)
            if root is not None:
                self.roots[fault.path] = root
        self.failing: dict[str | None, set[str]] = {}
        for root in self.roots.values():
            self.failing.setdefault(root.distribution, set()).add(root.path)

    def of(self, fault: Fault) -> tuple[Severity, str]:
        """Severity, and how the file is reached."""
        root = self.roots.get(fault.path)
        if root is None:
            return "warning", ""
        severity, why, _ = self.weights.of(root, len(self.failing[root.distribution]), gone=False)
        if severity == "info" and fault.provider is not None and why:
            # two distributions do not fit each other; what one of them has compiled is dead
            severity = "warning"
        return severity, why


def _finding(view: View, judge: _Judge, folder: int, owner: str, faults: list[Fault]) -> Finding:
    judged = sorted(((fault, *judge.of(fault)) for fault in faults), key=lambda one: (SEVERITIES.index(one[1]), one[0].path))
    worst, severity, _ = judged[0]
    dist = _distribution(view, folder, owner)
    label = _label(dist) if dist is not None else owner
    name = base_name(worst.path)
    first = worst.symbols[0]
    symbol = f"{spoken(first)}{f' and {worst.number - 1} more' if worst.number > 1 else ''}"
    other = _distribution_of(view, worst.provider)
    if other is not None and (dist is None or other.name != dist.name):
        message = (
            f"{label} does not fit the installed {_label(other)}: {name} needs {symbol}, "
            f"which {base_name(worst.provider_path)} does not define"
        )
    elif worst.provider is not None:
        message = (
            f"{label} cannot be loaded whole: {name} needs {symbol}, which {view.inside(worst.provider_path)} does not define"
        )
    else:
        message = f"{label} cannot be loaded whole: {name} needs {symbol}, which nothing that is loaded with it defines"
    subjects: list[Subject] = [view.distribution(dist)] if dist is not None else []
    rivals = _rivals(view, worst)
    extra = {subject.name: subject for subject in rivals}
    if other is not None and (dist is None or other.name != dist.name):
        extra[other.name] = view.distribution(other)
    subjects += [extra[each] for each in sorted(extra)]
    subjects += [view.file(fault.path) for fault in sorted(faults, key=lambda f: f.path)[:5]]
    if worst.provider is not None:
        subjects.append(view.file(worst.provider_path))
    return RULE.finding(
        message,
        subjects,
        evidence=_evidence(view, judged, rivals),
        fixes=_fixes(view, worst, dist, other, rivals),
        key=f"{owner}:{other.name if other is not None else (worst.provider and base_name(worst.provider_path)) or first}",
        severity=severity,
        confidence="certain" if severity == "error" else "likely",
    )


def _evidence(view: View, judged: list[tuple[Fault, Severity, str]], rivals: list[Subject]) -> list[str]:
    lines: list[str] = []
    for fault, _, reached in judged[:4]:
        more = f" and {fault.number - 3} more" if fault.number > 3 else ""
        line = f"{view.inside(fault.path)}: undefined {', '.join(map(_cut, fault.symbols[:3]))}{more}"
        if fault.fact.module:
            line += f", loaded for {fault.fact.module}"
        lines.append(line + (f"; {reached}" if reached else ""))
    lines = some(lines, len(judged), 4)
    searched = judged[0][0].fact.providers
    if searched:
        lines.append(f"looked up in {', '.join(base_name(path) for path in searched[:6])}{' …' if len(searched) > 6 else ''}")
    if rivals:
        lines.append(f"{base_name(judged[0][0].provider_path)} is recorded by {' and '.join(s.name for s in rivals)}")
    return lines


def _cut(symbol: str) -> str:
    return symbol if len(symbol) <= 120 else f"{symbol[:119]}…"


def _rivals(view: View, fault: Fault) -> list[Subject]:
    """The distributions that all record the library, where several do: the last one that was installed won."""
    provider = fault.provider
    if provider is None or provider.folder < 0:
        return []
    for shared in view.snapshot.shared_files:
        if shared.site == provider.folder and shared.path == provider.path and len(shared.owners) > 1:
            return [view.named(owner.distribution) for owner in shared.owners]
    return []


def _fixes(view: View, fault: Fault, dist: Distribution | None, other: Distribution | None, rivals: list[Subject]) -> list[Fix]:
    remedy = view.remedy
    verify: tuple[Command, ...] = ()
    module = fault.fact.module or next((root.module for root in view.loads.roots if root.path == fault.path), "")
    if module:
        first = next((root.module.partition(".")[0] for root in view.loads.roots if root.module == module), "")
        needs_first = other is not None and other.import_names and other.name != first
        word = f"{_main_package(other)}, {module}" if needs_first and other is not None else module
        verify = (remedy.importing(word),)
    fixes: list[Fix] = []
    if rivals and dist is not None:
        asked = {edge.name for edge in view.closure.edges if edge.parent.name == dist.name}
        wanted = [view.effective[s.name] for s in rivals if s.name in asked and s.name in view.effective]
        if wanted:
            names = " and ".join(_label(each) for each in wanted)
            fixes.append(
                remedy.fix(
                    f"put the files of {names} back, which {dist.name} requires; another distribution has overwritten them",
                    remedy.reinstall(*wanted),
                    RULE.code,
                    safety=remedy.safety("unsafe", dist),
                    verify=verify,
                )
            )
    if dist is None:
        where = view.inside(fault.path)
        fixes.append(remedy.manual(f"build {where} again with the libraries that are installed", RULE.code))
        return fixes
    if other is not None and other.name != dist.name:
        pin = _pin(view, dist, other)
        if pin is not None:
            fixes.append(
                remedy.fix(
                    f"install the {other.name} that {_label(dist)} asks for",
                    remedy.install(pin, dist=dist),
                    RULE.code,
                    safety=remedy.safety("unsafe", dist),
                    verify=verify,
                )
            )
        if _built_here(dist):
            title, commands = f"build {dist.name} again with the installed {_label(other)}", remedy.rebuild(dist)
        else:
            # which of the two is too old does not show in the files
            title = f"upgrade {dist.name} and {other.name} together, to releases that were built for each other"
            commands = remedy.upgrade(dist, other)
        fixes.append(remedy.fix(title, commands, RULE.code, safety=remedy.safety("unsafe", dist), verify=verify))
        return fixes
    built = _built_here(dist)
    fixes.append(
        remedy.fix(
            f"build {dist.name} again" if built else f"install {dist.name} again",
            remedy.rebuild(dist) if built else remedy.reinstall(dist),
            RULE.code,
            safety=remedy.safety("unsafe" if built else "safe", dist),
            verify=verify,
        )
    )
    return fixes


def _pin(view: View, dist: Distribution, other: Distribution) -> str | None:
    """What `dist` asks of `other`, where the installed version does not satisfy it."""
    for edge in view.closure.edges:
        asked = edge.parent.name == dist.name and edge.name == other.name and edge.specifier and other.version
        if asked and satisfies(other.version or "", edge.specifier) is False:
            return f"{other.name}{edge.specifier}"
    return None


def _built_here(dist: Distribution) -> bool:
    """The wheel was made on some user's machine: its platform tag names no agreed-upon set of libraries."""
    tags = dist.wheel.tags if dist.wheel is not None else ()
    return not dist.conda and not any(word in tag for tag in tags for word in ("manylinux", "musllinux"))


def _main_package(dist: Distribution) -> str:
    """The package that bears the distribution's name, else the first."""
    own = dist.name.replace("-", "_")
    return own if own in dist.import_names else dist.import_names[0]


def _label(dist: Distribution) -> str:
    return f"{dist.name} {dist.version}" if dist.version else dist.name


def _distribution(view: View, folder: int, name: str) -> Distribution | None:
    for dist in view.by_name.get(name, ()):
        if dist.site == folder or folder < 0:
            return dist
    return None


def _distribution_of(view: View, file: NativeFile | None) -> Distribution | None:
    return _distribution(view, file.folder, file.owner) if file is not None and file.owner else None
