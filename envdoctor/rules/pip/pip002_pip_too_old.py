"""The target's pip is too old for what is asked of it.

## Why it matters
An old pip does not say "I am too old". It ignores wheels whose platform tag it does not know and starts to compile, says
that an editable install needs a setup.py, takes a lock file for a list of requirements, or ends with a traceback.

## How it is found
The version of the target's pip is compared with what the project folder uses: a build backend other than setuptools (pip
19.0), locked wheels that exist only with `manylinux_X_Y` tags (20.3), the project itself as an editable requirement without
a setup.py (21.3), pylock.toml (25.1; only info up to 26.1, the first that installs from one). A pip that cannot start on
this Python, because it imports what the standard library no longer has, is too old, too.

## Look-alikes that are fine
- An old pip when nothing asks for more: every environment of an older Python comes with one.
- An environment without pip, and one that uv made.
- Wheels that have an old tag beside the new one (`manylinux_2_17_x86_64.manylinux2014_x86_64`).

## How to fix
Upgrade pip in this environment.

## Example
```
PIP002 pip 20.0.2 is too old for pyproject.toml: editable installs without setup.py (PEP 660) need pip 21.3
```
"""

from collections.abc import Iterator

from envdoctor.data.pip_features import FEATURES, PYLOCK_INSTALL, PYTHON_FLOORS
from envdoctor.finding import Finding, Severity, Subject
from envdoctor.rules.base import Rule
from envdoctor.view import View, version_of

RULE = Rule(
    "PIP002",
    "pip-too-old",
    "warning",
    reads=("installers", "project", "interpreter"),
    messages=(
        "Could not find a version that satisfies the requirement {requirement}",
        "No matching distribution found for {requirement}",
        'A "pyproject.toml" file was found, but editable mode currently requires a setup.py based build',
        "unknown metadata version",
        "no such option: {option}",
        "A new release of pip is available",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for what the project asks, one for what this Python asks."""
    installers = view.snapshot.installers
    pip = installers.pip
    version = version_of(pip.version or "")
    if not pip.present or version is None:
        return
    dist = next((d for d in view.by_name.get("pip", ()) if d.site == pip.site), None)
    subject = view.distribution(dist) if dist else Subject("distribution", "pip", pip.version)
    remedy = view.remedy
    python = view.python_version
    if pip.lacks and python is not None:
        floor = next(minimum for since, minimum in PYTHON_FLOORS if (python.major, python.minor) >= since)
        command = (remedy.python, "-m", "ensurepip", "--upgrade")
        yield RULE.finding(
            f"pip {pip.version} is too old for Python {view.python_short}, which needs pip {floor}",
            [subject, view.interpreter_subject()],
            evidence=[f"pip imports {name}" for name in pip.lacks],
            fixes=[
                remedy.fix("install the pip that came with this Python", [command], RULE.code, safety=remedy.safety("safe", dist))
            ],
            key="pip:python",
        )
    if view.snapshot.venv is not None and view.snapshot.venv.uv:
        return
    wanted = []
    severity: Severity = "info"
    for ask in installers.asks:
        minimum, words = FEATURES[ask.feature]
        if version < version_of(minimum):  # type: ignore[operator]
            severity = "warning"
        elif ask.feature == "pylock" and version < version_of(PYLOCK_INSTALL):  # type: ignore[operator]
            minimum, words = PYLOCK_INSTALL, "installing from pylock.toml"
        else:
            continue
        wanted.append((version_of(minimum), minimum, words, ask))
    if not wanted:
        return
    wanted.sort(key=lambda item: (item[0], item[3].source), reverse=True)
    _, minimum, words, ask = wanted[0]
    sources = ", ".join(sorted({item[3].source for item in wanted}))
    if severity == "warning":
        wanted = [item for item in wanted if item[1] != PYLOCK_INSTALL] or wanted
        _, minimum, words, ask = wanted[0]
    yield RULE.finding(
        f"pip {pip.version} is too old for {sources}: {words} {'needs' if 'installing' in words else 'need'} pip {minimum}",
        [subject, Subject("project", (view.snapshot.project.name if view.snapshot.project else None) or "project")],
        evidence=[f"{item[3].source}: {item[3].detail or item[2]}; needs pip {item[1]}" for item in wanted],
        fixes=[
            remedy.fix(
                "upgrade pip",
                remedy.install(f"pip>={minimum}", dist=dist),
                RULE.code,
                safety=remedy.safety("safe", dist),
                verify=[(remedy.python, "-m", "pip", "--version")],
            )
        ],
        severity=severity,
        key="pip:project",
    )
