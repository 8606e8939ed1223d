"""The locked version is installed, but not the file that is locked.

## Why it matters
The same version is not the same code: another build of a conda package links other libraries, `+cpu` and `+cu124` are two
programs, a commit is not a release, and a file with another hash was changed by somebody.

## How it is found
For a lock that is meant for the target (LCK004 tells when), and packages in the locked version. Of conda packages the hash of
the archive, else build and channel of the record are compared with the entry. Of distributions what `direct_url.json` says:
hash of the archive, commit, folder; a local version (`+cpu`) that the lock does not have; and the tags of the wheel, where
nothing else than wheels is locked and none of them is for this system.

## Look-alikes that are fine
`.conda` and `.tar.bz2` of one build; mirrors of a channel; a wheel out of several that fit; what was built here from a locked
sdist; the project and its workspace members, installed from their folders; a Python package that is locked from the index and
that conda brought; entries whose lock says nothing of where they are from.

## How to fix
Install what is locked, with the lock's own tool.

## Example
`numpy 2.1.0 is installed as build py312hcf3cb28_1, conda-lock.yml locks build py312h1103770_0`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding
from envdoctor.lock.model import Artifact, Locked
from envdoctor.rules.base import Rule
from envdoctor.rules.lck._shared import DRIFT, Case, findings, held, place
from envdoctor.snapshot import CondaPackage, Distribution
from envdoctor.view import View

RULE = Rule(
    "LCK007",
    "locked-artifact-differs",
    "error",
    reads=DRIFT,
    messages=(
        "DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE",
        "Hash mismatch for `{distribution}",
        "ChecksumMismatchError",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each package."""
    told: set[tuple[str, str]] = set()
    for one in held(view):
        cases = []
        for key, everything in one.allowed.items():
            if key in told or not key[1] or not view.locks.there(key) or view.locks.is_project(key[1]):
                continue
            entries = [entry for entry in everything if view.locks.same_version(entry)]
            reasons = [
                _conda(view.locks.records[key[1]], e) if key[0] == "conda" else _pypi(view, view.effective[key[1]], e)
                for e in entries
            ]
            if not entries or None in reasons:
                continue
            told.add(key)
            entry, reason = entries[0], reasons[0] or ("", "")
            if key[0] == "conda":
                from envdoctor.conda.installed import label, subject

                record = view.locks.records[key[1]]
                main, name, where = subject(record), label(record), record.record
            else:
                dist = view.effective[key[1]]
                main, name, where = view.distribution(dist), f"{dist.name} {dist.version}", view.in_site(dist.site, dist.path)
            cases.append(
                Case(
                    main,
                    f"{name} is installed {reason[0]}, {one.lock.path} locks {reason[1]}",
                    (
                        f"{where}: {reason[0]}",
                        f"{place(one.lock, entry)}: {reason[1]}",
                        f"{one.lock.path} counts for this environment: {one.why}",
                    ),
                    "error" if key in one.wanted else "warning",
                )
            )
        yield from findings(
            RULE,
            one.lock,
            cases,
            f"packages are not installed from the files that {one.lock.path} locks",
            [view.remedy.locks.install(one, RULE.code)],
            confidence="certain" if one.relation else "likely",
        )


Reason = tuple[str, str]
"""What is installed, what is locked, in words."""


def _conda(record: CondaPackage, entry: Locked) -> Reason | None:
    """How a record of the locked version is not the locked package; None where it is."""
    artifact = entry.artifacts[0] if entry.artifacts else None
    hashes = dict(artifact.hashes) if artifact is not None else {}
    builds = bool(entry.build and record.build and entry.build != record.build)
    if not builds:
        if artifact is not None and record.filename and artifact.name and record.filename != artifact.name:
            return None if _stem(record.filename) == _stem(artifact.name) else _names(record.filename, artifact.name)
        for algorithm, own in (("sha256", record.sha256), ("md5", record.md5)):
            locked = hashes.get(algorithm)
            if locked and own:
                return None if locked == own.lower() else (f"with {algorithm} {own[:16]}…", f"{algorithm} {locked[:16]}…")
    if builds:
        return f"as build {record.build}", f"build {entry.build}"
    if entry.source and record.channel:
        from envdoctor.conda import channels

        if not channels.test(entry.source)(record.channel) and not channels.test(record.channel)(entry.source):
            return f"from {record.channel}", f"it from {entry.source}"
    return None


