"""The metadata of an installed distribution cannot be read, or says something that is not valid.

## Why it matters
Installers, `importlib.metadata` and entry points work with these files. Without a readable METADATA a distribution has
version None: pip skips it or stops, plugins are not found, packages that ask for their own version fail at import. Without
RECORD pip can neither upgrade nor uninstall it.

## How it is found
METADATA or PKG-INFO: missing, empty, not UTF-8, without valid Name and Version (PEP 440), or naming another distribution
than its folder. RECORD: unreadable, or lines that are no rows; absent or empty although a Python installer made the
distribution. WHEEL, direct_url.json and entry_points.txt: unreadable. `Requires-Dist` and `Requires-Python`: not PEP 508 or
PEP 440. The rest of the check goes on with what can be read.

## Look-alikes that are fine
Distributions of conda or the operating system without RECORD; `.egg-info` files; an editable's `.egg-link` whose source is
gone (PKG010). What other tools only warn about (a requirement or a direct_url.json that cannot be parsed, a name or
version that differs from the folder's, a RECORD that is not there) is a warning; so are versions that an operating
system's packager made up, such as `0.23ubuntu1`.

## How to fix
Install the distribution again. Where an invalid specifier is what the author published, only another release helps.

## Example
`the metadata of numpy is broken: METADATA: empty or without a single field`
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from envdoctor.finding import Finding, Severity
from envdoctor.rules.base import Rule
from envdoctor.snapshot import Distribution
from envdoctor.versions import is_specifier, is_version, version_of
from envdoctor.view import View

RULE = Rule(
    "PKG009",
    "metadata-broken",
    "error",
    reads=("distributions", "sites", "leftovers"),
    messages=(
        "no RECORD file was found for {distribution}",
        "Cannot uninstall {distribution} {version}",
        "RECORD file not found",
        "uninstall-no-record-file",
        "Metadata field Name",
        "Invalid metadata entry 'name'",
        "No package metadata was found for {distribution}",
        "missing a METADATA file",
        "It is a distutils installed project and thus we cannot accurately determine which files belong to it",
        "Unable to uninstall `{distribution}",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each distribution whose metadata has a problem, naming all of them."""
    unreadable: dict[tuple[int, str], list[str]] = {}
    for edge in view.closure.edges:
        if edge.status == "unreadable":
            texts = unreadable.setdefault((edge.parent.site, edge.parent.path), [])
            if edge.text not in texts:
                texts.append(edge.text)
    for name in sorted(view.by_name):
        for dist in view.by_name[name]:
            severe, mild = _problems(view, dist, unreadable.get((dist.site, dist.path), []))
            if not severe and not mild:
                continue
            own = view.snapshot.sites[dist.site].of_target and view.packager(dist) != "system"
            severity: Severity = "error" if severe and own else "warning"
            problems = [*severe, *mild]
            more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
            same = [d for d in view.by_name[name] if d.site == dist.site]
            remedy = view.remedy
            if dist.version is None and len(same) > 1:
                fix = remedy.fix(
                    f"Delete this metadata folder; {name} has another one",
                    remedy.delete(f"{view.site_path(dist)}/{dist.path}"),
                    RULE.code,
                    "PKG004",
                    safety=remedy.safety("unsafe", dist),
                )
            elif not severe and dist.version and _as_published(dist, problems):
                fix = remedy.fix(
                    f"Upgrade {name}: {dist.version} was published like that; installers of its day took it, newer ones may not",
                    remedy.install(f"{name}>{dist.version.partition('+')[0]}", dist=dist),
                    RULE.code,
                    "PKG002",
                    safety=remedy.safety("unsafe", dist),
                )
            else:
                fix = remedy.fix(
                    f"Install {name} again", remedy.reinstall(_whole(dist)), RULE.code, safety=remedy.safety("safe", dist)
                )
            yield RULE.finding(
                f"the metadata of {name} {dist.version or ''} is broken: ".replace("  ", " ").replace(" :", ":")
                + f"{problems[0]}{more}",
                [view.distribution(dist)],
                evidence=[f"{view.in_site(dist.site, dist.path)}: {problem}" for problem in problems[:12]],
                fixes=[fix],
                severity=severity,
                key=f"distribution:{name}" + (f":{dist.version}" if len(same) > 1 else ""),
            )


