"""``envdoctor new-rule``: the scaffold, for those who work on envdoctor itself."""

from __future__ import annotations

import click


@click.command(hidden=True)
@click.argument("code")
@click.argument("name")
@click.option("--severity", type=click.Choice(("error", "warning", "info")), default="error", help="Default severity.")
@click.option("--root", metavar="DIR", default=".", help="The checkout of envdoctor.")
def new_rule(code: str, name: str, severity: str, root: str) -> int:
    """Make the files of a new rule: the rule, its cases, a change fragment. Overwrites nothing."""
    from pathlib import Path

    from envdoctor import scaffold
    from envdoctor.cli import files
    from envdoctor.select import UsageError

    made = scaffold.files(code, name, severity)  # type: ignore[arg-type]
    base = Path(root)
    if not (base / "envdoctor" / "rules" / "base.py").is_file():
        raise UsageError(f"{root} is no checkout of envdoctor", "run it in the repository's root, or give --root")
    for path in made:
        if (base / path).exists():
            raise UsageError(f"{path} is there already")
    for path, text in made.items():
        folder = (base / path).parent
        folder.mkdir(parents=True, exist_ok=True)
        if path.startswith("envdoctor/") and not (folder / "__init__.py").exists():
            (folder / "__init__.py").touch()
        files.write_file(str(base / path), text)
        files.write_stdout(f"{path}\n")
    return 0
