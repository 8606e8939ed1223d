"""conda's command line as far as fixes use it, over a real solver and installer (py-rattler) and a local channel.

``install``, ``update`` and ``remove`` with ``-p``, ``-c``, ``--force-reinstall``, ``--no-deps``, ``-y``. The channel is the one
that ``SHELF_CHANNEL`` names, whatever ``-c`` says; a question without ``-y`` is answered with no, as where nobody sits.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any


def main(argv: list[str]) -> int:
    verb, *words = argv
    prefix, specs, flags = Path(), [], set()
    at = iter(words)
    for word in at:
        if word in ("-p", "--prefix"):
            prefix = Path(next(at))
        elif word in ("-c", "--channel"):
            next(at)
        elif word.startswith("-"):
            flags.add(word)
        else:
            specs.append(word)
    if "-y" not in flags:
        print("Confirm changes: [Y/n] aborted")
        return 1
    return asyncio.run(change(verb, prefix, specs, flags))


async def change(verb: str, prefix: Path, specs: list[str], flags: set[str]) -> int:
    import rattler

    from tests.conda.channel import native_subdir, virtual_packages

    subdir = native_subdir()
    installed: list[Any] = []
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            installed.append(rattler.PrefixRecord.from_path(path))
        except Exception as error:  # noqa: BLE001 - what rattler cannot read it installs anew
            print(f"warning: {path.name}: {error}")
    channel = rattler.Channel(Path(os.environ["SHELF_CHANNEL"]).resolve().as_uri())
    wanted = [rattler.MatchSpec(spec) for spec in specs]
    names = {str(spec.name.normalized if hasattr(spec.name, "normalized") else spec.name) for spec in wanted}
    others = [record for record in installed if record.name.normalized not in names]
    if verb in ("remove", "uninstall"):
        records = others
    elif "--no-deps" in flags:
        gateway = rattler.Gateway()
        found = await gateway.query([channel], [subdir, "noarch"], wanted, recursive=False)
        best: dict[str, Any] = {}
        for record in [one for rows in found for one in rows]:
            name = record.name.normalized
            if name in names and (name not in best or record.version > best[name].version):
                best[name] = record
        if set(best) != names:
            print(f"error: nothing provides {', '.join(sorted(names - set(best)))}")
            return 1
        records = [*others, *best.values()]
    else:
        kept = [f"{record.name.normalized}=={record.version}" for record in others]
        records = await rattler.solve(
            [channel], [*specs, *kept], platforms=[subdir, "noarch"], virtual_packages=virtual_packages(subdir)
        )
    await rattler.install(
        records,
        prefix,
        cache_dir=Path(os.environ["SHELF_PKGS"]),
        installed_packages=installed,
        reinstall_packages=names if "--force-reinstall" in flags else None,
        platform=rattler.Subdir(subdir),
        show_progress=False,
        execute_link_scripts=False,
    )
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # rattler's threads may outlive the interpreter, and fall over it
