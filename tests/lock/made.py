"""Lockfiles in the words of their tools, small, for tests: what an entry says is up to the test."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

HOST = "https://files.index.example/packages"
INDEX = "https://index.example/simple"


class Package(NamedTuple):
    """One entry. `needs` are lines of the format (uv: inline tables, conda: match specs)."""

    name: str
    version: str = "1.0"
    needs: tuple[str, ...] = ()
    wheels: tuple[str, ...] = ("py3-none-any",)
    sdist: bool = True
    extra: str = ""
    """More lines of the entry."""
    build: str = "pyh0_0"
    groups: tuple[str, ...] = ("default",)
    marker: str | None = None
    source: str = f'{{ registry = "{INDEX}" }}'


def digest(*words: object) -> str:
    """A hash that is the same for the same words."""
    return hashlib.sha256(" ".join(map(str, words)).encode()).hexdigest()


def wheel(package: Package, tag: str) -> str:
    """File name of a wheel."""
    return f"{package.name.replace('-', '_')}-{package.version}-{tag}.whl"


def uv(
    *packages: Package,
    project: str = "demo",
    needs: Iterable[str] | None = None,
    groups: Mapping[str, Iterable[str]] | None = None,
    extras: Mapping[str, Iterable[str]] | None = None,
    python: str = ">=3.8",
    top: str = "",
) -> str:
    """uv.lock; the project asks for all packages unless `needs` says less. Needs are inline tables, or names."""

    def edges(names: Iterable[str]) -> str:
        return ", ".join(one if one.startswith("{") else f'{{ name = "{one}" }}' for one in names)

    out = [f'version = 1\nrevision = 2\nrequires-python = "{python}"\n{top}']
    for package in packages:
        out.append(f'[[package]]\nname = "{package.name}"\nversion = "{package.version}"\nsource = {package.source}')
        if package.needs:
            out.append(f"dependencies = [{edges(package.needs)}]")
        if "registry" in package.source:
            if package.sdist:
                file = f"{package.name}-{package.version}.tar.gz"
                out.append(f'sdist = {{ url = "{HOST}/{file}", hash = "sha256:{digest(file)}", size = 10 }}')
            rows = [
                f'    {{ url = "{HOST}/{name}", hash = "sha256:{digest(name)}", size = 10 }},'
                for name in (wheel(package, tag) for tag in package.wheels)
            ]
            out += ["wheels = [", *rows, "]"] if rows else []
        out += [package.extra, ""] if package.extra else [""]
    wanted = [package.name for package in packages] if needs is None else list(needs)
    out.append(f'[[package]]\nname = "{project}"\nversion = "0.1.0"\nsource = {{ virtual = "." }}')
    out.append(f"dependencies = [{edges(wanted)}]\n")
    if extras:
        out.append("[package.optional-dependencies]")
        out += [f"{extra} = [{edges(names)}]" for extra, names in extras.items()] + [""]
    if groups:
        out.append("[package.dev-dependencies]")
        out += [f"{group} = [{edges(names)}]" for group, names in groups.items()] + [""]
    out.append("[package.metadata]")
    out.append(f"requires-dist = [{edges(wanted)}]")
    return "\n".join(out) + "\n"


def pyproject(*needs: str, name: str = "demo", python: str = ">=3.8") -> str:
    """pyproject.toml (PEP 621)."""
    return (
        f'[project]\nname = "{name}"\nversion = "0.1.0"\nrequires-python = "{python}"\ndependencies = {json.dumps(list(needs))}\n'
    )


def pylock(*packages: Package, top: str = "") -> str:
    """pylock.toml (PEP 751)."""
    out = [f'lock-version = "1.0"\ncreated-by = "uv"\n{top}']
    for package in packages:
        out.append(f'[[packages]]\nname = "{package.name}"\nversion = "{package.version}"')
        out += [f"marker = {json.dumps(package.marker)}"] if package.marker else []
        if package.needs:
            out.append("dependencies = [" + ", ".join(f'{{ name = "{one}" }}' for one in package.needs) + "]")
        if package.sdist:
            file = f"{package.name}-{package.version}.tar.gz"
            out.append(f'sdist = {{ name = "{file}", url = "{HOST}/{file}", hashes = {{ sha256 = "{digest(file)}" }} }}')
        rows = [
            f'{{ name = "{name}", url = "{HOST}/{name}", hashes = {{ sha256 = "{digest(name)}" }} }}'
            for name in (wheel(package, tag) for tag in package.wheels)
        ]
        out += [f"wheels = [{', '.join(rows)}]"] if rows else []
        out += [package.extra, ""]
    return "\n".join(out) + "\n"


def requirements(*packages: Package, hashes: bool = True, head: str = "") -> str:
    """A requirements file with hashes, as ``uv pip compile`` writes it."""
    out = [head] if head else []
    for package in packages:
        marker = f" ; {package.marker}" if package.marker else ""
        line = f"{package.name}=={package.version}{marker}"
        out.append(f"{line} \\\n    --hash=sha256:{digest(package.name, package.version)}" if hashes else line)
    return "\n".join(out) + "\n"


def poetry(*packages: Package, python: str = ">=3.8") -> str:
    """poetry.lock 2.1; needs are ``name = "spec"`` lines."""
    out = ["# This file is automatically @generated by Poetry 2.1.1 and should not be changed by hand.\n"]
    for package in packages:
        groups = json.dumps([{"default": "main"}.get(group, group) for group in package.groups])
        out.append(f'[[package]]\nname = "{package.name}"\nversion = "{package.version}"\ndescription = ""\noptional = false')
        out.append(f'python-versions = ">=3.8"\ngroups = {groups}')
        out += [f"markers = {json.dumps(package.marker)}"] if package.marker else []
        names = [wheel(package, tag) for tag in package.wheels]
        names += [f"{package.name}-{package.version}.tar.gz"] if package.sdist else []
        out += ["files = [", *(f'    {{file = "{name}", hash = "sha256:{digest(name)}"}},' for name in names), "]", ""]
        if package.needs:
            out += ["[package.dependencies]", *package.needs, ""]
    out.append(f'[metadata]\nlock-version = "2.1"\npython-versions = "{python}"\ncontent-hash = "{digest("content")}"')
    return "\n".join(out) + "\n"


def pipfile(default: Iterable[Package], develop: Iterable[Package] = ()) -> str:
    """Pipfile.lock."""

    def rows(packages: Iterable[Package]) -> dict[str, Any]:
        return {
            one.name: {
                "hashes": [f"sha256:{digest(one.name, one.version)}"],
                "version": f"=={one.version}",
                **({"markers": one.marker} if one.marker else {}),
            }
            for one in packages
        }

    meta = {
        "hash": {"sha256": digest("x")},
        "pipfile-spec": 6,
        "requires": {},
        "sources": [{"name": "pypi", "url": INDEX, "verify_ssl": True}],
    }
    return json.dumps({"_meta": meta, "default": rows(default), "develop": rows(develop)}, indent=4) + "\n"


class Conda(NamedTuple):
    """One entry of conda-lock.yml."""

    name: str
    version: str = "1.0"
    build: str = "h0_0"
    needs: tuple[tuple[str, str], ...] = ()
    platform: str = "linux-64"
    manager: str = "conda"
    category: str = "main"
    sha256: str | None = None
    subdir: str | None = None
    url: str | None = None


def conda_lock(*packages: Conda, platforms: Iterable[str] = ("linux-64",), sources: Iterable[str] = ("environment.yml",)) -> str:
    """conda-lock.yml, version 1."""
    out = ["version: 1", "metadata:", "  content_hash:"]
    out += [f"    {platform}: {digest(platform)}" for platform in platforms]
    out += ["  channels:", "  - url: conda-forge", "    used_env_vars: []", "  platforms:"]
    out += [f"  - {platform}" for platform in platforms]
    out += ["  sources:", *(f"  - {source}" for source in sources), "package:"]
    for one in packages:
        url = one.url
        if url is None and one.manager == "conda":
            subdir = one.subdir or one.platform
            url = f"https://conda.anaconda.org/conda-forge/{subdir}/{one.name}-{one.version}-{one.build}.conda"
        elif url is None:
            url = f"{HOST}/{one.name.replace('-', '_')}-{one.version}-py3-none-any.whl"
        out += [f"- name: {one.name}", f"  version: '{one.version}'", f"  manager: {one.manager}"]
        out.append(f"  platform: {one.platform}")
        out += ["  dependencies:" if one.needs else "  dependencies: {}", *(f"    {name}: '{spec}'" for name, spec in one.needs)]
        out += [
            f"  url: {url}",
            "  hash:",
            f"    sha256: {one.sha256 or digest(url)}",
            f"  category: {one.category}",
            "  optional: false",
        ]
    return "\n".join(out) + "\n"


def explicit(*packages: Conda, platform: str = "linux-64") -> str:
    """An ``@EXPLICIT`` list, as ``conda-lock render`` writes it."""
    out = ["# Generated by conda-lock.", f"# platform: {platform}", f"# input_hash: {digest(platform)}", "@EXPLICIT"]
    for one in packages:
        subdir = one.subdir or platform
        url = one.url or f"https://conda.anaconda.org/conda-forge/{subdir}/{one.name}-{one.version}-{one.build}.conda"
        out.append(f"{url}#{(one.sha256 or digest(url))[:32] if one.sha256 is None else one.sha256}")
    return "\n".join(out) + "\n"
