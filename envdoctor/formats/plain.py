"""What several formats share: a finding as plain lines, and the place in a project that it is shown at. Pure."""

from __future__ import annotations

from envdoctor.finding import SEVERITIES, Finding, Fix
from envdoctor.formats.text import command_line, plural, safe
from envdoctor.report import Report
from envdoctor.tuples import NamedTuple

_MANIFESTS = ("pyproject.toml", "environment.yml", "environment.yaml", "requirements.txt", "setup.cfg", "setup.py", "pixi.toml")


class Place(NamedTuple):
    """A file of the project, relative to the root of its repository, and a line of it (1-based)."""

    path: str
    line: int = 1


def place(report: Report, finding: Finding, root: str | None = None) -> Place | None:
    """Where reviewers look when they read of `finding`; None where the report knows no project.

    The line of a lockfile or manifest that names one of the subjects, else the start of the manifest. `root` is the folder
    that paths are relative to (of the repository); the project's own folder without it.
    """
    project = report.snapshot.project
    if project is None:
        return None
    below = _relative(project.root, root) if root else ""
    if below is None:
        return None
    found = _named(report, finding) or _first(report)
    if found is None:
        return None
    inside = _relative(found.path, project.root) if found.path.startswith("/") else found.path
    return None if inside is None else found._replace(path=f"{below}/{inside}".lstrip("/"))


def _named(report: Report, finding: Finding) -> Place | None:
    """The line that names a subject: of a lockfile where the finding is about one, else of a manifest."""
    snapshot = report.snapshot
    names = {s.name for s in finding.subjects if s.kind in ("distribution", "conda-package")}
    for subject in finding.subjects:
        for lock in snapshot.locks if subject.kind == "lockfile" else ():
            if lock.path in (subject.path, subject.name):
                lines = [one.line for one in lock.packages if one.line and one.name in names]
                return Place(lock.path, lines[0] if lines else lock.line or 1)
    for manifest in snapshot.manifests:
        for subject in finding.subjects:
            if subject.kind == "project" and manifest.path in (subject.path, subject.name):
                return Place(manifest.path, manifest.line or 1)
    for subject in finding.subjects:
        for manifest in snapshot.manifests:
            for wish in manifest.wishes:
                if wish.line and wish.name == subject.name:
                    return Place(manifest.path, wish.line)
    return None


def _first(report: Report) -> Place | None:
    """The manifest, by the facts about it or by its name in the project's folder."""
    if report.snapshot.manifests:
        return Place(report.snapshot.manifests[0].path)
    project = report.snapshot.project
    present = {entry.name for entry in project.entries} if project else set()
    sources = project.requirement_sources if project else ()
    return next((Place(name) for name in _MANIFESTS if name in present or name in sources), None)


def _relative(path: str, root: str) -> str | None:
    """`path` relative to `root`; None where it does not lie below it."""
    path, root = path.replace("\\", "/").rstrip("/"), root.replace("\\", "/").rstrip("/")
    if path == root:
        return ""
    return path[len(root) + 1 :] if path.startswith(root + "/") else None


def counted(report: Report) -> str:
    """How many of what, in words: ``2 errors, 1 warning (1 of them follows from another)``."""
    parts = [plural(report.count(severity), severity) for severity in SEVERITIES if report.count(severity)]
    text = ", ".join(parts) or ("nothing new" if report.suppressed else "nothing found")
    follow = report.consequences()
    return text + (f" ({follow} of them {'follows' if follow == 1 else 'follow'} from another)" if follow else "")


def looked_at(report: Report) -> str:
    """How much was looked at, in words."""
    counts = report.counts
    parts = [plural(counts.distributions, "distribution")]
    if counts.natives is not None:
        parts.append(plural(counts.natives, "native file"))
    return ", ".join([*parts, plural(counts.rules, "rule")])


def subject_of(finding: Finding) -> str:
    """The main subject with its version, escaped."""
    if not finding.subjects:
        return "environment"
    first = finding.subjects[0]
    return safe(f"{first.name} {first.version}" if first.version else first.name)


def headline(finding: Finding) -> str:
    """Code, name and main subject, escaped."""
    return f"{finding.code} {finding.name} · {subject_of(finding)}"


def label(fix: Fix, *, first: bool) -> str:
    """``fix: …``, ``or, by hand: …``, escaped."""
    word = "fix" if first else "or"
    title = fix.title if first else fix.title.removeprefix("Or ")
    return safe(
        {"safe": word, "unsafe": f"{word}, changing more than this", "manual": f"{word}, by hand"}[fix.safety] + f": {title}"
    )


def lines(finding: Finding, *, windows: bool = False, evidence: bool = True) -> list[str]:
    """Evidence, fixes with their commands and the command that shows the effect, a line each, escaped."""
    made = [safe(fact) for fact in finding.evidence] if evidence else []
    for number, fix in enumerate(finding.fixes):
        made.append(label(fix, first=number == 0))
        made += ["    " + command_line(argv, windows=windows) for argv in fix.commands]
    verify = list(dict.fromkeys(argv for fix in finding.fixes for argv in fix.verify))
    return made + ["see that it worked: " + command_line(argv, windows=windows) for argv in verify[-1:]]


def windows(report: Report) -> bool:
    """Command lines are for a Windows shell."""
    return report.machine.system == "windows"
