"""A lock of conda's kind, installed with every hash verified: into a scratch prefix to prove it, or where a person wants it.

py-rattler holds what it downloads against the hashes in the lock, but not what lies in a folder (``file:``): that is hashed here
before anything is installed. Distributions of pip sections are installed by uv, which demands hashes. No script of a package is
run.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from envdoctor.conda.archives import number, split
from envdoctor.formats.text import plural, safe
from envdoctor.lazy import pattern
from envdoctor.lock import document
from envdoctor.lock.make import uv
from envdoctor.lock.make.channels import place
from envdoctor.lock.make.options import MakeError, Options
from envdoctor.lock.make.solver import MISSING, MISSING_HINT
from envdoctor.lock.model import Lock, Locked

ALGORITHMS = ("sha256", "md5")
"""The strongest first."""
MAX_LOCK = 64 << 20
_NAMING = pattern(r"""^(?:  url: |(?=[a-z]+://)|# pip \S+ @ )['"]?([a-z]+://\S*\$\{[^\s#'"]*)""", re.MULTILINE)
OTHERS = {
    "uv": "uv sync --frozen",
    "pylock": "uv pip sync {}",
    "requirements": "pip install --require-hashes -r {}",
    "poetry": "poetry sync",
    "pdm": "pdm sync",
    "pipfile": "pipenv sync",
    "pixi": "pixi install --frozen",
}
"""What installs the locks that are not installed here."""


def run(
    path: str,
    prefix: str,
    *,
    environ: Mapping[str, str],
    categories: Collection[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> int:
    """``envdoctor install``: the lock in the file `path` into `prefix`; returns the number of packages. Raises MakeError."""
    from envdoctor.collect import files
    from envdoctor.lock import formats
    from envdoctor.lock.make import here
    from envdoctor.lock.model import LockError

    try:
        content = files.read(path, MAX_LOCK)
    except files.Unreadable as error:
        raise MakeError(f"{safe(path)}: {'no such file' if error.missing else error}") from None
    name = os.path.basename(path)
    kind = formats.format_of(name, content.data)
    if kind is None:
        raise MakeError(f"{safe(path)}: no lockfile that is known", "conda-lock.yml, or a file with @EXPLICIT in it")
    if kind not in ("conda-lock", "explicit"):
        raise MakeError(f"{safe(path)}: locks of this kind are installed by their own tool", OTHERS[kind].format(safe(path)))
    try:
        lock = formats.read(content.data, name, kind)
    except LockError as error:
        raise MakeError(f"{safe(path)}{f':{error.line}' if error.line else ''}: {error}") from None
    platform = here.subdir() or ""
    if platform not in lock.platforms:
        raise MakeError(f"{safe(path)}: the lock is not for {platform}, which is this machine's: {', '.join(lock.platforms)}")
    unknown = [one for one in categories if one not in lock.groups]
    if unknown:
        raise MakeError(f"{safe(path)}: no category {safe(unknown[0])}", f"categories: {', '.join(lock.groups)}")
    return install(
        lock,
        prefix,
        platform,
        environ=environ,
        categories=categories or _usual(lock),
        say=say,
        variables=with_variables(content.data.decode("utf-8", "replace")),
    )


def with_variables(text: str) -> dict[str, str]:
    """Addresses in a lock's text that name variables, by the address that a reader, who takes users and tokens out, has."""
    return {document.public(one): one for one in _NAMING.findall(text)}


def _usual(lock: Lock) -> tuple[str, ...]:
    """Categories that are installed when nothing is said: as conda-lock does; all of a format that has none."""
    return ("main", "dev") if lock.format == "conda-lock" else lock.groups


def verify(options: Options, lock: Lock, path: str, text: str, platform: str) -> int:
    """Installs `lock` into a scratch prefix and checks that with envdoctor: 0, or 1 with what it found told.

    `text` is the lock's text, `path` where it is written, or would be. Raises MakeError where it cannot be installed.
    """
    if platform not in lock.platforms:
        raise MakeError(f"--verify: the lock is not for {platform}, which is this machine's", "--platform takes it in")
    with tempfile.TemporaryDirectory(prefix="envdoctor-verify-") as folder:
        prefix = os.path.join(folder, "env")
        options.say("installing the lock into a scratch prefix")
        cache = None if options.offline else os.path.join(folder, "pkgs")
        count = install(
            lock,
            prefix,
            platform,
            environ=options.environ,
            categories=_usual(lock),
            say=options.say,
            offline=options.offline,
            cache=cache,
            variables=with_variables(text),
        )
        options.say("checking what was installed")
        copy = os.path.join(folder, os.path.basename(path))
        Path(copy).write_text(text, encoding="utf-8")
        return checked(options, prefix, copy, platform, count)


def install(
    lock: Lock,
    prefix: str,
    platform: str,
    *,
    environ: Mapping[str, str],
    categories: Collection[str] = ("main", "dev"),
    say: Callable[[str], None] = lambda _: None,
    offline: bool = False,
    cache: str | None = None,
    variables: Mapping[str, str] = {},
) -> int:
    """Installs what `lock` has for `platform` into `prefix`, which must not be there yet; returns the number of packages.

    `variables` are addresses that name variables (:func:`with_variables`). Raises MakeError: an entry without a hash, a hash that
    is another one, what cannot be fetched; `prefix` is not there then.
    """
    prefix = os.path.abspath(prefix)
    if os.path.lexists(prefix):
        raise MakeError(f"{safe(prefix)} is there already", "name a prefix that is not")

    def address(url: str | None) -> str:
        return place(variables.get(url or "", url or ""), environ, "package").address

    wanted = [entry for entry in lock.packages if any(c in categories and p == platform for c, p in entry.places)]
    conda = [entry for entry in wanted if entry.manager == "conda"]
    pip = [entry for entry in wanted if entry.manager == "pypi"]
    import shutil

    # what is not whole never stands there: it becomes the prefix when all of conda's packages are linked
    staging = f"{prefix}.envdoctor-{os.getpid()}"
    try:
        _conda(conda, staging, prefix, platform, address, say, cache)
        os.rename(staging, prefix)
    except BaseException as error:
        _gone(staging)
        if isinstance(error, OSError):
            raise MakeError(f"{safe(prefix)} cannot be made: {error.strerror or error}") from None
        raise
    if pip:
        say(f"installing {plural(len(pip), 'distribution')} of the pip section")
        try:
            _pip(pip, prefix, environ, address, offline)
        except BaseException:
            shutil.rmtree(prefix, ignore_errors=True)
            raise
    return len(wanted)


def _gone(folder: str) -> None:
    """Removes a folder into which threads of py-rattler that have not heard of a failure yet may still write."""
    import shutil
    import time

    for _ in range(40):
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)
        if not os.path.lexists(folder):
            return


def _conda(
    entries: Sequence[Locked],
    staging: str,
    prefix: str,
    platform: str,
    address: Callable[[str | None], str],
    say: Callable[[str], None],
    cache: str | None,
) -> None:
    """Conda's packages into the folder `staging`, for `prefix`, by py-rattler."""
    import asyncio

    try:
        import rattler
        import rattler.exceptions
    except ImportError:
        raise MakeError(MISSING, MISSING_HINT) from None
    records = []
    for entry in entries:
        artifact = entry.artifacts[0]
        url = address(artifact.url)
        hashes = dict(artifact.hashes)
        if not hashes:
            raise MakeError(f"{entry.name} {entry.version} has no hash in the lock", "envdoctor lock makes a lock with hashes")
        if url.startswith("file:") or "://" not in url:
            say(f"verifying {entry.name}")
            verified(entry, _local(url), hashes)
        records.append(_record(rattler, entry, url, hashes))
    os.makedirs(staging)
    say(f"installing {plural(len(records), 'package')}")
    try:
        asyncio.run(
            rattler.install(
                records,
                staging,
                platform=rattler.Subdir(platform),
                show_progress=False,
                cache_dir=cache,  # type: ignore[arg-type]
                alternative_target_prefix=prefix,
            )
        )
    except (rattler.exceptions.InstallerError, rattler.exceptions.LinkError, rattler.exceptions.TransactionError) as error:
        lines = [line.removeprefix("Caused by: ") for line in str(error).splitlines()]
        raise MakeError(f"the lock cannot be installed: {lines[0]}", None, tuple(lines[1:])) from None


def _record(rattler: Any, entry: Locked, url: str, hashes: Mapping[str, str]) -> Any:
    archive = split(url)
    record = rattler.PackageRecord(
        name=entry.name,
        version=entry.version,
        build=rattler.BuildString(archive.build or entry.build or ""),
        build_number=number(archive.build) or 0,
        subdir=archive.subdir,
        noarch=("python" if any(need.name == "python" for need in entry.needs) else "generic")
        if archive.subdir == "noarch"
        else None,
        depends=[f"{need.name} {need.spec}".strip() for need in entry.needs],
        sha256=bytes.fromhex(hashes["sha256"]) if "sha256" in hashes else None,
        md5=bytes.fromhex(hashes["md5"]) if "md5" in hashes else None,
    )
    return rattler.RepoDataRecord(record, archive.file, url, archive.channel)


def verified(entry: Locked, path: str, hashes: Mapping[str, str]) -> None:
    """Raises MakeError where the file at `path` has not the strongest of `hashes`."""
    algorithm = next((one for one in ALGORITHMS if one in hashes), "")
    if not algorithm:
        raise MakeError(f"{entry.name} {entry.version}: no hash that is known: {', '.join(sorted(hashes))}")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with Path(path).open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise MakeError(f"{entry.name} {entry.version}: {safe(path)}: {error.strerror or error}") from None
    if digest.hexdigest() != hashes[algorithm]:
        raise MakeError(
            f"{safe(path)} is not what was locked: its {algorithm} is {digest.hexdigest()}, the lock says {hashes[algorithm]}",
            "nothing was installed",
        )


def _local(url: str) -> str:
    """The path of a ``file:`` URL."""
    if not url.startswith("file:"):
        return url
    path = unquote(urlsplit(url).path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def _pip(
    entries: Sequence[Locked], prefix: str, environ: Mapping[str, str], address: Callable[[str | None], str], offline: bool
) -> None:
    """Distributions, by uv."""
    lines = []
    for entry in entries:
        artifact = entry.artifacts[0]
        hashes = dict(artifact.hashes)
        if artifact.kind == "vcs":
            if artifact.commit is None:
                raise MakeError(f"{entry.name}: the lock names no commit of {artifact.url}")
            lines.append(f"{entry.name} @ {artifact.url}@{artifact.commit}")
            continue
        if "sha256" not in hashes:
            raise MakeError(f"{entry.name} {entry.version} has no sha256 in the lock", "envdoctor lock makes a lock with hashes")
        lines.append(f"{entry.name} @ {address(artifact.url)} --hash=sha256:{hashes['sha256']}")
    python = next((one for one in ("bin/python", "python.exe") if os.path.exists(os.path.join(prefix, one))), None)
    if python is None:
        raise MakeError("the lock has a pip section and no python")
    repositories = any(entry.artifacts[0].kind == "vcs" for entry in entries)
    with tempfile.TemporaryDirectory(prefix="envdoctor-pip-") as folder:
        file = Path(folder, "requirements.txt")
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        words = ["pip", "install", "-q", "--no-deps", "--link-mode", "copy", "--python", os.path.join(prefix, python)]
        words += ([] if repositories else ["--require-hashes"]) + (["--offline"] if offline else []) + ["-r", str(file)]
        try:
            uv.run(uv.find(environ), words, environ=environ, cwd=folder)
        except uv.UvError as error:
            raise MakeError(f"the pip section cannot be installed: {error.lines[0]}", None, error.lines[1:]) from None


def checked(options: Options, prefix: str, path: str, platform: str, count: int) -> int:
    """What envdoctor finds in the scratch prefix, held against the lock."""
    from envdoctor.diagnose import Request, judge, observe

    environ = {name: value for name, value in options.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")}
    request = Request(
        prefix=prefix, environ=environ, cwd=os.path.dirname(path), home=options.home, project=os.path.dirname(path), locks=(path,)
    )
    report = judge(observe(request).snapshot)
    bad = [finding for finding in report.findings if finding.severity != "info"]
    for finding in bad:
        options.tell(f"{finding.severity}: {finding.code} {safe(finding.message)}")
    errors = sum(finding.severity == "error" for finding in bad)
    verdict = "is what the lock says and works" if not errors else f"has {plural(errors, 'error')}"
    options.tell(f"verified: {plural(count, 'package')} for {platform} installed, all hashes right; the environment {verdict}")
    return 1 if errors else 0
