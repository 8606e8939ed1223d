"""Packages come from an index in a way that lets others choose what is installed.

## Why it matters
Whoever sits between this machine and a plain http index decides what code is installed, and installing is running. A
`trusted-host` switches the check of the certificate off. With `extra-index-url` pip takes the highest version of a name from
all its indexes: somebody who registers the name of an internal package on the public index, with a higher version, is
installed instead of it ("dependency confusion"; that is how torchtriton got onto machines in December 2022).

## How it is found
In the settings of pip and uv that are in effect, from configuration files and variables: index and find-links addresses
that begin with http://, hosts whose certificate is not checked, passwords and tokens in configuration files that every user
of the machine can read, and, for pip, public and private indexes side by side. The same for uv where
`index-strategy = "unsafe-best-match"`. With well-known public extra indexes (PyTorch, NVIDIA, PiWheels) that is info.

## Look-alikes that are fine
- https indexes, also with a company's own certificate (`cert`), folders and `file://` indexes.
- http to this very machine (localhost, 127.0.0.1): devpi and the like.
- Several private indexes, or several paths of one host, with no public one among them.
- uv's default strategy: it takes a name from the first index that has it.
- Passwords in variables, and in files that only their owner can read.

## How to fix
Use https; let one index serve both public and internal names; keep passwords in the keyring or netrc, or make the file
private.

## Example
```
PIP004 packages come over plain http from pypi.corp.example: anyone on the way can replace them
```
"""

import re
from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Fix, Subject
from envdoctor.lazy import pattern
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Setting
from envdoctor.view import View

RULE = Rule(
    "PIP004",
    "index-unsafe",
    "warning",
    reads=("installers",),
    messages=(
        "CERTIFICATE_VERIFY_FAILED",
        "is not a trusted or secure host and is being ignored",
        "it is a security risk",
    ),
)
PUBLIC = ("pypi.org", "pypi.python.org", "test.pypi.org")
KNOWN_EXTRA = (
    "download.pytorch.org",
    "pypi.nvidia.com",
    "pypi.ngc.nvidia.com",
    "www.piwheels.org",
    "piwheels.org",
    "data.pyg.org",
    "pypi.anaconda.org",
    "wheels.vllm.ai",
    "flashinfer.ai",
    "rocm.nightlies.amd.com",
    "repo.radeon.com",
    "storage.googleapis.com",
    "abetlen.github.io",
)
"""Public indexes that projects tell their users to add."""
_URL = pattern(r"(?:[\w-]+=)?(?:git\+)?(https?)://(?:[^/@\s]*@)?(\[[^\]\s]*\]|[^/:\s?#]+)", re.IGNORECASE)
INDEXES = frozenset(("index-url", "extra-index-url", "default-index", "index", "find-links"))


def check(view: View) -> Iterator[Finding]:
    """One finding for each unsafe host, each readable file with secrets, and each mixture of indexes."""
    if view.snapshot.target.foreign and not view.snapshot.installers.settings:
        raise Skip("the settings of another machine are not known")
    settings = view.snapshot.installers.settings
    live = [setting for setting in settings if not setting.overridden]
    yield from _transport(view, live)
    yield from _secrets(view, [setting for setting in settings if setting.credentials and setting.readable_by_others])
    yield from _confusion(view, live, "pip")
    yield from _confusion(view, live, "uv")


def local(host: str) -> bool:
    """The host is this very machine."""
    host = host.lower().strip("[]").rstrip(".")
    return host in ("localhost", "::1", "0.0.0.0") or host.endswith(".localhost") or host.startswith("127.")


def _hosts(setting: Setting) -> list[tuple[str, str]]:
    """Scheme and host of every address in a setting; folders and file:// have none."""
    return [(match.group(1).lower(), match.group(2).lower()) for match in _URL.finditer(setting.value)]


def _subject(view: View, setting: Setting) -> Subject:
    if setting.scope == "variable":
        return Subject("variable", setting.origin.removeprefix("variable "))
    return view.file(_path(setting))


def _path(setting: Setting) -> str:
    path, colon, line = setting.origin.rpartition(":")
    return path if colon and line.isdigit() else setting.origin


def _evidence(settings: list[Setting]) -> list[str]:
    return [f"{s.origin.removeprefix('variable ')}: {s.name} = {s.value}" for s in settings[:5]]


