"""As much of conda's command line as conda-lock needs to make a lock, over py-rattler: for machines that have no conda.

``script`` understands ``--version``, ``info --json``, ``config --json list``,
``create|install|update --dry-run --json`` and ``list --json``, and answers as conda does; conda-lock says which platform it is
about in ``CONDA_SUBDIR``, and which virtual packages in ``CONDA_OVERRIDE_…``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

VERSION = "25.1.0"
"""What it calls itself: conda-lock asks for no more than a version."""
_OVERRIDES = ("__archspec", "__cuda", "__glibc", "__linux", "__osx", "__win")


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Answers one command on stdout; 1 where it could not be done, with conda's JSON of an error."""
    words, options = _parsed(arguments)
    if "--version" in arguments:
        print(f"conda {VERSION}")
        return 0
    command = words[0] if words else ""
    if command == "info":
        print(json.dumps({"conda_version": VERSION, "pkgs_dirs": [environ.get("CONDA_PKGS_DIRS", "")]}))
        return 0
    if command == "config":
        print(json.dumps({"pkgs_dirs": [environ.get("CONDA_PKGS_DIRS", "")]}))
        return 0
    if command == "list":
        print(json.dumps([_listed(record) for record in _records(options["prefix"])]))
        return 0
    if command in ("create", "install", "update") and "--dry-run" in arguments:
        return _solve(command, words[1:], options, environ)
    return _failed(f"the shim of envdoctor does not do: conda {' '.join(arguments)[:200]}", "NotImplementedError")


def script(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """``main`` as a whole process. It ends at once: a thread of py-rattler that is still at work while Python is taken apart
    would abort it."""
    code = main(arguments, environ)
    sys.stdout.flush()
    os._exit(code)


def _solve(command: str, specs: Sequence[str], options: dict[str, Any], environ: Mapping[str, str]) -> int:
    from envdoctor.lock.make import solver
    from envdoctor.lock.make.channels import Place, expanded
    from envdoctor.lock.make.options import MakeError

    platform = environ.get("CONDA_SUBDIR", "")
    locked = _records(options["prefix"]) if command != "create" else []
    updated = {spec.partition(" ")[0].partition("=")[0].rpartition("::")[2].lower() for spec in specs}
    kept = [record for record in locked if record["name"] not in updated]
    task = solver.Task(
        platform,
        (*specs, *(record["name"] for record in kept)),
        _virtual(platform, environ),
        tuple(record["url"] for record in kept),
        tuple(record["name"] for record in kept),
    )
    fake = "conda-lock-fake-repodata"
    names = [name for name in options["channels"] if fake not in name]
    channels = expanded([Place(name, name) for name in names], platform)
    try:
        records = solver.solve([task], channels, offline=bool(environ.get("CONDA_OFFLINE"))).records[platform]
    except solver.Failed as failed:
        return _failed("\n".join(failed.problems[0].explanation), "UnsatisfiableError")
    except MakeError as error:
        return _failed(str(error), "CondaError")
    made = [_action(record) for record in records]
    before = {record["name"]: record["url"] for record in locked}
    changed = [one for one in made if before.get(one["name"]) != one["url"]]
    actions = {"FETCH": changed, "LINK": changed, "PREFIX": options["prefix"]}
    print(json.dumps({"success": True, "dry_run": True, "actions": actions}))
    return 0


def _failed(message: str, kind: str) -> int:
    print(json.dumps({"success": False, "message": message, "error": message, "exception_name": kind}))
    return 1


def _parsed(arguments: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Words that are no options, and the options with a value that are known."""
    words: list[str] = []
    options: dict[str, Any] = {"channels": [], "prefix": ""}
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in ("--channel", "-c"):
            options["channels"].append(value if equals else next(rest, ""))
        elif name in ("--prefix", "-p"):
            options["prefix"] = value if equals else next(rest, "")
        elif not word.startswith("-"):
            words.append(word)
    return words, options


def _virtual(platform: str, environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """What conda would take the platform's machine to have: what the variables say, and what no variable is for."""
    found: dict[str, tuple[str, str]] = {}
    if not platform.startswith("win-"):
        found["__unix"] = ("0", "")
    for name in _OVERRIDES:
        value = environ.get(f"CONDA_OVERRIDE_{name[2:].upper()}")
        if value:
            found[name] = ("1", value) if name == "__archspec" else (value, "")
    return found


def _records(prefix: str) -> list[dict[str, Any]]:
    """Records of a prefix that conda-lock made up."""
    from pathlib import Path

    if not prefix:
        return []
    files = sorted(Path(prefix, "conda-meta").glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _listed(record: dict[str, Any]) -> dict[str, Any]:
    channel = str(record.get("channel", ""))
    return {
        "name": record["name"],
        "version": record["version"],
        "build_string": record.get("build", ""),
        "build_number": record.get("build_number", 0),
        "channel": channel,
        "base_url": channel.rpartition("/")[0],
        "dist_name": f"{record['name']}-{record['version']}-{record.get('build', '')}",
        "platform": record.get("subdir", ""),
    }


def _action(record: Any) -> dict[str, Any]:
    file = record.url.rpartition("/")[2]
    return {
        "name": record.name,
        "version": record.version,
        "build": record.build,
        "subdir": record.subdir,
        "url": record.url,
        "fn": file,
        "channel": record.url.rpartition("/")[0],
        "md5": record.md5,
        "sha256": record.sha256,
        "depends": list(record.depends),
        "constrains": [],
        "dist_name": file.removesuffix(".conda").removesuffix(".tar.bz2"),
        "size": record.size,
        "timestamp": 0,
    }
