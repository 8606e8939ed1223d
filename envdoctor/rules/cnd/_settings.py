"""What several rules about conda's channels and settings share: families of channels, commands that change a setting."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from envdoctor.finding import Command, Subject
from envdoctor.lazy import pattern
from envdoctor.rules.base import NOT_CONDA, Skip
from envdoctor.snapshot import CondaInstallers, CondaPackage, CondaRoot, CondaSetting
from envdoctor.tuples import NamedTuple
from envdoctor.view import View

Family = Literal["defaults", "conda-forge"]
_PKGS = pattern(r"(?:^|/)pkgs/(?:main|r|msys2|free|archive|mro|mro-archive|pro)(?:/|$)")
_BUILT_ON_FORGE = frozenset(("bioconda", "rapidsai", "rapidsai-nightly"))
"""Channels whose own documentation requires conda-forge: their packages are linked against libraries from there."""
DATA = frozenset(("ca-certificates", "tzdata", "_libgcc_mutex", "_openmp_mutex", "libgcc_mutex", "msys2-conda-epoch"))
"""Packages of a platform that hold no compiled code."""


class Dead(NamedTuple):
    """A channel that does not serve new packages any more."""

    why: str
    """A verb and the reason."""
    instead: str | None


def installers(view: View) -> CondaInstallers:
    """The facts; Skip where the target has none."""
    found = view.snapshot.conda_installers
    if found is None:
        raise Skip(NOT_CONDA)
    return found


def parts(channel: str) -> tuple[str, str]:
    """Host (empty for a bare name) and path of a channel, both without slashes at the ends."""
    if "://" in channel:
        split = urlsplit(channel)
        return split.netloc.rpartition("@")[2].lower(), split.path.strip("/")
    return "", channel.strip("/")


def canonical(channel: str) -> str:
    """One spelling of a channel: ``conda-forge`` and its address on anaconda.org are the same."""
    host, path = parts(re.sub(r"/(?:linux|osx|win|emscripten|wasi|freebsd|zos)-\w+/?$|/noarch/?$", "", channel))
    if host in ("", "conda.anaconda.org"):
        return {"main": "pkgs/main", "r": "pkgs/r"}.get(path, path)
    if host in ("repo.anaconda.com", "repo.continuum.io"):
        return path
    return f"{host}/{path}"


def family(channel: str | None) -> Family | None:
    """The family of builds that a channel belongs to, as far as its address tells; a mirror keeps the end of its path."""
    if not channel:
        return None
    host, path = parts(channel)
    if path in ("defaults", "anaconda", "pkgs/main", "main") and host in ("", "conda.anaconda.org", "repo.anaconda.com"):
        return "defaults"
    if host in ("repo.anaconda.com", "repo.continuum.io") or _PKGS.search(path):
        return "defaults"
    name = re.sub(r"/label/.*", "", path).rpartition("/")[2]
    return "conda-forge" if name == "conda-forge" or name in _BUILT_ON_FORGE else None


def compiled(package: CondaPackage) -> bool:
    """The package holds code for one platform."""
    return package.subdir != "noarch" and package.noarch is None and package.name not in DATA


def dead(facts: CondaInstallers, setting: CondaSetting, channel: str) -> Dead | None:
    """Why nobody should ask a channel any more. A bare name is not judged where settings say what it stands for."""
    host, path = parts(channel)
    if channel in setting.missing:
        return Dead("is not there: its folder is gone", None)
    if host in ("conda.binstar.org", "binstar.org", "api.binstar.org"):
        return Dead("is not there any more: binstar.org became anaconda.org in 2015", path.rpartition("/")[2])
    if host == "repo.continuum.io":
        return Dead("is an address that was given up in 2018, for repo.anaconda.com", f"https://repo.anaconda.com/{path}")
    if not host and any(s.name in ("channel_alias", "custom_channels", "custom_multichannels") for s in facts.settings):
        return None
    if path == "intel" and host in ("", "conda.anaconda.org"):
        return Dead("is not there any more: Intel left anaconda.org in 2024", "https://software.repos.intel.com/python/conda")
    if path == "pkgs/free" and host in ("", "repo.anaconda.com"):
        return Dead("gets no packages any more: it is no part of defaults since conda 4.7 (2019)", "defaults")
    return None


def subject(package: CondaPackage) -> Subject:
    """A record as a subject."""
    return Subject("conda-package", package.name, package.version, package.record or None)


def root_subject(root: CondaRoot) -> Subject:
    """An installation as a subject, named by its folder."""
    return Subject("environment", root.path.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or root.path, None, root.path)


def setting_subject(view: View, setting: CondaSetting) -> Subject:
    """The file or variable of a setting as a subject."""
    return Subject("variable", setting.variable) if setting.variable else view.file(setting.file)


def place(view: View, setting: CondaSetting, line: int | None = None) -> str:
    """Where a setting stands, for evidence: the file relative to the prefix where it lies inside, and the line."""
    return setting.variable or f"{view.inside(setting.file)}:{line or setting.line}"


def key_of(view: View, setting: CondaSetting) -> str:
    """The place of a setting without anything of this machine, for fingerprints."""
    if setting.variable:
        return setting.variable
    scope = next((file.scope for file in installers(view).files if file.path == setting.file), "user")
    return f"{scope}:{setting.file.replace(chr(92), '/').rpartition('/')[2]}"


def config(
    view: View, setting: CondaSetting, verb: Literal["remove", "remove-key", "set"], value: str = ""
) -> tuple[Command, ...]:
    """The commands that change one setting where it stands; for a variable the shell's own. None for a value with a secret,
    which is not known here."""
    if "****" in value:
        return ()
    if setting.variable:
        if view.snapshot.machine.system == "windows":
            return (("Remove-Item", f"Env:{setting.variable}"),)
        return (("unset", setting.variable),)
    tool = view.remedy.conda_tool()
    words = (setting.key, value) if value else (setting.key,)
    if tool in ("mamba", "micromamba") and setting.mamba:
        return ((tool, "config", verb, *words, "--file", setting.file),)
    if tool == "micromamba":
        return ((tool, "config", verb, *words, "--file", setting.file),)
    return (("conda", "config", "--file", setting.file, f"--{verb}", *words),)
