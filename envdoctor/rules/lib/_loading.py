"""Which files of an environment do not load for want of a library, and how much that matters. For LIB001, LIB002, LIB008."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from envdoctor.finding import Fix, Severity, Subject
from envdoctor.lazy import pattern
from envdoctor.loader.model import Loaded, Missing, Root, base_name
from envdoctor.rules.base import Skip
from envdoctor.snapshot import Distribution, ImportedModule
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

SHOWN = 5
_DIGITS = pattern(r"\d+")
_GRAFTED = pattern(r"[-.][0-9a-f]{6,8}(?:\.so\b|\.dylib$|\.dll$|\.[0-9.]*so\b|\.\d)")
"""Names that auditwheel, delocate and delvewheel give the libraries that they copy into wheels."""
_BROUGHT_BY = (("libtorch", "torch"), ("libc10", "torch"), ("libtensorflow", "tensorflow"), ("libarrow", "pyarrow"))
"""Beginnings of the names of libraries that one distribution is known to bring for others."""
_RANK: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


class Failure(NamedTuple):
    """One file that does not load."""

    root: Root
    needs: tuple[Missing, ...]
    severity: Severity
    why: str
    """How it is reached, for the evidence; empty where nothing is known."""
    sure: bool


class Weights:
    """How much it matters that a file does not load."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.imported: dict[tuple[int, str], ImportedModule] = {(m.site, m.path): m for m in view.snapshot.imported_modules}
        self.other_machine = view.machine is not view.snapshot.machine
        self.roots = Counter(root.distribution for root in view.loads.roots if root.distribution is not None)

    def of(self, root: Root, failing_of_distribution: int, gone: bool) -> tuple[Severity, str, bool]:
        """Severity, how the file is reached, and whether that is sure. `gone`: what it needs was shipped and is not there."""
        fact = self.imported.get((root.site, root.file.path))
        chain = " → ".join(fact.chain) if fact is not None else ""
        reached = fact.reached if fact is not None else "nothing"
        if reached == "import":
            top = fact.chain[0] if fact is not None and fact.chain else root.module
            return "error", f"import {top} loads it: {chain}" if chain else "", True
        if root.kind == "library":
            if gone:
                return "warning", "", True
            return "info", f"{chain} opens it where it is wanted" if chain else "", True
        if gone:
            return "error", f"{chain} imports it" if chain else "", True
        if "." not in root.module and (not root.module.startswith("_") or self._alone(root)):
            return "error", f"import {root.module} loads it", True
        total = self.roots.get(root.distribution or "", 1)
        most = 2 * failing_of_distribution >= total
        if reached == "guarded" and not (failing_of_distribution == total and total >= 3):
            return "info", f"{chain} imports it only where it is wanted", True
        if most:
            return "error", f"{failing_of_distribution} of {total} extension modules fail so" if total > 1 else "", False
        if reached == "module":
            return "warning", f"{chain} imports it", True
        if fact is None and self.other_machine:
            return "warning", "", False
        return "info", "", True

    def _alone(self, root: Root) -> bool:
        dist = self.view.effective.get(root.distribution or "")
        return dist is not None and all(name.startswith("_") for name in dist.import_names)


def failures(view: View) -> list[Failure]:
    """Every extension module, and library that nothing leads to, which needs something that is nowhere. Raises Skip."""
    loads, process = view.loads, view.process
    if loads.reason:
        raise Skip(loads.reason)
    weights = Weights(view)
    counts: Counter[str] = Counter()
    failing: dict[tuple[str, str], int] = {}
    for needs in process.failing.values():
        root = needs[0].root
        if root.distribution is not None and root.kind == "extension" and not all(_beside(view, need) for need in needs):
            counts[root.distribution] += 1
            key = (root.distribution, _DIGITS.sub("", root.module))
            failing[key] = failing.get(key, 0) + 1
    for (owner, name), number in failing.items() if any(number > 1 for number in failing.values()) else ():
        # modules that differ by digits alone and all fail are alternatives of one: _ffmpeg4, _ffmpeg5
        if number == sum(r.distribution == owner and _DIGITS.sub("", r.module) == name for r in view.loads.roots):
            counts[owner] -= number - 1
            weights.roots[owner] -= number - 1
    gone = shipped_and_gone(view)
    found: list[Failure] = []
    for needs in (*process.failing.values(), *process.failing_orphans.values()):
        root = needs[0].root
        if root.kind == "stdlib":
            continue
        lost = any(file_name(view, need.name) in gone or (grafted(need.name) and not need.elsewhere) for need in needs)
        severity, why, sure = weights.of(root, counts.get(root.distribution or "", 1), lost)
        if root.kind == "library" and severity != "error":
            needs = tuple(need for need in needs if not _beside(view, need))
            if not needs:
                continue
        found.append(Failure(root, needs, severity, why, sure))
    return found