def _stem(file: str) -> str:
    return file.removesuffix(".conda").removesuffix(".tar.bz2")


def _names(installed: str, locked: str) -> Reason:
    return f"from {installed}", locked


def _pypi(view: View, dist: Distribution, entry: Locked) -> Reason | None:
    """How a distribution of the locked version is not the locked one; None where it is, or nothing tells."""
    if dist.conda or view.packager(dist) is not None or not entry.artifacts:
        return None
    direct = dist.direct_url
    kinds = {artifact.kind for artifact in entry.artifacts}
    if direct is not None and direct.vcs:
        if kinds != {"vcs"}:
            return f"from {direct.vcs}+{direct.url} at {(direct.commit or '?')[:12]}", "a release of it"
        commit = entry.artifacts[0].commit
        if commit and direct.commit and not commit.startswith(direct.commit) and not direct.commit.startswith(commit):
            return f"from commit {direct.commit[:12]}", f"commit {commit[:12]}"
        return None
    if direct is not None and direct.archive_hash:
        return _archive(direct.archive_hash, entry.artifacts)
    if direct is not None and direct.url.startswith("file:"):
        if kinds & {"directory"} or any(artifact.path for artifact in entry.artifacts):
            return None
        if direct.editable or not direct.url.endswith((".whl", ".gz", ".zip", ".bz2")):
            return f"from the folder {direct.url[7:]}", "a release of it"
        return None
    if direct is None and kinds == {"vcs"} and dist.installer in ("pip", "uv"):
        artifact = entry.artifacts[0]
        return "from an index", f"{artifact.url} at {(artifact.commit or artifact.reference or '?')[:12]}"
    if dist.editable is not None and not kinds & {"directory", "vcs"}:
        source = next(iter(dist.editable.sources), dist.editable.path)
        return f"from the folder {source}", "a release of it"
    local = (dist.version or "").partition("+")[2]
    if local and entry.version and "+" not in entry.version:
        return f"as {dist.version}", f"{entry.version}"
    return _wheel(dist, entry)


def _archive(own: str, artifacts: tuple[Artifact, ...]) -> Reason | None:
    """The hash of the archive that it was installed from is none of those that are locked."""
    algorithm, _, digest = own.replace(":", "=", 1).partition("=")
    locked = [value for artifact in artifacts for name, value in artifact.hashes if name == algorithm.lower()]
    if not digest or not locked or digest.lower() in locked:
        return None
    return f"from a file with {algorithm} {digest[:16]}…", f"{algorithm} {locked[0][:16]}…" + (
        f" and {len(locked) - 1} others" if len(locked) > 1 else ""
    )


def _wheel(dist: Distribution, entry: Locked) -> Reason | None:
    """It was made for another system or Python than every locked wheel, and nothing is locked that could have been built."""
    if dist.wheel is None or not dist.wheel.tags or any(artifact.kind != "wheel" for artifact in entry.artifacts):
        return None
    own = {_coarse(tag) for tag in dist.wheel.tags}
    locked: set[tuple[str, str]] = set()
    for artifact in entry.artifacts:
        parts = artifact.name.removesuffix(".whl").lower().rsplit("-", 3)
        if len(parts) != 4:
            return None
        locked |= {
            _coarse(f"{py}-{abi}-{os}") for py in parts[1].split(".") for abi in parts[2].split(".") for os in parts[3].split(".")
        }
    if own & locked or ("any", "any") in own | locked:
        return None
    return f"from a wheel for {dist.wheel.tags[0]}", f"wheels for other systems, such as {entry.artifacts[0].name}"


def _coarse(tag: str) -> tuple[str, str]:
    """What no repairing of a wheel changes: pure or for an ABI, and the architecture."""
    parts = tag.lower().split("-")
    if len(parts) != 3:
        return "", ""
    system = parts[2]
    if system == "any":
        return "any", "any"
    for word in ("x86_64", "amd64", "aarch64", "arm64", "universal2", "i686", "win32", "armv7l", "ppc64le", "s390x", "riscv64"):
        if system.endswith(word):
            kind = "linux" if "linux" in system else "mac" if system.startswith("macosx") else "win"
            return kind, word
    return "", system
