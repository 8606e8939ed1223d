"""A configuration file of conda or mamba cannot be read, or does harm.

## Why it matters
A tab in .condarc, two merged versions of it, a key that stands there twice: conda stops with a traceback in every command, or
goes on without the file, and then takes packages from other channels than everybody believes. Other settings are valid and do
damage slowly: channels that do not exist any more, flexible priority over channels that are not built for each other.

## How it is found
.condarc, condarc and condarc.d of the system, the installation, the user and the environment, .mambarc beside them, and the
files that CONDARC and MAMBARC name, are read in conda's order. It is an error where a file is no YAML, no mapping or not
UTF-8, holds a key twice or under two names, or gives a setting a value that conda cannot make into what it takes there: each
of conda's settings is read as conda itself does it, variables (`CONDA_ALWAYS_YES`) included, and of texts, numbers and switches
only the strongest counts. These stop conda, at the latest before it changes an environment. mamba 2 and micromamba report such a
value and go on without it, which is a warning unless it is a list of channels or folders. It is a warning where

- defaults and conda-forge are both among the channels and the priority is not strict,
- a channel is given that is not served or not filled any more, or a local folder that is not there,
- one list names a channel twice,
- `pip_interop_enabled` is on: the solver then removes what pip installed, and is no longer maintained for it,
- `restore_free_channel` is on: conda 25.9 dropped it, so that new and old releases take from different channels,
- `subdir` is another than that of the environment.

## Look-alikes that are fine
- An empty file, one of comments only, keys that conda does not know, keys without a value.
- A switch as `yes`, `"on"` or `1`, a number in quotes: conda makes of a text what the setting wants.
- A value that a stronger file or a variable overrides.
- The same channel in two files: lists are merged. A bare name for which `channel_alias` or `custom_channels` gives an address.
- YAML that this program does not read itself (anchors, tags, block texts): nothing is said of such a file.
- `subdir: osx-64` in the environment's own file, with records of osx-64.
- Environments of pixi, which has a configuration of its own.

## How to fix
Correct the line, or move the file away. `conda config --show-sources` then shows what each file says.

## Example
`~/.condarc:3 is no YAML (a tab where only spaces can indent): conda stops, or goes on without it`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.conda import matchspec
from envdoctor.data.conda_settings import LIBMAMBA, SETTINGS
from envdoctor.finding import Finding, Severity
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.cnd._settings import canonical, config, dead, family, installers, key_of, place, setting_subject
from envdoctor.snapshot import CondaConfigFile, CondaInstallers, CondaSetting
from envdoctor.view import View

RULE = Rule(
    "CND009",
    "conda-configuration-broken",
    "error",
    reads=("conda_installers", "conda_meta", "conda_packages", "target", "machine"),
    messages=(
        "Unable to load configuration file",
        "InvalidYAML",
        "ConfigurationLoadError",
        "CustomValidationError",
        "HTTP 404 NOT FOUND for channel {channel}",
        "UnavailableInvalidChannel",
        "The channel is not accessible or is invalid",
        "CondaValueError: 'coerce'",
    ),
)

_NEEDED = frozenset(("channels", "default_channels", "custom_channels", "custom_multichannels", "envs_dirs", "pkgs_dirs"))
"""Settings without which mamba finds other packages and environments, or none."""
_ON = frozenset(("true", "yes", "on", "1", "y"))


def check(view: View) -> Iterator[Finding]:
    """One finding for each file that is broken, and for each setting that does harm."""
    facts = installers(view)
    if view.snapshot.target.kind == "pixi":
        raise Skip("pixi does not read conda's configuration")
    for file in facts.files:
        yield from _broken(view, file)
    yield from _pins(view)
    for setting in facts.settings:
        yield from _refused(view, facts, setting)
        yield from _channels(view, facts, setting)
    yield from _mixed(view, facts)
    yield from _interop(view, facts)
    yield from _free(view, facts)
    yield from _subdir(view, facts)


def _broken(view: View, file: CondaConfigFile) -> Iterator[Finding]:
    shown = view.inside(file.path)
    name = f"{file.scope}:{file.path.replace(chr(92), '/').rpartition('/')[2]}"
    who = "mamba" if file.mamba else "conda"
    if file.problem is not None:
        where = f"{shown}:{file.line}" if file.line else shown
        what = (
            "is no YAML"
            if file.line and "expected" not in file.problem and "UTF-8" not in file.problem
            else "is no configuration"
        )
        if not file.line:
            what = "cannot be read"
        yield RULE.finding(
            f"{where} {what} ({file.problem}): {who} stops, or goes on without it",
            [view.file(file.path)],
            evidence=[f"{where}: {file.problem}"],
            fixes=[view.remedy.manual(f"correct {shown}, or move it away", RULE.code)],
            key=f"{name}:broken",
        )
    for key, line in file.doubled:
        yield RULE.finding(
            f"{shown}:{line} gives {key} a second time: {who} stops, or takes one of the two",
            [view.file(file.path)],
            evidence=[f"{shown}:{line}: the key {key} stands above already"],
            fixes=[view.remedy.manual(f"make one {key} of the two in {shown}", RULE.code)],
            key=f"{name}:{key}:doubled",
        )


def _pins(view: View) -> Iterator[Finding]:
    """Lines of conda-meta/pinned that are no specs: conda reads each of them before it changes anything."""
    meta = view.snapshot.conda_meta
    wrong = [(pin, problem) for pin in (meta.pins if meta else ()) if (problem := _no_spec(pin.spec))]
    if wrong:
        first, problem = wrong[0]
        shown = view.inside(f"{view.snapshot.target.prefix}/conda-meta/pinned")
        yield RULE.finding(
            f"{shown}:{first.line} is no spec of a package ({problem}): conda stops before it changes anything",
            [view.file(f"{view.snapshot.target.prefix}/conda-meta/pinned")],
            evidence=[f"{shown}:{pin.line}: {pin.spec[:100]!r}: {why}" for pin, why in wrong[:5]],
            fixes=[view.remedy.manual(f"correct {shown}, or delete the line", RULE.code)],
            key="pinned:broken",
        )


def _no_spec(written: str) -> str | None:
    """Why a line is no spec; None for one that is."""
    try:
        matchspec.parse(written)
    except matchspec.InvalidSpec as error:
        return str(error)
    return None


def _refused(view: View, facts: CondaInstallers, setting: CondaSetting) -> Iterator[Finding]:
    """A value that conda does not take."""
    if setting.refused is None:
        return
    severity: Severity = "error"
    effect = "conda stops"
    if setting.mamba or _without_conda(view, facts):
        if setting.name not in LIBMAMBA or (setting.variable and not setting.variable.startswith("MAMBA_")):
            return
        severity, effect = "error" if setting.name in _NEEDED else "warning", "mamba goes on without it"
    since = SETTINGS[setting.name].since if setting.name in SETTINGS else None
    if since is not None and effect == "conda stops":
        release = _release(facts)
        if release is not None and release < since:
            return
        severity = "error" if release is not None else "warning"
        effect = f"conda {since[0]}.{since[1]} and later stop"
    where = place(view, setting)
    value = ", ".join(setting.values[:3])
    commands = config(view, setting, "set", "strict") if setting.name == "channel_priority" and setting.kind == "text" else ()
    yield RULE.finding(
        f"{where}: {setting.key} {setting.refused}; {effect}",
        [setting_subject(view, setting)],
        evidence=[f"{where}: {setting.key}: {value if len(value) <= 60 else f'{value[:57]}...'}"],
        fixes=[
            view.remedy.manual(
                f"correct {setting.key}, or delete it"
                if setting.variable is None
                else f"unset {setting.variable}, or give it another value",
                RULE.code,
                commands=commands or (config(view, setting, "remove-key") if setting.variable else ()),
            )
        ],
        severity=severity,
        key=f"{key_of(view, setting)}:{setting.name}:kind",
    )


def _without_conda(view: View, facts: CondaInstallers) -> bool:
    """Nothing but mamba 2 or micromamba works on this prefix: its records are theirs, and no conda is known."""
    meta = view.snapshot.conda_meta
    micromamba = meta is not None and meta.writer == "micromamba"
    return micromamba and view.remedy.conda_tool() != "conda" and not any(root.conda for root in facts.roots)


def _release(facts: CondaInstallers) -> tuple[int, int] | None:
    """Year and month of the conda that the prefix belongs to, or of the only one."""
    known = [root.conda for root in facts.roots if root.conda and root.owner] or [r.conda for r in facts.roots if r.conda]
    words = known[0].split(".") if len(known) == 1 else []
    return (int(words[0]), int(words[1])) if len(words) > 1 and words[0].isdigit() and words[1].isdigit() else None


def _free(view: View, facts: CondaInstallers) -> Iterator[Finding]:
    """The switch for the channel that defaults had before 2019."""
    setting = _last(facts, "restore_free_channel")
    if setting is None or not setting.values or setting.values[0].strip().lower() not in _ON:
        return
    yield RULE.finding(
        f"restore_free_channel is on ({place(view, setting)}): conda 25.9 has dropped it, older ones add a channel without new "
        "packages",
        [setting_subject(view, setting)],
        evidence=[f"{place(view, setting)}: {setting.key}: {setting.values[0]}"],
        fixes=[
            view.remedy.fix(
                "remove restore_free_channel; who needs packages from before 2018 names pkgs/free in default_channels",
                config(view, setting, "remove-key"),
                RULE.code,
                safety="unsafe",
            )
        ],
        severity="warning",
        key=f"{key_of(view, setting)}:restore_free_channel",
    )


def _channels(view: View, facts: CondaInstallers, setting: CondaSetting) -> Iterator[Finding]:
    if setting.name not in ("channels", "default_channels") or setting.kind != "list":
        return
    lines = setting.lines or (setting.line,) * len(setting.values)
    first: dict[str, str] = {}
    for channel, line in zip(setting.values, lines, strict=False):
        where = place(view, setting, line)
        known = canonical(channel)
        gone = dead(facts, setting, channel)
        if gone is not None:
            instead = f", use {gone.instead}" if gone.instead else ""
            yield RULE.finding(
                f"the channel {channel} {gone.why} ({where})",
                [setting_subject(view, setting)],
                evidence=[f"{where}: {channel}"],
                fixes=[
                    view.remedy.manual(
                        f"take {channel} out of {setting.name}{instead}",
                        RULE.code,
                        commands=config(view, setting, "remove", channel),
                    )
                ],
                severity="warning",
                key=f"{key_of(view, setting)}:{setting.name}:dead:{known if channel not in setting.missing else 'local'}",
            )
        if known in first:
            yield RULE.finding(
                f"the channel {first[known]} stands twice in one list ({where})",
                [setting_subject(view, setting)],
                evidence=[f"{where}: {channel} is {first[known]} again, whose place above counts"],
                fixes=[view.remedy.manual(f"take the second {channel} out of {setting.name}", RULE.code)],
                severity="warning",
                key=f"{key_of(view, setting)}:{setting.name}:twice:{known}",
            )
        first.setdefault(known, channel)


def _mixed(view: View, facts: CondaInstallers) -> Iterator[Finding]:
    """Both families among the channels, and a priority that lets the solver take from both."""
    if facts.channel_priority == "strict" or not facts.channels:
        return
    defaults: list[str] = next((list(s.values) for s in reversed(facts.settings) if s.name == "default_channels"), [])
    families = {channel: {family(each) for each in defaults or [channel]} if channel == "defaults" else {family(channel)}
                for channel in facts.channels}  # fmt: skip
    both: set[str | None] = set().union(*families.values())
    if not {"defaults", "conda-forge"} <= both:
        return
    ours = [s for s in facts.settings if s.name == "channels" and s.kind == "list"]
    source = next((s for s in reversed(ours) if any("defaults" in families.get(v, ()) for v in s.values)), None)
    if source is None:
        return
    said = facts.channel_priority or "flexible, because nothing else is set"
    evidence = [f"{place(view, s)}: channels: {', '.join(s.values[:6])}" for s in ours]
    where = (facts.priority_from or "").removeprefix("variable ")
    evidence.append(f"channel_priority is {said}" + (f" ({view.inside(where)})" if where else ""))
    tool = view.remedy.conda_tool()
    command = (tool, "config", "set", "channel_priority", "strict") if tool == "micromamba" else None
    dropped = next(v for v in source.values if "defaults" in families.get(v, ()))
    yield RULE.finding(
        f"packages come from {' and '.join(sorted(f for f in both if f))} at once: "
        f"channel_priority is {facts.channel_priority or 'flexible'} ({place(view, source)})",
        [setting_subject(view, source)],
        evidence=evidence,
        fixes=[
            view.remedy.fix(
                "let the first channel that has a package win",
                [command or ("conda", "config", "--set", "channel_priority", "strict")],
                RULE.code,
                safety="unsafe",
            ),
            view.remedy.fix(f"take {dropped} out", config(view, source, "remove", dropped), RULE.code, safety="unsafe"),
        ],
        severity="warning",
        key="mixed",
    )


def _last(facts: CondaInstallers, name: str) -> CondaSetting | None:
    """The setting that counts; a ``#!final`` one cannot be overridden."""
    found = None
    for setting in facts.settings:
        if setting.name == name:
            found = setting
            if setting.flag == "final":
                break
    return found


