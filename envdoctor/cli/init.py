"""``envdoctor init``: settings and CI files for a project, shown before they are written."""

from __future__ import annotations

import click

from envdoctor.ci import SYSTEMS


@click.command()
@click.option("--project", metavar="DIR", help="The project (default: the repository that the working directory lies in).")
@click.option("--ci", type=click.Choice((*SYSTEMS, "none")), multiple=True, help="For this system (default: those in use).")
@click.option("--baseline", is_flag=True, help="Name a baseline in the settings; envdoctor check --write-baseline makes it.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--dry-run", is_flag=True, help="Show and write nothing.")
def init(project: str | None, ci: tuple[str, ...], baseline: bool, yes: bool, dry_run: bool) -> int:
    """Write settings and CI files for a project, after showing them. What is there already is never changed.

    Without a terminal nothing is written unless --yes says so.
    """
    import os
    import sys
    from pathlib import Path

    from envdoctor import ci as templates
    from envdoctor import config
    from envdoctor.cli import files, tell
    from envdoctor.formats.text import guard, safe

    cwd = os.getcwd()
    root = config.project_folder(project) if project is not None else config.repository_root(cwd) or cwd
    wanted = ("envdoctor.toml", *templates.PLACES)
    present = {name for name in wanted if os.path.lexists(f"{root}/{name}")}
    has_settings = config.load(root, root).source is not None
    systems = templates.guess(present) if not ci else [name for name in ci if name != "none"]
    systems = [system for system in systems if not _mentions(f"{root}/{templates.PATHS[system]}")]
    made = templates.files(systems, present, baseline=baseline, settings=not has_settings)
    lines: list[str] = []
    for one in made:
        head = f"--- {one.path}" if one.path else f"--- {one.note}"
        lines += [head, *one.text.splitlines(), ""]
    if not made:
        files.write_stdout(f"nothing to write: {safe(root)} has settings and CI files of these systems\n")
        return 0
    files.write_stdout(guard("\n".join(lines)) + "\n")
    notes = [one.note for one in made if one.path and one.note]
    paths = [one for one in made if one.path]
    if dry_run or not paths:
        return 0
    if not yes:
        if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()):
            tell("nothing was written: --yes writes these files")
            return 0
        if not click.confirm(f"write {len(paths)} file{'s' if len(paths) > 1 else ''} into {safe(root)}?", err=True):
            tell("nothing was written")
            return 0
    for one in paths:
        place = Path(root, one.path or "")
        if place.exists() or place.is_symlink():
            raise files.WriteError(f"cannot write {place}: it is there already")
        place.parent.mkdir(parents=True, exist_ok=True)
        files.write_file(str(place), one.text)
        tell(f"written: {safe(str(place))}")
    for note in notes:
        tell(f"note: {note}")
    return 0


def _mentions(path: str) -> bool:
    """A file that names envdoctor already."""
    from envdoctor.collect import files

    try:
        return b"envdoctor" in files.read(path).data
    except files.Unreadable:
        return False