def _transport(view: View, settings: list[Setting]) -> Iterator[Finding]:
    plain: dict[str, list[Setting]] = {}
    trusted: dict[str, list[Setting]] = {}
    for setting in settings:
        if setting.name in INDEXES:
            for scheme, host in _hosts(setting):
                if scheme == "http" and not local(host):
                    plain.setdefault(host, []).append(setting)
        elif setting.name in ("trusted-host", "allow-insecure-host"):
            for word in setting.value.split():
                host = word.partition("://")[2] or word
                host = host if host.startswith("[") else host.partition(":")[0]
                host = host.partition("/")[0].lower()
                if host and not local(host):
                    trusted.setdefault(host, []).append(setting)
    for host in sorted(plain.keys() | trusted.keys()):
        found = list(dict.fromkeys([*plain.get(host, ()), *trusted.get(host, ())]))
        if host in plain:
            message = f"packages come over plain http from {host}: anyone on the way can replace them"
        else:
            message = f"the certificate of {host} is not checked: anyone on the way can pretend to be it"
        yield RULE.finding(
            message,
            sorted({_subject(view, setting) for setting in found}, key=lambda s: (s.kind, s.name)),
            evidence=_evidence(found),
            fixes=[_remove(view, setting, "use https for") for setting in found[:1]],
            key=f"transport:{host}",
        )


def _remove(view: View, setting: Setting, words: str) -> Fix:
    commands: list[Command] = []
    if setting.scope in ("global", "user", "site") and setting.tool == "pip" and view.snapshot.installers.pip.present:
        key = f"{setting.section}.{setting.name}"
        commands.append((view.remedy.python, "-m", "pip", "config", f"--{setting.scope}", "unset", key))
    elif setting.scope == "variable":
        commands.append(("unset", setting.origin.removeprefix("variable ")))
    if setting.name in ("trusted-host", "allow-insecure-host"):
        title = f"remove {setting.name} ({setting.origin}), and give the index's certificate authority by cert instead"
    else:
        title = f"{words} {setting.name} ({setting.origin}), or remove it"
    return view.remedy.manual(title, RULE.code, commands=commands)


def _secrets(view: View, settings: list[Setting]) -> Iterator[Finding]:
    by_file: dict[str, list[Setting]] = {}
    for setting in settings:
        by_file.setdefault(_path(setting), []).append(setting)
    for path, found in sorted(by_file.items()):
        own = found[0].scope == "user"
        yield RULE.finding(
            f"every user of this machine can read the password in {view.inside(path)}",
            [view.file(path)],
            evidence=_evidence(found),
            fixes=[
                view.remedy.fix(
                    "make the file readable by its owner only, and change the password",
                    [("chmod", "600", path)],
                    RULE.code,
                    safety="safe" if own else "manual",
                )
            ],
            key=f"secret:{found[0].scope}:{found[0].name}",
        )


def _confusion(view: View, settings: list[Setting], tool: str) -> Iterator[Finding]:
    mine = [s for s in settings if s.tool == tool]
    primary = [s for s in mine if s.name in ("index-url", "default-index")]
    extra = [s for s in mine if s.name in ("extra-index-url", "index")]
    if not extra or any(s.name == "no-index" and s.value.lower() in ("1", "true", "yes", "on") for s in mine):
        return
    if tool == "uv":
        strategy = next((s for s in reversed(mine) if s.name == "index-strategy"), None)
        if strategy is None or not strategy.value.startswith("unsafe-"):
            return
        extra = [*extra, strategy]
    # pypi.org is pip's and uv's own default
    hosts = {host for setting in primary for _, host in _hosts(setting)} if primary else {PUBLIC[0]}
    hosts |= {host for setting in extra for _, host in _hosts(setting)}
    public = sorted(host for host in hosts if host in PUBLIC or host == "files.pythonhosted.org")
    known = sorted(host for host in hosts if host in KNOWN_EXTRA)
    private = sorted(host for host in hosts if host not in PUBLIC and host not in KNOWN_EXTRA and not local(host))
    if private and (public or known):
        severity, others = "warning", private
    elif known and public:
        severity, others = "info", known
    else:
        return
    names = ", ".join(others)
    yield RULE.finding(
        f"{tool} takes the highest version of a name from {', '.join(public or known)} and {names} alike: "
        f"a public package can replace one of {names}",
        sorted({_subject(view, setting) for setting in [*primary, *extra]}, key=lambda s: (s.kind, s.name)),
        evidence=_evidence([*primary, *extra]) + ([] if primary else ["no index-url is set: the primary index is pypi.org"]),
        fixes=[
            view.remedy.manual(
                "let one index serve both (index-url alone), or install with uv, which asks one index after the other"
                if tool == "pip"
                else 'set index-strategy to "first-index", the default',
                RULE.code,
            )
        ],
        severity="warning" if severity == "warning" else "info",
        confidence="possible",
        key=f"confusion:{tool}:{','.join(others)}",
    )