def _beside(view: View, need: Missing) -> bool:
    """The distribution itself ships a library of that name, where the search does not lead: whatever opens the plugin has
    loaded it before."""
    files = (view.loads.files.get(path) for path in need.elsewhere)
    return any(file is not None and file.owner is not None and file.owner == need.root.distribution for file in files)


def shipped_and_gone(view: View) -> dict[str, Distribution]:
    """Names of native files that a RECORD lists and that are not there, with the distribution."""
    found: dict[str, Distribution] = {}
    for dist in view.effective.values():
        for row in dist.record.missing if dist.record is not None else ():
            name = file_name(view, row.path)
            framework = f"/{name}.framework/" in row.path  # macOS: QtCore.framework/Versions/A/QtCore
            if framework or ".so" in name or name.endswith((".dylib", ".dll", ".pyd")):
                found.setdefault(name, dist)
    return found


def file_name(view: View, name: str) -> str:
    """The file's name in a need, as files are compared: Windows takes letters of either case."""
    return base_name(name).lower() if view.snapshot.target.system == "windows" else base_name(name)


def grafted(name: str) -> bool:
    """The name of a library that was copied into a wheel when it was built: ``libssl-81259c47.so.1.1.1k``."""
    return _GRAFTED.search(base_name(name)) is not None


def python_of(name: str) -> str | None:
    """X.Y of the Python whose own DLL has that name: ``python310.dll`` -> 3.10."""
    match = re.fullmatch(r"python3(\d+)(?:t|_d|t_d)?\.dll", base_name(name).lower())
    return f"3.{match[1]}" if match else None


def brought_by(name: str) -> str | None:
    """The distribution that is known to bring a library of that name for others."""
    plain = base_name(name)
    return next((dist for start, dist in _BROUGHT_BY if plain.startswith(start)), None)


def label(root: Root, why: str = "") -> str:
    """What a person imports when the file fails: the package where importing that is enough, else the module or file."""
    if why.startswith("import ") and " loads it: " in why:
        return why.removeprefix("import ").partition(" loads it: ")[0]
    if root.module:
        parts = root.module.split(".")
        return ".".join(parts[:-1]) if len(parts) > 1 and parts[-1] == parts[-2] else root.module
    return base_name(root.path)


def chain_line(root: Root, chain: Iterable[str], name: str) -> str:
    """``cv2 → libQt5Gui-1a2b3c4d.so.5 → libGL.so.1``."""
    first, *rest = chain
    start = root.module or base_name(first)
    return " → ".join([start, *(base_name(path) for path in rest), name])


def subjects(view: View, roots: Iterable[Root], files: Iterable[Loaded | Root]) -> list[Subject]:
    """The distributions of `roots` in that order, then the first few files."""
    named = [view.named(root.distribution) for root in roots if root.distribution is not None]
    shown = [view.file(file.path) for file in files]
    return list(dict.fromkeys([*named, *list(dict.fromkeys(shown))[:SHOWN]]))


def worst(items: Iterable[Failure]) -> list[Failure]:
    """Worst first, then by distribution and path."""
    return sorted(items, key=lambda f: (_RANK[f.severity], not f.sure, f.root.distribution or "~", f.root.path))


def distributions(view: View, roots: Iterable[Root]) -> list[Distribution]:
    """Installed distributions of `roots`, each once."""
    names = dict.fromkeys(root.distribution for root in roots if root.distribution)
    return [view.effective[name] for name in names if name in view.effective]


def each_once(fixes: Iterable[Fix]) -> list[Fix]:
    """Fixes without those that say the same."""
    return list({(fix.title, fix.commands): fix for fix in fixes}.values())


def evidence_of(failure: Failure, name: str) -> Iterator[str]:
    """The chain that leads to the need, and how its start is reached."""
    for need in failure.needs:
        if need.name == name:
            yield chain_line(failure.root, need.chain, name)
            break
    if failure.why:
        yield failure.why
