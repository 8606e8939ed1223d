"""Files that make a CI system run envdoctor: what ``envdoctor init`` writes, and the examples in docs/ci. Pure."""

from __future__ import annotations

from collections.abc import Collection

from envdoctor.tuples import NamedTuple

SYSTEMS = ("github", "gitlab", "jenkins", "pre-commit")
"""What there are files for."""

GITHUB = """\
name: envdoctor
on:
  push:
  pull_request:
permissions:
  contents: read
  security-events: write
jobs:
  envdoctor:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - name: Make the environment
        run: |
          {make}
      - name: Check it
        run: |
          python -m venv "$RUNNER_TEMP/envdoctor"
          "$RUNNER_TEMP/envdoctor/bin/pip" install --quiet envdoctor
          "$RUNNER_TEMP/envdoctor/bin/envdoctor" check .venv --format github --format sarif=envdoctor.sarif
      - name: Show it in code scanning
        if: always() && hashFiles('envdoctor.sarif') != ''
        uses: github/codeql-action/upload-sarif@v3
        with:
          sarif_file: envdoctor.sarif
"""

GITLAB = """\
envdoctor:
  image: python:3.12
  script:
    - {make}
    - python -m venv /tmp/envdoctor
    - /tmp/envdoctor/bin/pip install --quiet envdoctor
    - /tmp/envdoctor/bin/envdoctor check .venv --format terminal --format junit=envdoctor.xml --format html=envdoctor.html
  artifacts:
    when: always
    paths:
      - envdoctor.html
    reports:
      junit: envdoctor.xml
"""

JENKINS = """\
pipeline {{
  agent any
  stages {{
    stage('Environment') {{
      steps {{
        sh '''
          {make}
        '''
      }}
    }}
    stage('envdoctor') {{
      steps {{
        sh '''
          python3 -m venv .envdoctor-venv
          .envdoctor-venv/bin/pip install --quiet envdoctor
          .envdoctor-venv/bin/envdoctor check .venv --format terminal --format junit=envdoctor.xml --format html=envdoctor.html
        '''
      }}
      post {{
        always {{
          junit 'envdoctor.xml'
          archiveArtifacts artifacts: 'envdoctor.html', allowEmptyArchive: true
        }}
      }}
    }}
  }}
}}
"""

PRE_COMMIT = """\
repos:
  - repo: local
    hooks:
      - id: envdoctor
        name: envdoctor check
        entry: envdoctor check
        args: [.venv]
        language: python
        additional_dependencies: [envdoctor]
        pass_filenames: false
        always_run: true
"""

SETTINGS = """\
# Settings of envdoctor: docs/settings.md. An option on the command line replaces the setting of its name.
fail-on = "error"
{baseline}
# A finding that may stay, why, and until when:
# [[ignores]]
# code = "PKG001"
# subject = "beta-lib"
# reason = "the extra is never used in production"
# expires = 2027-01-31
"""

BASELINE = "envdoctor-baseline.json"

PATHS = {
    "github": ".github/workflows/envdoctor.yml",
    "gitlab": ".gitlab-ci.yml",
    "jenkins": "Jenkinsfile",
    "pre-commit": ".pre-commit-config.yaml",
}
"""The file of each system."""
_BESIDE = {"gitlab": ".gitlab/envdoctor.yml"}
"""Where the text goes when the file above is there and somebody else's; of others it is only shown."""

PLACES = (
    *PATHS.values(),
    *_BESIDE.values(),
    ".github",
    ".gitlab",
    "uv.lock",
    "requirements.txt",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
)
"""Files and folders of a project that decide what is written."""


class File(NamedTuple):
    """A file to write, or (with `path` None) a text that a person puts where `note` says."""

    path: str | None
    text: str
    note: str = ""


def guess(present: Collection[str]) -> list[str]:
    """CI systems that a repository with these files uses; GitHub's where none shows."""
    found = [
        system
        for system, marks in (
            ("github", (".github",)),
            ("gitlab", (".gitlab-ci.yml", ".gitlab")),
            ("jenkins", ("Jenkinsfile",)),
            ("pre-commit", (".pre-commit-config.yaml",)),
        )
        if any(mark in present for mark in marks)
    ]
    return found if any(system != "pre-commit" for system in found) else ["github", *found]


def maker(present: Collection[str]) -> str:
    """The command that makes ``.venv`` from what the project has."""
    if "uv.lock" in present:
        return "pip install --quiet uv && uv sync --frozen"
    if "requirements.txt" in present:
        return "python3 -m venv .venv && .venv/bin/pip install --quiet -r requirements.txt"
    if "pyproject.toml" in present or "setup.py" in present or "setup.cfg" in present:
        return "python3 -m venv .venv && .venv/bin/pip install --quiet ."
    return "python3 -m venv .venv"


def files(systems: Collection[str], present: Collection[str], *, baseline: bool = False, settings: bool = True) -> list[File]:
    """What to write into a project that has the files `present` (paths relative to it); nothing that is there is replaced."""
    made: list[File] = []
    if settings and "envdoctor.toml" not in present:
        line = f'baseline = "{BASELINE}"' if baseline else f'# baseline = "{BASELINE}"'
        made.append(File("envdoctor.toml", SETTINGS.format(baseline=line)))
    texts = {"github": GITHUB, "gitlab": GITLAB, "jenkins": JENKINS, "pre-commit": PRE_COMMIT}
    for system in SYSTEMS:
        if system not in systems:
            continue
        path = PATHS[system]
        text = texts[system] if system == "pre-commit" else texts[system].format(make=maker(present))
        if path not in present:
            made.append(File(path, text))
        elif system in _BESIDE:
            made.append(File(_BESIDE[system], text, f"add to {path}:  include: {_BESIDE[system]}"))
        else:
            made.append(File(None, text, f"{path} is there and stays as it is; what it needs is this"))
    return [one for one in made if one.path is None or one.path not in present]


def examples() -> dict[str, str]:
    """The examples of docs/ci, by file name."""
    make = maker(["requirements.txt"])
    return {
        "github.yml": GITHUB.format(make=make),
        "gitlab-ci.yml": GITLAB.format(make=make),
        "Jenkinsfile": JENKINS.format(make=make),
        "pre-commit-config.yaml": PRE_COMMIT,
    }
