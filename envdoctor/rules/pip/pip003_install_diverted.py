"""A setting makes the next install land elsewhere, or do something else than it says.

## Why it matters
`pip install` reports success, and the package is not there: `PIP_TARGET`, `--prefix` in a configuration file that somebody
wrote years ago, `UV_SYSTEM_PYTHON` in the shell's start-up file. Such settings apply to every environment of the user, are
forgotten, and cannot be seen in the command that fails.

## How it is found
pip's configuration files are read in the order in which pip merges them (global, user, the environment's own,
PIP_CONFIG_FILE), then the `PIP_*` variables; uv's likewise (system, user, project, `UV_*`). Of settings that several places
give, the one that wins is judged. `target`, `prefix`, `root`, `user`, `python`, `no-deps`, `no-binary`, `constraint` and
`ignore-requires-python` of pip count; `pip.target`, `pip.prefix`, `pip.python`, `system`, `no-deps`, `no-binary`, UV_PYTHON,
UV_PROJECT_ENVIRONMENT, UV_CONSTRAINT and UV_OVERRIDE of uv. It is an error where the next install would land outside the
target, or would stop because a file that the setting names is gone; else a warning.

## Look-alikes that are fine
- `require-virtualenv`, `cert`, `timeout`, `index-url`, `find-links`, `no-index`: they say where packages come from, and
  whether, but not where they go.
- A switch that is off (`PIP_USER=0`), an empty variable, `no-binary = :none:`.
- A folder setting that names the target itself, `root = /`.
- UV_SYSTEM_PYTHON when the target is a system interpreter or a conda environment, as in container images.
- UV_PROJECT_ENVIRONMENT that names the target; UV_PYTHON as the interpreter that `uv sync` builds a project's .venv from.
- A value that a stronger place overrides.

## How to fix
Unset the variable where it is set, or remove the line from the file: `pip config unset` does it.

## Example
```
PIP003 pip installs into /opt/lambda instead of this environment: target in ~/.config/pip/pip.conf
```
"""

from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Fix, Severity, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.snapshot import Setting
from envdoctor.view import View

RULE = Rule(
    "PIP003",
    "install-diverted",
    "warning",
    reads=("installers", "shell", "target", "venv", "project"),
    messages=(
        "Can not perform a '--user' install. User site-packages are not visible in this virtualenv",
        "can't combine user with prefix, exec_prefix/home, or install_(plat)base",
        "Could not find an activated virtualenv (required)",
        "Can not combine '--user' and '--target'",
    ),
)
OFF = frozenset(("", "0", "false", "no", "off", "n", "f"))

Verdict = tuple[Severity, str]


def check(view: View) -> Iterator[Finding]:
    """One finding for each setting that is in effect and diverts."""
    if view.snapshot.target.foreign and not view.snapshot.installers.settings:
        raise Skip("the settings of another machine are not known")
    for setting in view.snapshot.installers.settings:
        if setting.overridden or setting.section not in ("global", "install", "pip"):
            continue
        verdict = _pip(view, setting) if setting.tool == "pip" else _uv(view, setting)
        if verdict is not None:
            yield _finding(view, setting, *verdict)
    for problem in view.snapshot.installers.problems:
        path, _, reason = problem.partition(": ")
        if path.replace("\\", "/").endswith("/uv.toml"):
            yield RULE.finding(
                f"every uv command ends with an error: uv.toml cannot be read: {reason}",
                [view.file(path)],
                evidence=[problem],
                fixes=[view.remedy.manual(f"correct {path}, or move it away", RULE.code)],
                severity="error" if _uv_installs(view) else "warning",
                key="configuration:uv.toml",
            )


def _finding(view: View, setting: Setting, severity: Severity, message: str) -> Finding:
    variable = setting.origin.removeprefix("variable ") if setting.scope == "variable" else None
    where = variable or setting.origin
    subject = Subject("variable", variable) if variable else view.file(_path(setting))
    evidence = [f"{where}: {setting.name} = {setting.value}"]
    if setting.outside_target:
        evidence.append(f"the target is {view.snapshot.target.prefix}")
    return RULE.finding(
        f"{message} ({where})",
        [subject, view.environment_subject()],
        evidence=evidence,
        fixes=[_fix(view, setting)],
        severity=severity,
        key=f"{setting.tool}:{setting.name}:{variable or setting.scope}",
    )


def _path(setting: Setting) -> str:
    path, colon, line = setting.origin.rpartition(":")
    return path if colon and line.isdigit() else setting.origin


