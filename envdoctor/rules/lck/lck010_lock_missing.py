"""A manifest has no lock.

## Why it matters
Everybody who installs from it gets the newest versions of that day. What works today cannot be built again in a year, and two
people of one team do not run the same code.

## How it is found
Each manifest of the project that asks for something (environment.yml, pyproject.toml, requirements.in, Pipfile, pixi.toml) is
looked for among those that the project's lockfiles are made from; a lock that does not say what it is made from counts for the
manifests of its kind beside it.

## Look-alikes that are fine
Manifests that ask for nothing; a library, whose users resolve it with everything else: this is a remark, never more. When
`--lock` names lockfiles, nothing is said of others.

## How to fix
Make a lock with the project's own tool, or with `envdoctor lock`, and commit it.

## Example
`environment.yml has no lock: it asks for 14 packages`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from envdoctor.finding import Finding, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.view import View

if TYPE_CHECKING:
    from envdoctor.lock.model import Lock, Manifest

RULE = Rule("LCK010", "lock-missing", "info", reads=("locks", "manifests", "project"))

_PYTHON = ("uv", "poetry", "pdm", "pylock", "requirements", "pipfile")
_FORMATS = {
    "environment": ("conda-lock", "explicit", "pixi"),
    "pyproject": _PYTHON,
    "setup": _PYTHON,
    "requirements-in": ("requirements", "pylock", "uv"),
    "pixi": ("pixi",),
    "pipfile": ("pipfile",),
}
"""Formats of locks that may be made from a manifest."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each manifest."""
    manifests = view.snapshot.manifests
    if not manifests:
        return
    locks = view.snapshot.locks
    if any(lock.named for lock in locks):
        raise Skip("--lock names the lockfiles to look at")
    for manifest in manifests:
        if (
            manifest.error is not None
            or not manifest.wishes
            or _constraints(manifest)
            or any(_covers(lock, manifest) for lock in locks)
        ):
            continue
        number = len(manifest.wishes)
        project = view.snapshot.project
        name = (project.name or project.root.replace("\\", "/").rstrip("/").rpartition("/")[2]) if project is not None else None
        yield RULE.finding(
            f"{manifest.path} has no lock: it asks for {number} {'package' if number == 1 else 'packages'}",
            [Subject("file", manifest.path, None, manifest.path), *([Subject("project", name)] if name else [])],
            evidence=[
                f"{manifest.path}: {wish.text or wish.name}" + (f" (line {wish.line})" if wish.line else "")
                for wish in manifest.wishes[:3]
            ]
            + [f"lockfiles beside it: {', '.join(lock.path for lock in locks) or 'none'}"],
            fixes=[view.remedy.locks.fix(view.remedy.locks.make(manifest), None, RULE.code, safety="safe")],
        )


def _constraints(manifest: Manifest) -> bool:
    """A file that others take in with ``-c``: it asks for nothing."""
    return manifest.format == "requirements-in" and manifest.path.replace("\\", "/").rpartition("/")[2].startswith("constraint")


def _covers(lock: Lock, manifest: Manifest) -> bool:
    """The lock is made from the manifest, as far as it says."""
    if lock.manifests:
        return manifest.path in lock.manifests
    if _folder(lock.path) != _folder(manifest.path):
        return False
    formats: tuple[str, ...] = _FORMATS.get(manifest.format, ())
    if manifest.format == "pyproject":
        formats += tuple(tool for tool in ("pixi", "conda-lock") if tool in manifest.tools)
    return lock.format in formats


def _folder(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[0]