def _interop(view: View, facts: CondaInstallers) -> Iterator[Finding]:
    setting = _last(facts, "pip_interop_enabled")
    if setting is None or not setting.values or setting.values[0].strip().lower() not in _ON:
        return
    yield RULE.finding(
        f"conda may replace and remove what pip has installed: {setting.key} is on ({place(view, setting)})",
        [setting_subject(view, setting)],
        evidence=[f"{place(view, setting)}: {setting.key}: {setting.values[0]}"],
        fixes=[view.remedy.fix(f"remove {setting.key}", config(view, setting, "remove-key"), RULE.code, safety="unsafe")],
        severity="warning",
        key=f"{key_of(view, setting)}:pip_interop_enabled",
    )


def _subdir(view: View, facts: CondaInstallers) -> Iterator[Finding]:
    """The platform that new packages would come for; a variable is another rule's (ARC006)."""
    setting = _last(facts, "subdir")
    there = {p.subdir for p in view.snapshot.conda_packages if p.subdir and p.subdir != "noarch"}
    if setting is None or setting.variable or setting.kind != "text" or not setting.values or len(there) != 1:
        return
    wanted, own = setting.values[0].strip(), there.pop()
    if not wanted or wanted == own:
        return
    yield RULE.finding(
        f"conda would install packages for {wanted} into this environment of {own} ({place(view, setting)})",
        [setting_subject(view, setting), view.environment_subject()],
        evidence=[f"{place(view, setting)}: subdir: {wanted}", f"the records of conda-meta are of {own}"],
        fixes=[view.remedy.fix("remove subdir", config(view, setting, "remove-key"), RULE.code, safety="unsafe")],
        severity="warning",
        key=f"{key_of(view, setting)}:subdir",
    )
