"""An extension module of the standard library is absent or cannot be loaded.

## Why it matters
`import ssl`, `sqlite3`, `ctypes`, `lzma` or `zlib` fails, and with it every package that needs them: pip without `ssl` cannot
download anything. It happens when Python was built on a machine that lacked the library's headers, or when the library that
it was built with has been removed since.

## How it is found
For those modules that builds can lack, the module's file in `lib-dynload` (`DLLs` on Windows) is looked for, and what the
interpreter says is built into it. A file that is there is read: it must be whole, and each library that it needs must be
in some place that the loader looks at. It is an error where the code that an installed distribution runs at import needs it.

## Look-alikes that are fine
Modules that are built into the interpreter (python-build-standalone); a standard library without the module's Python part
(an operating system that splits it into packages); `_tkinter`, which is left out on purpose; modules that Windows never had;
PyPy, which does them in other ways.

## How to fix
Install the library with its headers and build Python again, or take a Python that somebody has built whole.

## Example
`the standard library lacks _sqlite3: import sqlite3 fails, which beta-lib needs`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Finding, Fix, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import StdlibModule
from envdoctor.view import View

RULE = Rule(
    "INT009",
    "stdlib-module-broken",
    "warning",
    reads=("interpreter", "target", "venv"),
    messages=(
        "No module named '_{module}'",
        "No module named 'tkinter'",
        "No module named 'readline'",
        "the ssl module is not available",
        "the ssl module in Python is not available",
        "Could not import the {module} module",
        "Missing optional module '{module}'",
    ),
)

PUBLIC = {
    "_bz2": "bz2",
    "_ctypes": "ctypes",
    "_curses": "curses",
    "_hashlib": "hashlib",
    "_lzma": "lzma",
    "_sqlite3": "sqlite3",
    "_ssl": "ssl",
    "_zstd": "compression.zstd",
}
"""The module that programs import, where it has another name."""

HEADERS = {
    "_bz2": "libbz2-dev",
    "_ctypes": "libffi-dev",
    "_curses": "libncurses-dev",
    "_hashlib": "libssl-dev",
    "_lzma": "liblzma-dev",
    "_sqlite3": "libsqlite3-dev",
    "_ssl": "libssl-dev",
    "_zstd": "libzstd-dev",
    "readline": "libreadline-dev",
    "zlib": "zlib1g-dev",
}
"""Debian's package with the headers that building the module needs."""

CONDA = {
    "_bz2": "bzip2",
    "_ctypes": "libffi",
    "_curses": "ncurses",
    "_hashlib": "openssl",
    "_lzma": "xz",
    "_sqlite3": "libsqlite",
    "_ssl": "openssl",
    "_zstd": "zstd",
    "readline": "readline",
    "zlib": "zlib",
}
"""conda-forge's package of the library."""


def check(view: View) -> Iterator[Finding]:
    """One finding for each module."""
    interpreter = view.snapshot.interpreter
    if not interpreter.optional_modules:
        raise Skip("the standard library cannot be read, or is not CPython's")
    for module in interpreter.optional_modules:
        if module.present and module.problem is None:
            continue
        public = PUBLIC.get(module.name, module.name)
        users = module.imported_by
        effect = f"import {public} fails" if module.name != "_hashlib" else f"{public} has no OpenSSL"
        needed = f", which {_list(users)} {'needs' if len(users) == 1 else 'need'}" if users else ""
        if module.present:
            verdict = f"{module.name} of the standard library cannot be loaded ({module.problem}): {effect}{needed}"
        else:
            verdict = f"the standard library lacks {module.name}: {effect}{needed}"
        yield RULE.finding(
            verdict,
            [view.interpreter_subject(), *_files(view, module), *(view.named(name) for name in users)],
            evidence=list(_evidence(view, module)),
            fixes=_fixes(view, module, public),
            severity="error" if users else "warning",
            key=module.name,
        )


def _files(view: View, module: StdlibModule) -> list[Subject]:
    return [view.file(module.path)] if module.path else []


def _evidence(view: View, module: StdlibModule) -> Iterator[str]:
    interpreter = view.snapshot.interpreter
    if module.path:
        yield f"{view.inside(module.path)}: {module.problem}"
    else:
        yield f"no {module.name} in {interpreter.stdlib}/lib-dynload, and it is not built into the interpreter"
    for name in module.imported_by[:5]:
        yield f"{name} imports {PUBLIC.get(module.name, module.name)} when it is imported"


def _list(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} others"


def _fixes(view: View, module: StdlibModule, public: str) -> Iterator[Fix]:
    remedy = view.remedy
    interpreter = view.snapshot.interpreter
    verify = remedy.importing(public)
    short = view.python_short or "3"
    if interpreter.origin in ("conda", "pixi"):
        name = CONDA.get(module.name, "python")
        prefix = interpreter.base_prefix or remedy.prefix
        if prefix.rstrip("/\\") == remedy.prefix.rstrip("/\\"):
            yield remedy.fix(
                f"install {name} and python again",
                remedy.conda_reinstall(*dict.fromkeys((name, "python"))),
                "INT009",
                safety="unsafe",
                verify=[verify],
            )
        else:
            command = (remedy.conda_tool(), "install", "-p", prefix, "--force-reinstall", name, "python")
            yield remedy.fix(f"install {name} and python again", [command], "INT009", safety="unsafe", verify=[verify])
    elif interpreter.origin in ("debian", "ubuntu"):
        package = f"libpython{short}-stdlib"
        yield remedy.fix(
            f"install {package} again",
            [("apt-get", "install", "--reinstall", "-y", package)],
            "INT009",
            safety="unsafe",
            verify=[verify],
        )
    elif interpreter.origin in ("pyenv", "asdf"):
        full = interpreter.version or short
        build = ("pyenv", "install", "--force", full) if interpreter.origin == "pyenv" else ("asdf", "install", "python", full)
        headers = HEADERS.get(module.name)
        commands = [("apt-get", "install", "-y", headers), build] if headers else [build]
        yield remedy.fix(
            "install the library's headers and build Python again", commands, "INT009", safety="unsafe", verify=[verify]
        )
    else:
        yield remedy.manual(
            f"take a Python {short} that has {module.name}", "INT009", commands=[("uv", "python", "install", short)]
        )