def _fix(view: View, setting: Setting) -> Fix:
    remedy = view.remedy
    if setting.scope == "variable":
        name = setting.origin.removeprefix("variable ")
        command: Command = ("unset", name)
        if view.snapshot.machine.system == "windows":
            command = ("Remove-Item", f"Env:{name}")
        return remedy.manual(f"unset {name} here, and where it is set", RULE.code, commands=[command])
    levels = ("global", "user", "site")
    if setting.tool == "pip" and setting.scope in levels and view.snapshot.installers.pip.present:
        key = f"{setting.section}.{setting.name}"
        command = (remedy.python, "-m", "pip", "config", f"--{setting.scope}", "unset", key)
        return remedy.fix(f"remove {key} from {_path(setting)}", [command], RULE.code, safety="unsafe")
    return remedy.manual(f"remove {setting.name} from {setting.origin}", RULE.code)


def _uv_installs(view: View) -> bool:
    """uv is at hand for this target."""
    return "uv" in view.snapshot.shell.tools or bool(view.snapshot.venv and view.snapshot.venv.uv)


def _hard(view: View, setting: Setting) -> Severity:
    """An error where the tool whose setting it is would do the next install, else a warning."""
    if setting.tool == "uv":
        return "error" if _uv_installs(view) else "warning"
    by_uv = bool(view.snapshot.venv and view.snapshot.venv.uv) and not view.snapshot.installers.pip.present
    return "warning" if by_uv else "error"


def _pip(view: View, setting: Setting) -> Verdict | None:
    name, value = setting.name, setting.value
    on = value.lower() not in OFF
    if name in ("target", "prefix", "root"):
        if setting.outside_target:
            return _hard(view, setting), f"pip installs into {value} instead of this environment"
        if name == "target":
            return "warning", f"pip installs into {value} and leaves older versions there in place"
        return None
    if name == "python":
        if setting.missing:
            return _hard(view, setting), f"every pip command stops: PIP_PYTHON names {value}, which is not there"
        return (_hard(view, setting), f"pip works on {value} instead of this environment") if setting.outside_target else None
    if name == "user" and on:
        return _user(view, setting)
    if name == "no-deps" and on:
        return "warning", "pip installs no dependencies"
    if name == "no-binary" and value != ":none:":
        return "warning", f"pip builds {'everything' if ':all:' in value else value} from source instead of taking wheels"
    if name in ("constraint", "build-constraint"):
        if setting.missing:
            return _hard(view, setting), f"every pip install stops: the constraint file {value} is not there"
        return "warning", f"pip chooses versions by the constraints in {value}"
    if name == "ignore-requires-python" and on:
        return "warning", "pip installs packages that do not support this Python"
    return None


def _user(view: View, setting: Setting) -> Verdict | None:
    snapshot = view.snapshot
    if snapshot.venv is not None and not snapshot.venv.include_system_site:
        return _hard(view, setting), "every pip install stops: a user install cannot be made from this virtual environment"
    severity = "warning" if snapshot.target.kind in ("system", "unknown") else _hard(view, setting)
    return severity, "pip installs into the user site instead of this environment"


def _uv(view: View, setting: Setting) -> Verdict | None:
    name, value = setting.name, setting.value
    snapshot = view.snapshot
    on = value.lower() not in OFF
    virtual = snapshot.venv is not None
    active = snapshot.shell.virtual_env_same is True
    locked = snapshot.project is not None and "uv.lock" in snapshot.project.locks
    if name == "system" and on and virtual:
        severity: Severity = "error" if active and _uv_installs(view) else "warning"
        return severity, "uv pip installs into the first system Python on PATH instead of this environment"
    if name in ("target", "prefix") and setting.section == "pip" and setting.outside_target:
        return _hard(view, setting), f"uv pip installs into {value} instead of this environment"
    if name == "python" and setting.outside_target and (setting.section == "pip" or not locked):
        severity = "error" if active and _uv_installs(view) else "warning"
        return severity, f"uv pip works on {value} instead of this environment"
    if name == "project-environment" and setting.outside_target and virtual:
        own = snapshot.project is not None and snapshot.target.prefix.rstrip("/") == f"{snapshot.project.root.rstrip('/')}/.venv"
        severity = "error" if own and _uv_installs(view) else "warning"
        return severity, f"uv sync and uv run work on {value} instead of this environment"
    # what a project says of itself is meant so
    if setting.scope == "project":
        return None
    if name == "no-deps" and on:
        return "warning", "uv pip installs no dependencies"
    if name in ("no-binary", "no-binary-package") and on and value != ":none:":
        every = value.lower() in (":all:", "1", "true", "yes", "on", "y", "t")
        return "warning", f"uv builds {'everything' if every else value} from source instead of taking wheels"
    if name in ("constraint", "build-constraint", "override"):
        if setting.missing:
            return _hard(view, setting), f"every uv pip install stops: the file {value} is not there"
        return "warning", f"uv chooses versions by {value}"
    return None
