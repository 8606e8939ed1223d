"""The shell leads to more than one installation of conda, mamba or micromamba.

## Why it matters
Each installation has environments, caches and settings of its own. Which of them `conda install`, `conda activate NAME` or
`mamba` means then depends on which start-up file ran last: environments are "not found", packages land in the wrong prefix, and
a package cache is there twice.

## How it is found
The root prefix behind every `conda` and `mamba` on PATH, behind CONDA_EXE, MAMBA_EXE and MAMBA_ROOT_PREFIX, and behind the
blocks that `conda init` and `mamba shell init` write into the start-up files of bash, zsh, fish, tcsh, xonsh, PowerShell, and
lines that put one on PATH by hand. Links are followed. Two different roots are reported, and a CONDA_EXE or MAMBA_EXE that
names a program which is not there. So is a block in a start-up file whose program is gone: a remark where the shell has another
conda all the same, as the block of `conda init` then does nothing; that of `mamba shell init` still sets MAMBA_ROOT_PREFIX.

## Look-alikes that are fine
- conda and mamba of one root; a conda that is installed inside of an environment of it; a link to it.
- micromamba alone on PATH, without a root prefix of its own: it works on any prefix.
- A root prefix of micromamba that is not there yet: it makes it with the first environment.
- Lines written by hand for an installation that is gone: they mostly ask first.
- Other installations that nothing leads to; pixi, which has no root.

## How to fix
Keep the one whose environments are used. Take the other out of the start-up files: its own `conda init --reverse` does that.

## Example
`2 conda installations meet in this shell: /home/u/miniforge3, /opt/conda`
"""

from __future__ import annotations

from collections.abc import Iterator

from envdoctor.finding import Command, Finding, Subject
from envdoctor.rules.base import Rule, Skip
from envdoctor.rules.cnd._settings import installers, root_subject
from envdoctor.snapshot import CondaInstallers, CondaRoot, CondaShellBlock
from envdoctor.view import View

RULE = Rule(
    "CND011",
    "several-conda-installations",
    "warning",
    reads=("conda_installers", "shell", "target"),
    messages=(
        "Your shell has not been properly configured to use 'conda activate'",
        "CondaError: Run 'conda init' before 'conda activate'",
        "The following specifications were found to be incompatible with the existing python installation",
        "No module named 'conda'",
    ),
)


def check(view: View) -> Iterator[Finding]:
    """One finding for the roots, one for each variable that leads nowhere."""
    facts = installers(view)
    if view.snapshot.target.kind == "pixi":
        raise Skip("pixi has no installation of conda")
    roots = [(root, seen) for root in facts.roots if root.exists and (seen := _active(root))]
    for variable, path in facts.programs.items():
        others = [root for root, seen in roots if variable not in seen]
        yield RULE.finding(
            f"{variable} names {path}, which is not there",
            [Subject("variable", variable)],
            evidence=[f"{variable}={path}", *(f"{root.path}: {', '.join(root.seen)}" for root in others[:3])],
            fixes=[
                view.remedy.manual(
                    f"unset {variable}, and set up the installation that is there: `conda init`, `mamba shell init`",
                    RULE.code,
                    commands=[("unset", variable)] if view.snapshot.machine.system != "windows" else [],
                )
            ],
            key=f"gone:{variable}",
        )
    yield from _blocks_without_root(view, facts, roots)
    if len(roots) < 2:
        return
    names = ", ".join(root.path for root, _ in roots[:4]) + (" and others" if len(roots) > 4 else "")
    variables = sorted({word for _, seen in roots for word in seen if word.isupper()})
    yield RULE.finding(
        f"{len(roots)} conda installations meet in this shell: {names}",
        [*(root_subject(root) for root, _ in roots), *(Subject("variable", name) for name in variables)],
        evidence=[f"{root.path}{_product(root)}: {', '.join(seen)}" for root, seen in roots],
        fixes=[
            view.remedy.manual(
                f"keep {_kept(roots).path}, and take the other out of the shell's start-up files and of PATH",
                RULE.code,
                commands=_commands(facts, roots),
            )
        ],
        key="roots",
    )


def _blocks_without_root(view: View, facts: CondaInstallers, roots: list[tuple[CondaRoot, tuple[str, ...]]]) -> Iterator[Finding]:
    """One finding for each installation that start-up files set up and that is gone."""
    gone: dict[str, list[CondaShellBlock]] = {}
    for block in facts.blocks:
        place = block.program or block.root
        if block.managed and not block.exists and place:
            gone.setdefault(place, []).append(block)
    for place, blocks in gone.items():
        first = blocks[0]
        harmless = first.tool == "conda" and any(root.conda for root, _ in roots)
        tool = "conda" if first.tool == "conda" else first.tool
        again = "conda init" if tool == "conda" else f"{tool} shell init"
        where = ", ".join(f"{block.file}:{block.line}" for block in blocks[:4])
        yield RULE.finding(
            f"{where} {'sets' if len(blocks) == 1 else 'set'} up {tool} from {place}, which is not there",
            [*(view.file(block.file) for block in blocks), Subject("environment", _last(first.root or place), None, first.root)],
            evidence=[
                *(f"{block.file}:{block.line}: the block names {block.program or block.root}" for block in blocks[:5]),
                f"{place} does not exist",
                *([f"MAMBA_ROOT_PREFIX is set to {first.root} all the same"] if tool != "conda" and first.root else []),
            ],
            fixes=[
                view.remedy.manual(
                    f"delete the block, or run `{again}` of the installation that is there, which writes it anew", RULE.code
                )
            ],
            severity="info" if harmless else "warning",
            key=f"gone-block:{tool}:{_last(first.root or place)}",
        )


def _last(path: str) -> str:
    return path.rstrip("/\\").replace("\\", "/").rpartition("/")[2]


def _active(root: CondaRoot) -> tuple[str, ...]:
    """What of the shell leads to it."""
    return tuple(seen for seen in root.seen if not seen.startswith("this environment"))


def _product(root: CondaRoot) -> str:
    known = {"anaconda": "Anaconda", "miniconda": "Miniconda", "miniforge": "Miniforge", "mambaforge": "Mambaforge"}
    name = known.get(root.product or "", "micromamba" if root.micromamba else "")
    version = f"conda {root.conda}" if root.conda else ""
    words = ", ".join(word for word in (name, version) if word)
    return f" ({words})" if words else ""


def _kept(roots: list[tuple[CondaRoot, tuple[str, ...]]]) -> CondaRoot:
    """The one that this environment belongs to, else the one that most leads to."""
    return max(roots, key=lambda item: (item[0].owner, len(item[1]), item[0].path))[0]


def _commands(facts: CondaInstallers, roots: list[tuple[CondaRoot, tuple[str, ...]]]) -> list[Command]:
    """What takes the other installations' own blocks out of the start-up files: by the program that wrote each."""
    kept = _kept(roots)
    commands: list[Command] = []
    for root, seen in roots:
        if root is kept:
            continue
        places = {f"{block.file}:{block.line}": block for block in facts.blocks if block.managed and block.exists}
        blocks = [places[each] for each in seen if each in places]
        if any(block.tool == "conda" for block in blocks):
            program = next((b.program for b in blocks if b.tool == "conda" and b.program), f"{root.path}/bin/conda")
            commands.append((program, "init", "--all", "--reverse"))
        elif blocks and (root.micromamba or any(block.tool == "micromamba" for block in blocks)):
            commands.append(("micromamba", "shell", "deinit"))
        elif blocks and root.mamba:
            commands.append((f"{root.path}/bin/mamba", "shell", "deinit"))
    return commands
