"""An import asks for a module or name that the installed version no longer has.

## Why it matters
Bounds are satisfied, `pip check` is content, and the import fails: `pkg_resources` after setuptools 82, `distutils` on
Python 3.12, `cgi` on 3.13, `cached_download` after huggingface-hub 0.26, `url_quote` after Werkzeug 3. Old releases cannot
know what newer versions of others remove.

## How it is found
From the top-level package of each distribution the imports that run when it is imported are followed through its files. A
`from other import name` or `import other.module` is reported where the syntax trees of both sides prove that the other
side has no such thing; standard library names are looked up in the target's own standard library. In large environments
only the modules nearest to the top-level packages are read; `--deep` follows everything.

## Look-alikes that are fine
Imports guarded by try/except ImportError or contextlib.suppress, inside functions, under TYPE_CHECKING or under a
version or platform condition that does not hold; modules with a `__getattr__` that may answer, star imports that cannot
be followed, `globals()`, native modules, changed `__path__` or `sys.modules`; vendored copies; setuptools' stand-in for
distutils; optional submodules that the package itself does not import. Where only a side module of a distribution fails
(pyximport of Cython), it is a warning. A distribution that is not installed at all is PKG001.

## How to fix
Upgrade the one that asks; or hold back the one that removed it, where its version is known; or, for modules of the standard
library, install the distribution that provides them again.

## Example
`import flask fails: flask 2.2.2 needs url_quote from werkzeug.urls, which werkzeug 3.0.6 does not have`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.data.removed_names import REMOVED
from envdoctor.data.stdlib_history import REPLACEMENTS
from envdoctor.finding import Finding, Fix
from envdoctor.rules.base import Rule
from envdoctor.rules.pkg._recorded import label, listed
from envdoctor.snapshot import BrokenImport, Distribution
from envdoctor.view import View

RULE = Rule(
    "PKG012",
    "removed-api-needed",
    "error",
    reads=("broken_imports", "distributions", "interpreter"),
    deep=True,
    messages=(
        "cannot import name '{name}' from '{module}'",
        "module '{module}' has no attribute '{name}'",
        "No module named '{module}'",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for each importer and module that lacks something."""
    found: dict[tuple[str, str, str | None], list[BrokenImport]] = {}
    active = {index for index, _ in view.active_sites}
    for broken in view.snapshot.broken_imports:
        if broken.site in active:
            found.setdefault((broken.importer, broken.module, broken.provider), []).append(broken)
    for (importer, module, provider), items in sorted(found.items(), key=lambda item: (item[0][0], item[0][1], item[0][2] or "")):
        yield _finding(view, importer, module, provider, items)


def _finding(view: View, importer: str, module: str, provider: str | None, items: list[BrokenImport]) -> Finding:
    asker = view.effective.get(importer)
    giver = view.effective.get(provider) if provider else None
    names = sorted({item.name for item in items if item.name})
    first = min(items, key=lambda item: (len(item.chain), item.path, item.line))
    top = first.chain[0] if first.chain else (asker.import_names[0] if asker and asker.import_names else importer)
    who = label(asker) if asker else importer
    python = f"Python {view.python_short}" if view.python_short else "this Python"
    what = f"{listed(names)} from {module}" if names else f"the module {module}"
    if provider is None:
        lack = f"which {python} no longer has"
    elif giver is None:
        own = provider == "setuptools"
        lack = (
            "which comes with setuptools, and that is not installed"
            if own
            else f"which the {provider} that is there does not have"
        )
    else:
        lack = f"which {label(giver)} does not have"
    subjects = [view.named(importer), *([view.named(provider)] if provider else [view.interpreter_subject()])]
    files = sorted({view.in_site(item.site, item.path) for item in items})
    return RULE.finding(
        f"import {top} fails: {who} needs {what}, {lack}",
        [*subjects, view.file(f"{view.snapshot.sites[first.site].path}/{first.path}")],
        evidence=[
            f"{view.in_site(first.site, first.path)}:{first.line}: {first.statement}",
            *([f"reached by importing {' > '.join(first.chain)}"] if len(first.chain) > 1 else []),
            *(
                [f"the same in {listed([file for file in files if file != view.in_site(first.site, first.path)])}"]
                if len(files) > 1
                else []
            ),
        ],
        fixes=_fixes(view, asker, importer, giver, module, names, provider, top),
        key=f"{importer}:{module}:{','.join(names)}",
        severity="warning" if _side_module(asker, items) else "error",
    )


def _side_module(asker: Distribution | None, items: list[BrokenImport]) -> bool:
    """Only a second top-level module fails, and the one that is named like the distribution works: Cython's pyximport."""
    if asker is None:
        return False
    tops = {item.chain[0].partition(".")[0].lower() for item in items if item.chain}
    own = {name.lower() for name in asker.import_names}
    return asker.name.replace("-", "_") in own - tops and tops <= own


def _fixes(
    view: View,
    asker: Distribution | None,
    importer: str,
    giver: Distribution | None,
    module: str,
    names: list[str],
    provider: str | None,
    top: str,
) -> Iterator[Fix]:
    remedy = view.remedy
    verify = [remedy.importing(top)]
    asked: list[str | None] = [*names] or [None]
    known = [REMOVED.get((provider or "", module, name)) for name in asked]
    bounds = sorted((bound for bound in known if bound), key=lambda bound: [int(part) for part in bound.split(".")])
    if bounds and provider:
        keeps = f"{provider}<{bounds[0]}"
        yield remedy.fix(
            f"Hold {provider} back: {keeps} still has it",
            remedy.install(keeps, dist=giver or asker),
            RULE.code,
            "PKG002",
            safety=remedy.safety("unsafe", giver),
            verify=verify,
        )
    if provider is None and module.partition(".")[0] in REPLACEMENTS and not names:
        again = REPLACEMENTS[module.partition(".")[0]]
        yield remedy.fix(
            f"Install {again}, which provides {module} again",
            remedy.install(again, dist=asker),
            RULE.code,
            safety=remedy.safety("safe", asker),
            verify=verify,
        )
    if asker is not None and asker.version:
        newer = f"{importer}>{asker.version.partition('+')[0]}"
        yield remedy.fix(
            f"Upgrade {importer}, if a newer release no longer asks for it",
            remedy.install(newer, dist=asker),
            RULE.code,
            "PKG002",
            safety=remedy.safety("unsafe", asker),
            verify=verify,
        )
    if not bounds and giver is not None and giver.version:
        older = f"{giver.name}<{giver.version.partition('+')[0]}"
        yield remedy.manual(
            f"Or go back to a version of {giver.name} that still has it",
            RULE.code,
            commands=remedy.install(older, dist=giver),
        )
    if asker is None and not bounds and giver is None:
        yield remedy.manual(f"Upgrade or remove {importer}", RULE.code)