def _as_published(dist: Distribution, problems: list[str]) -> bool:
    """The text is invalid, and RECORD says that it is what the wheel held: another install gives the same."""
    resized = dist.record.resized if dist.record is not None else ()
    invalid = all(p.endswith(("is not valid (PEP 440)", "is not valid (PEP 508)")) for p in problems)
    return dist.record is not None and invalid and not any(row.path.endswith("/METADATA") for row in resized)


def _whole(dist: Distribution) -> Distribution:
    """`dist` with the version of its folder, by which installers go, where its metadata names another or none."""
    version = dist.path.removesuffix(".dist-info").partition("-")[2] if dist.format == "dist-info" else ""
    if not version or version == dist.version or not is_version(version):
        return dist
    return msgspec.structs.replace(dist, version=version)


def _problems(view: View, dist: Distribution, unreadable: list[str]) -> tuple[list[str], list[str]]:
    """What makes the metadata useless, and what only makes it doubtful."""
    severe: list[str] = []
    mild: list[str] = []
    for problem in dist.problems:
        label = problem.partition(":")[0]
        head = label in ("METADATA", "PKG-INFO", "RECORD") or label.endswith((".egg-info", ".egg-link"))
        (severe if head and "differs from the folder's" not in problem else mild).append(problem)
    metadata = "METADATA" if dist.format == "dist-info" else "PKG-INFO"
    if dist.version is not None and not is_version(dist.version):
        severe.append(f"{metadata}: Version {dist.version[:80]!r} is not valid (PEP 440)")
    written = _folder_version(dist)
    other = written is not None and dist.version is not None and written != dist.version
    if other and version_of(dist.version or "") not in (None, version_of(written or "")):
        mild.append(f"{metadata}: Version {dist.version} differs from the folder's {written}, by which pip goes")
    record = dist.record
    if record is not None and record.malformed and not any(p.startswith("RECORD") for p in severe):
        mild.append(f"RECORD: {len(record.malformed)} lines are no rows, such as {record.malformed[0][:80]!r}")
    if record is not None and not record.rows and not record.malformed and _should_have_record(view, dist):
        mild.append("RECORD: empty, so no installer can upgrade or uninstall it")
    if record is None and _should_have_record(view, dist) and not any(p.startswith("RECORD") for p in severe):
        mild.append("RECORD: missing, so no installer can upgrade or uninstall it")
    if dist.requires_python and not is_specifier(dist.requires_python):
        mild.append(f"{metadata}: Requires-Python {dist.requires_python[:80]!r} is not valid (PEP 440)")
    mild += [f"{metadata}: Requires-Dist {text[:200]!r} is not valid (PEP 508)" for text in unreadable[:10]]
    return severe, mild


def _should_have_record(view: View, dist: Distribution) -> bool:
    """A Python installer made it; they all write RECORD. Conda and operating systems do not always."""
    if dist.format != "dist-info" or view.packager(dist) is not None:
        return False
    own = view.snapshot.sites[dist.site].of_target and view.snapshot.target.kind in ("venv", "virtualenv", "uv")
    return own or dist.installer in ("pip", "uv")


def _folder_version(dist: Distribution) -> str | None:
    """The version in the name of a dist-info folder, where it is a valid one."""
    if dist.format != "dist-info" or not dist.path.endswith(".dist-info"):
        return None
    version = dist.path[: -len(".dist-info")].partition("-")[2].replace("_", "-")
    return version if version and is_version(version) else None
