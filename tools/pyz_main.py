"""The start of envdoctor.pyz: unpacks what fits this Python into a private folder, once, and runs envdoctor from there.

In words that every Python 3 reads, so that an old one ends with a line and not with a syntax error.
"""

import os
import sys

LEAST = (3, 10)


def main():
    if sys.version_info < LEAST:
        sys.stderr.write("error: envdoctor needs Python 3.10 or newer; this is %d.%d\n" % sys.version_info[:2])
        sys.stderr.write("hint: name another one: python3.12 envdoctor.pyz\n")
        return 2
    import json
    import zipfile

    archive = zipfile.ZipFile(sys.argv[0] if zipfile.is_zipfile(sys.argv[0]) else os.path.dirname(os.path.abspath(__file__)))
    index = json.loads(archive.read("index.json").decode("ascii"))
    wheels, lacking = chosen(index["wheels"])
    if lacking:
        sys.stderr.write(
            "error: this envdoctor.pyz has no %s for this Python (%s)\n" % (", ".join(lacking), ", ".join(own_tags()[:2]))
        )
        sys.stderr.write("hint: pip install envdoctor, or build one here: make pyz\n")
        return 2
    place = unpacked(archive, index["id"], wheels)
    sys.path.insert(0, place)
    sys.argv[0] = "envdoctor"
    from envdoctor.__main__ import main as run
    from envdoctor.__main__ import script

    if not os.path.isfile(os.path.join(place, "complete")):
        return run()  # what stands in a folder of this run alone is removed at its end, which script() does not wait for
    script()
    return 0


def own_tags():
    """(Python, ABI, platform) parts that a wheel's name may have here, joined as in the name; the best first."""
    version = "cp%d%d" % sys.version_info[:2]
    if not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled():
        abi = version
    else:
        abi = version + "t"
    stable = ["cp3%d-abi3" % minor for minor in range(sys.version_info[1], 1, -1)]
    return [version + "-" + abi] + stable


def platforms():
    """Beginnings and ends of the platforms of wheels that run here."""
    import platform

    machine = platform.machine().lower()
    if sys.platform.startswith("linux"):
        libc = "musllinux" if not platform.libc_ver()[0] else "manylinux"
        return [(libc, machine)]
    if sys.platform == "darwin":
        return [("macosx", machine), ("macosx", "universal2")]
    return [("win", {"amd64": "amd64", "arm64": "arm64"}.get(machine, "32"))]


def chosen(wheels):
    """For each distribution the wheel that fits, and names of those that have none."""
    found, lacking = [], []
    for name in sorted(wheels):
        best = None
        for tag in own_tags() + ["py3-none", "py2.py3-none"]:
            for wheel in wheels[name]:
                stem = wheel[: -len(".whl")]
                python, abi, platform = stem.rsplit("-", 3)[1:]
                if "-".join((python, abi)) != tag and not (abi == tag.split("-")[1] and tag.split("-")[0] in python.split(".")):
                    continue
                if platform == "any" or any(
                    part.startswith(start) and part.endswith(end) for part in platform.split(".") for start, end in platforms()
                ):
                    best = best or wheel
        if best is None:
            lacking.append(name)
        else:
            found.append(best)
    return found, lacking


def unpacked(archive, identity, wheels):
    """The folder with everything, made now or by an earlier run; one of its own where no folder of the user can be written."""
    import atexit
    import hashlib
    import io
    import shutil
    import tempfile
    import zipfile

    name = "%s-%s" % (identity, hashlib.sha256(" ".join(wheels).encode()).hexdigest()[:12])
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    base = os.path.join(home, "envdoctor-pyz") if os.path.isabs(home) else None
    place = os.path.join(base, name) if base else None
    if place and os.path.isfile(os.path.join(place, "complete")) and mine(place):
        return place
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
        temporary = tempfile.mkdtemp(dir=base)
    except (OSError, TypeError):
        temporary = place = tempfile.mkdtemp(prefix="envdoctor-")
        atexit.register(shutil.rmtree, temporary, True)
    for wheel in wheels:
        zipfile.ZipFile(io.BytesIO(archive.read("wheels/" + wheel))).extractall(temporary)
    for member in archive.namelist():
        if member.startswith("envdoctor/"):
            archive.extract(member, temporary)
    if temporary != place:
        open(os.path.join(temporary, "complete"), "w").close()
        try:
            os.rename(temporary, place)
        except OSError:  # another run was faster
            if not (os.path.isfile(os.path.join(place, "complete")) and mine(place)):
                return temporary
            shutil.rmtree(temporary, True)
    return place


def mine(folder):
    """Nobody else may write there."""
    if os.name != "posix":
        return True
    status = os.stat(folder)
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


if __name__ == "__main__":
    sys.exit(main())
