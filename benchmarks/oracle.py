"""The import oracle: what really happens when an environment's modules are imported, beside what envdoctor says of them.

**It runs foreign code by design**: every module that the environment has is imported for real, each in a process of its own.
It is a tool of envdoctor's developers and no part of the package; envdoctor itself never imports anything of a target. Where
the system allows it (root, Linux) the imports have no network and cannot write into the environment; without that it says so.

``python -m benchmarks.oracle ENV`` imports, runs ``envdoctor check`` and prints the confusion matrix by extension module and
by distribution, and every disagreement with both texts. ``--build SET --python X`` makes an environment of ``oracle/SET.txt``,
``--plant`` damages small ones on purpose (benchmarks/oracle_faults.py) and prints the same. Exit code 0 whatever it finds.

What counts as a failure is what only the loader can be blamed for: dlopen's own errors, a death by signal, numpy's ABI check.
A module that fails for a reason of Python (another module is missing, it wants its package imported first, it raises) has
been loaded, and counts as fine; where the import ends before its file is opened, the file alone is loaded to tell.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.sources import create

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SETS = HERE / "oracle"
WORK = ROOT / ".work" / "oracle"
CHILD = HERE / "oracle_child.py"

_DLOPEN = re.compile(
    r"cannot open shared object file|undefined symbol|version [`'\"][^ ]+ not found|invalid ELF header|wrong ELF class"
    r"|file too short|ELF load command|only ET_DYN|ELF file|cannot enable executable stack|static TLS"
    r"|failed to map segment|cannot read file data"
    r"|cannot dynamically load|cannot make segment writable|object file has no|Exec format error"
    r"|[Ee]rror loading shared library|[Ee]rror relocating|symbol not found"
)
_NUMPY = re.compile(
    r"numpy\.core\.multiarray failed to import|numpy\._core\.multiarray failed to import|numpy\.\w+ size changed"
    r"|compiled (against|using) (ABI|API|NumPy)"
)
_BY_CTYPES = re.compile(
    r"cannot load library|[Ll]ibrary not found|[Uu]nable to find (?:lib\w|.{0,40} library)|not find .{0,40}(?:library|\.so)"
    r"|(?:lib\w+|library) (?:is )?not (?:found|installed)|Could not load this library|operator \w+::\w+ does not exist"
)
_FATAL = {4: "SIGILL", 7: "SIGBUS", 11: "SIGSEGV"}

MODULE_CODES = (
    "LIB001",
    "LIB002",
    "LIB003",
    "LIB004",
    "LIB006",
    "LIB007",
    "LIB008",
    "LIB009",
    "ARC002",
    "ARC004",
    "ARC005",
    "INT009",
)
"""Findings that say of a file that it does not load."""
QUIET_CODES = ("LIB005", "ARC001", "ARC006")
"""LIB and ARC findings that foretell no failure."""


# ------------------------------------------------------------------------------------------------------ the environment


class Extension(NamedTuple):
    """A file that ``import module`` opens."""

    module: str
    path: str
    distribution: str | None
    variants: tuple[str, ...] = ()
    """Files of which the package's own code picks one for this module: ``MPI.mpich.cpython-311-….so``."""


class Environment:
    """What an environment has that can be imported, as its own import system would see it."""

    def __init__(self, prefix: Path, *, native_only: bool = False) -> None:
        self.prefix = prefix
        self.native_only = native_only
        """Leave out the distributions that have no native file: they are imported by those that have, as far as these do."""
        self.python = prefix / "bin" / "python"
        done = subprocess.run([str(self.python), "-I", str(CHILD), "--probe"], capture_output=True, text=True, check=True)
        probe = json.loads(done.stdout)
        self.version: str = probe["version"]
        self.suffixes: list[str] = probe["suffixes"]
        stdlib = os.path.realpath(probe["base"])
        folders = [path for path in probe["path"] if Path(path).is_dir()]
        self.dynload = [path for path in folders if path.endswith("lib-dynload")]
        self.sites = [
            path
            for path in folders
            if not (os.path.realpath(path).startswith(stdlib) and "-packages" not in os.path.basename(path))
        ]
        self.owners: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self.names: dict[str, list[str]] = defaultdict(list)
        self.requires: dict[str, list[str]] = {}
        for site in self.sites:
            self._read(site)

    def _read(self, site: str) -> None:
        for record in sorted(Path(site).glob("*.dist-info/RECORD")):
            name, _, version = record.parent.name[: -len(".dist-info")].rpartition("-")
            name = re.sub(r"[-_.]+", "-", name).lower()
            self.versions[name] = version
            rows = [row[0] for row in csv.reader(record.read_text(errors="replace").splitlines()) if row]
            for row in rows:
                self.owners[os.path.normpath(os.path.join(site, row))] = name
            self.requires[name] = [
                normalized
                for wanted in re.findall(
                    r"^Requires-Dist: ([A-Za-z0-9._-]+)(?!.*\bextra\b)", self._metadata(record), re.MULTILINE
                )
                if (normalized := re.sub(r"[-_.]+", "-", wanted).lower()) != name
            ]
            self.names[name] = sorted(set(self._importable(rows)))

    @staticmethod
    def _metadata(record: Path) -> str:
        try:
            return record.with_name("METADATA").read_text(errors="replace")
        except OSError:
            return ""

    def _importable(self, rows: Iterable[str]) -> Iterator[str]:
        """The uppermost names of a distribution that are no namespace."""
        files = set(rows)
        for row in files:
            parts = row.split("/")
            if not parts[0].isidentifier() and len(parts) > 1:
                continue
            if len(parts) == 1:
                name = self.module(parts[0]) or (parts[0][:-3] if parts[0].endswith(".py") else "")
                if name.isidentifier():
                    yield name
            elif parts[-1].endswith(".py") or self.module(parts[-1]):
                for depth in range(1, len(parts)):
                    if "/".join((*parts[:depth], "__init__.py")) in files and all(p.isidentifier() for p in parts[:depth]):
                        yield ".".join(parts[:depth])
                        break

    def module(self, filename: str) -> str | None:
        """Name of the module that a file of this name would be."""
        for suffix in self.suffixes:
            stem = filename[: -len(suffix)]
            if filename.endswith(suffix) and stem.isidentifier():
                return stem
        return None

    @cached_property
    def extensions(self) -> list[Extension]:
        """Every extension module that an import statement opens: of two files of one name, the one that wins."""
        found: dict[str, Extension] = {}
        for site in self.sites:
            here: dict[str, Extension] = {}
            for folder, folders, files in os.walk(site):
                folders[:] = [name for name in folders if name.isidentifier() and name != "__pycache__"]
                package = os.path.relpath(folder, site)
                prefix = "" if package == "." else package.replace(os.sep, ".") + "."
                for one in self._in_folder(folder, files, folders):
                    stem = self.module(one)
                    if stem is not None:
                        path = os.path.join(folder, one)
                        here[prefix + stem] = Extension(prefix + stem, path, self.owners.get(os.path.normpath(path)))
                for stem, variants in self._variants(files).items():
                    if stem not in folders and f"{stem}.py" not in files and prefix + stem not in here:
                        paths = tuple(os.path.join(folder, one) for one in variants)
                        here[prefix + stem] = Extension(prefix + stem, "", self.owners.get(os.path.normpath(paths[0])), paths)
            tops = {name.partition(".")[0] for name in found}
            found.update({name: one for name, one in here.items() if name not in found and self._first(name, site, tops)})
        return sorted(found.values())

    def _first(self, name: str, site: str, tops: set[str]) -> bool:
        """No earlier folder of sys.path has a package of the module's uppermost name."""
        top = name.partition(".")[0]
        earlier = self.sites[: self.sites.index(site)]
        return top not in tops and not any(Path(folder, top, "__init__.py").exists() for folder in earlier)

    def _in_folder(self, folder: str, files: Sequence[str], folders: Sequence[str]) -> Iterator[str]:
        """The files that win: packages come before extension modules, these by the order of suffixes."""
        natives = [name for name in files if name.endswith(".so")]
        stems = {self.module(name) for name in natives} - {None}
        for stem in sorted(stem for stem in stems if stem):
            if stem in folders and os.path.exists(os.path.join(folder, stem, "__init__.py")):
                continue
            name = next(stem + suffix for suffix in self.suffixes if stem + suffix in natives)
            if name != stem + ".so" or self._initialises(os.path.join(folder, name), stem):
                yield name

    def _variants(self, files: Sequence[str]) -> dict[str, list[str]]:
        """Module to files that carry one more word before their tag."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in sorted(files):
            for suffix in self.suffixes:
                stem, dot, word = name[: -len(suffix)].partition(".")
                if name.endswith(suffix) and suffix != ".so" and dot and stem.isidentifier() and word.isalnum():
                    found[stem].append(name)
                    break
        return found

    @staticmethod
    def _initialises(path: str, stem: str) -> bool:
        """A name without a tag may be any library's."""
        try:
            return b"PyInit_" + stem.encode() in Path(path).read_bytes()
        except OSError:
            return False

    @cached_property
    def native(self) -> frozenset[str]:
        """Distributions that have native files."""
        libraries = {owner for path, owner in self.owners.items() if ".so" in os.path.basename(path)}
        return frozenset(libraries | {one.distribution for one in self.extensions if one.distribution})

    @property
    def judged(self) -> list[tuple[str, list[str]]]:
        """Distributions, each with its importable names."""
        return sorted((dist, names) for dist, names in self.names.items() if not self.native_only or dist in self.native)

    @cached_property
    def groups(self) -> list[dict[str, Any]]:
        """The work of the fork server: importable names, each with the extension modules below it."""
        owner = {name: dist for dist, names in self.judged for name in names}
        groups: dict[str, dict[str, Any]] = {
            name: {"name": name, "import": True, "firsts": [], "lenders": [], "modules": []} for name in owner
        }
        for extension in self.extensions:
            parts = extension.module.split(".")
            names = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
            top = next((name for name in names if name in groups), parts[0])
            group = groups.setdefault(top, {"name": top, "import": False, "firsts": [], "lenders": [], "modules": []})
            group["modules"].append({"module": extension.module, "path": extension.path})
        for name, group in groups.items():
            dist = owner.get(name)
            firsts = [one for one in self.names.get(dist or "", ()) if not one.rpartition(".")[2].startswith(("_", "test"))]
            group["firsts"] = firsts[:4] or ([name] if group["import"] else [])
            group["lenders"] = [one for need in self.requires.get(dist or "", ()) for one in self.names.get(need, [])[:1]]
        for folder in self.dynload:
            for file in sorted(os.listdir(folder)):
                stem = self.module(file)
                if stem is not None:
                    path = os.path.join(folder, file)
                    groups[f"lib-dynload/{stem}"] = {
                        "name": stem,
                        "import": False,
                        "firsts": [],
                        "lenders": [],
                        "modules": [{"module": stem, "path": path}],
                    }
        return sorted(groups.values(), key=lambda group: -len(group["modules"]))


# ------------------------------------------------------------------------------------------------------------- the truth


def variables(home: Path, environment: Environment) -> dict[str, str]:
    """The shell in which everything runs: nothing of this one."""
    return {
        "PATH": f"{environment.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMBA_CACHE_DIR": str(home / "numba"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
    }


def jail(prefix: Path) -> list[str]:
    """Words before a command that take the network away and make `prefix` read-only; none where that is not allowed."""
    if shutil.which("unshare") is None:
        return []
    script = (
        f'mount --bind "{prefix}" "{prefix}" && mount -o remount,bind,ro "{prefix}" && (ip link set lo up || true) && exec "$@"'
    )
    words = ["unshare", "--net", "--mount", "sh", "-c", script, "sh"]
    return words if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0 else []


def really(
    environment: Environment, groups: list[dict[str, Any]], *, timeout: float, jobs: int, progress: bool = True
) -> list[dict[str, Any]]:
    """What the fork server tells of every name, module and library of `groups`."""
    if len(groups) > 16000:
        raise SystemExit(f"error: {len(groups)} importable names are more than this tool takes")
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        home = Path(folder)
        for name in ("tmp", "empty"):
            (home / name).mkdir()
        plan = home / "plan.json"
        plan.write_text(json.dumps({"timeout": timeout, "groups": groups}))
        shell = variables(home, environment)
        read, write = os.pipe()
        for number in range(len(groups)):
            os.write(write, number.to_bytes(4, "little"))
        os.close(write)
        prison = jail(environment.prefix)
        if not prison:
            sys.stderr.write("note: no right to take the network away and to mount the environment read-only\n")
        options = ["-I", "-W", "ignore", "-X", f"pycache_prefix={home / 'bytecode'}"]
        argv = [*prison, str(environment.python), *options, str(CHILD), str(plan), str(read)]
        records: list[dict[str, Any]] = []

        def serve() -> None:
            with subprocess.Popen(
                argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=shell, cwd=home / "empty", pass_fds=[read]
            ) as server:
                assert server.stdout is not None
                for line in server.stdout:
                    records.append(json.loads(line))
                    if progress and len(records) % 200 == 0:
                        sys.stderr.write(f"\r{len(records)} imports …")
                        sys.stderr.flush()

        threads = [threading.Thread(target=serve) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os.close(read)
        if progress and len(records) >= 200:
            sys.stderr.write("\n")
    return sorted(records, key=lambda record: (record["name"], "direct" in record, "after" in record))


def reason(result: dict[str, Any]) -> str:
    """Class of an outcome: ok, loader, numpy, ctypes, python, raised, timeout, crash, aborted, killed, exited."""
    if result["outcome"] == "killed":
        return "crash" if result["signal"] in _FATAL else "aborted" if result["signal"] == 6 else "killed"
    if result["outcome"] != "raised":
        return str(result["outcome"])
    texts = [(result["type"], result["text"]), *[(kind, text) for kind, text, _ in result["chain"]]]
    for kind, text in texts:
        if _NUMPY.search(text):
            return "numpy"
        if _DLOPEN.search(text):
            return "loader" if kind in ("ImportError", "ModuleNotFoundError") or result["path"] else "ctypes"
    if result["import_error"] and not _BY_CTYPES.search(result["text"]):
        return "python"
    return "ctypes" if _BY_CTYPES.search(result["text"]) else "raised"


def blamed(result: dict[str, Any]) -> str | None:
    """The file that the loader refused, where the interpreter names it."""
    for kind, text, path in [(result.get("type"), result.get("text", ""), result.get("path")), *result.get("chain", [])]:
        if path and path.endswith(".so") and kind in ("ImportError", "ModuleNotFoundError") and _DLOPEN.search(text):
            return str(path)
    return None


def words(result: dict[str, Any]) -> str:
    """An outcome in one line."""
    if result["outcome"] == "raised":
        return f"{result['type']}: {' '.join(result['text'].split())[:300]}"
    if result["outcome"] == "killed":
        return f"killed by {_FATAL.get(result['signal'], result['signal'])}"
    return str(result["outcome"])


FAILS = ("loader", "numpy", "crash")


def verdict(
    record: dict[str, Any], path: str, variants: Sequence[str] = (), shipped: frozenset[str] = frozenset()
) -> tuple[str, str]:
    """(ok, loader, numpy, crash or undecided; text) of one extension module.

    ``ok`` has a text when the import fails for a reason that is not the loader's, or for the loader's reason with another file.
    """
    plain = record["result"]
    if plain["outcome"] == "ok":
        return "ok", ""
    if variants and all(reason(one) in ("loader", "ctypes") for one in record.values() if isinstance(one, dict)):
        return "loader", words(plain)
    tries = [record[key] for key in ("after", "direct_after", "direct") if key in record]
    if any(one["outcome"] == "ok" for one in tries):
        return "ok", words(plain)
    # People have the package imported when its file is loaded; the file alone tells only where the package cannot be.
    telling = [one for one in tries if one.get("at_file")][:1] or [plain, *tries]
    for one in telling:
        if reason(one) == "loader" and os.path.realpath(blamed(one) or path) == os.path.realpath(path):
            if reason(plain) in ("python", "raised") and str(one["text"]).partition(":")[0] in shipped:
                return "undecided", words(plain)  # a library that the package would have loaded before
            return "loader", words(one)
    if any(reason(one) == "numpy" for one in (plain, *tries)):
        return "numpy", words(plain)
    if any(one.get("at_file") for one in tries):
        return "ok", words(plain)  # its file was loaded, what it runs then fails
    kinds = [reason(one) for one in (plain, *tries)]
    if all(kind == "crash" for kind in kinds):
        return "crash", words(plain)
    if any(kind in ("python", "raised", "ctypes", "exited", "aborted") for kind in kinds):
        return "ok", words(plain)
    return "undecided", words(plain)


# --------------------------------------------------------------------------------------------------------- what we say


_LAUNCH = "from envdoctor.__main__ import main\nsys.argv[0] = 'envdoctor'\nsys.exit(main())\n"


def static(environment: Environment) -> dict[str, Any]:
    """envdoctor's report on the environment, as seen from the same shell."""
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        script = Path(folder, "envdoctor.py")
        script.write_text(f"import sys; sys.path[0] = {str(ROOT)!r}\n{_LAUNCH}")
        Path(folder, "tmp").mkdir()
        done = subprocess.run(
            [sys.executable, "-I", str(script), "check", str(environment.prefix), "--format", "json", "--no-cache"],
            capture_output=True,
            text=True,
            env=variables(Path(folder), environment),
            cwd=Path(folder, "tmp"),
            check=False,
        )
    if done.returncode not in (0, 1):
        raise SystemExit(f"error: envdoctor check ended with {done.returncode}: {done.stderr.strip()}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


class Said(NamedTuple):
    """The part of a report that foretells failures."""

    files: dict[str, list[str]]
    """Path of a file: findings that say it does not load."""
    distributions: dict[str, list[str]]
    """Distribution: errors that say it fails."""
    whole: dict[str, list[str]]
    """Distribution: all findings, with their evidence."""


def said(report: dict[str, Any], environment: Environment) -> Said:
    """What the LIB, ARC and INT009 findings foretell, by file and by distribution: of the distributions that a finding names
    those that the files are of, and the first; others are named because they ship the library that does not fit."""
    files: dict[str, list[str]] = defaultdict(list)
    distributions: dict[str, list[str]] = defaultdict(list)
    whole: dict[str, list[str]] = defaultdict(list)
    prefix = os.path.realpath(environment.prefix)
    owners = {os.path.realpath(path): name for path, name in environment.owners.items() if ".so" in path}
    for finding in report["findings"]:
        code, severity = finding["code"], finding["severity"]
        if not code.startswith(("LIB", "ARC", "INT009")) or code in QUIET_CODES or (code == "LIB007" and severity != "error"):
            continue
        line = f"{code} {severity}: {finding['message']}"
        concerned = [s["name"] for s in finding["subjects"][:1] if s["kind"] == "distribution"]
        for subject in finding["subjects"]:
            if subject["kind"] == "file" and code in MODULE_CODES:
                path = os.path.realpath(os.path.join(prefix, subject["path"] or subject["name"]))
                files[path].append(line)
                concerned.append(owners.get(path, "") if code not in ("LIB003", "LIB004") else "")
        if code in ("LIB001", "LIB002", "LIB008"):  # one finding for all that need the library
            named = [s["name"] for s in finding["subjects"] if s["kind"] == "distribution"]
            concerned += [name for name in named if f", which {name} " not in finding["message"]]
        for name in sorted(set(concerned) - {""}):
            whole[name].append(f"{line} {' '.join(finding['evidence'])}")
            if severity == "error":
                distributions[name].append(line)
    return Said(files, distributions, whole)


_CULPRIT = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open|undefined symbol: (\w+)|version `(\w[\w.]+)' not found")


def covered(text: str, lines: Iterable[str]) -> list[str]:
    """Findings that name what the loader's error names: a finding lists some of the files that one cause breaks, not all."""
    match = _CULPRIT.search(text)
    name = next((group for group in match.groups() if group), None) if match else None
    numpy = text.startswith("numpy ")
    return [line.split("  ")[0] for line in lines if (name is not None and name in line) or (numpy and "LIB004" in line)]


# ------------------------------------------------------------------------------------------------------ the comparison


class Line(NamedTuple):
    """One module or distribution, judged twice."""

    name: str
    owner: str
    cell: str
    really: str
    static: list[str]


def compare(environment: Environment, records: list[dict[str, Any]], report: dict[str, Any]) -> dict[str, Any]:
    """The whole result: verdicts, cells and disagreements by module and by distribution."""
    claims = said(report, environment)
    paths = {one.module: one for one in environment.extensions}
    dynload = {g["name"]: g["modules"][0]["path"] for g in environment.groups if g["modules"] and not g["import"]}
    by_name = {record["name"]: record for record in records if "import" in record["how"]}
    modules: list[Line] = []
    shipped = frozenset(os.path.basename(path) for path in environment.owners if ".so" in path)
    own: dict[str, list[Line]] = defaultdict(list)
    for name in sorted({m["module"] for g in environment.groups for m in g["modules"]}):
        path = (paths[name].path or paths[name].variants[0]) if name in paths else dynload[name]
        variants = paths[name].variants if name in paths else ()
        owner = (paths[name].distribution if name in paths else "the interpreter") or ""
        record = by_name.get(name)
        really_, text = verdict(record, path, variants, shipped) if record else ("undecided", "no result: the fork server ended")
        claimed = [claims.files.get(os.path.realpath(one), []) for one in variants or (path,)]
        lines = [line for one in claimed for line in one] if all(claimed) else []
        text = f"{really_} {text}".strip()
        if really_ in FAILS and not lines:
            lines = covered(text, claims.whole.get(owner, []))
        line = Line(name, owner, cell(really_, bool(lines)), text, lines)
        modules.append(line)
        own[owner].append(line)
    distributions: list[Line] = []
    libraries = [one for one in records if one["how"] == "library" and reason(one["result"]) in ("loader", "ctypes", "crash")]
    for dist, names in environment.judged:
        texts, partly = distribution(dist, names, by_name, environment), own.get(dist, [])
        broken = [line for line in partly if line.really.split(" ")[0] in FAILS]
        lines = claims.distributions.get(dist, [])
        if not texts and broken and (lines or len(broken) * 2 >= len(partly)):
            texts = [f"its names can be imported, {len(broken)} of {len(partly)} extension modules not: {broken[0].really}"]
            lines = lines or claims.whole.get(dist, [])  # an info says enough of what no import meets
        unloadable = [one for one in libraries if environment.owners.get(one["name"]) == dist]
        if not texts and lines and unloadable:
            texts = [
                f"its names can be imported, {len(unloadable)} of its libraries not loaded: {words(unloadable[0]['result'])}"
            ]
        distributions.append(Line(dist, dist, cell("loader" if texts else "ok", bool(lines)), "; ".join(texts) or "ok", lines))
    plain = {
        name: [reason(by_name[name]["result"]), words(by_name[name]["result"])]
        for names in environment.names.values()
        for name in names
        if name in by_name and by_name[name]["result"]["outcome"] != "ok"
    }
    return {
        "environment": str(environment.prefix),
        "python": environment.version,
        "versions": environment.versions,
        "native": sorted(environment.native),
        "modules": [line._asdict() for line in modules],
        "distributions": [line._asdict() for line in distributions],
        "names_that_fail": plain,
        "findings": [f for f in report["findings"] if f["code"].startswith(("LIB", "ARC", "INT009", "PTH004"))],
        "records": records,
    }


_OPENERS = ("cffi", "torch")
"""Distributions whose functions open libraries for others."""


def distribution(dist: str, names: Sequence[str], by_name: dict[str, dict[str, Any]], environment: Environment) -> list[str]:
    """Texts of the loader's errors that importing a distribution by its names meets in files of its own."""
    texts = []
    for name in names:
        result = by_name[name]["result"] if name in by_name else {"outcome": "ok"}
        kind = reason(result)
        if kind not in ("loader", "numpy", "ctypes"):
            continue
        culprit = blamed(result)
        owner = environment.owners.get(os.path.normpath(culprit)) if culprit else dist
        if kind == "ctypes":
            places = [*result["frames"], *re.findall(r"/\S+\.so\b", result["text"])]
            owners = [environment.owners.get(os.path.normpath(place)) for place in places]
            owner = next((one for one in reversed(owners) if one not in (None, *_OPENERS)), dist)
        if owner in (dist, None):
            texts.append(f"import {name}: {kind}: {words(result)}")
    return texts


def cell(real: str, predicted: bool) -> str:
    """The cell of the matrix."""
    if real == "undecided":
        return "undecided"
    if real in FAILS:
        return "agreed failing" if predicted else "missed"
    return "false" if predicted else "agreed ok"


CELLS = ("agreed ok", "agreed failing", "missed", "false", "undecided")


def text(result: dict[str, Any], *, verbose: bool = False) -> str:
    """The matrix and every disagreement, for people."""
    count = f"{len(result['versions'])} distributions, {len(result['native'])} with native code"
    out = [f"{result['environment']}: Python {result['python']}, {count}"]
    out.append(f"{'':15}" + "".join(f"{name:>16}" for name in CELLS) + f"{'agreement':>12}")
    for level in ("modules", "distributions"):
        cells = Counter(line["cell"] for line in result[level])
        agreed = cells["agreed ok"] + cells["agreed failing"]
        total = agreed + cells["missed"] + cells["false"]
        share = f"{100 * agreed / total:.2f} %" if total else "-"
        out.append(f"{level:15}" + "".join(f"{cells[name]:16}" for name in CELLS) + f"{share:>12}")
    for level in ("distributions", "modules"):
        for line in result[level]:
            if line["cell"] in ("missed", "false", "undecided") or (verbose and line["cell"] == "agreed failing"):
                out.append(
                    f"\n{line['cell']}: {level[:-1]} {line['name']}" + (f" ({line['owner']})" if level == "modules" else "")
                )
                out.append(f"  really: {line['really']}")
                out += [f"  static: {one}" for one in line["static"] or ["nothing"]]
    return "\n".join(out) + "\n"


# ------------------------------------------------------------------------------------------------------------- the tool


def requirements(name: str) -> tuple[list[str], list[str]]:
    """(Python versions, requirements) of a set."""
    lines = (SETS / f"{name}.txt").read_text().splitlines()
    pythons = next(line.partition(":")[2].split() for line in lines if line.startswith("# pythons:"))
    return pythons, [line for line in lines if line.strip() and not line.startswith("#")]


def examine(prefix: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Imports, report and comparison of one environment."""
    environment = Environment(prefix, native_only=options.native)
    if options.results:
        records = json.loads(Path(options.results).read_text())["records"]
    else:
        records = really(environment, environment.groups, timeout=options.timeout, jobs=options.jobs)
    report = static(environment)
    result = compare(environment, records, report)
    claims = said(report, environment)
    doubtful = [
        {
            "name": line["name"],
            "import": False,
            "modules": [],
            "firsts": [name for name in environment.names[line["name"]] if name not in result["names_that_fail"]][:3],
            "lenders": [],
            "libraries": [path for path in claims.files if environment.owners.get(path) == line["name"]],
        }
        for line in result["distributions"]
        if line["cell"] == "false" and line["name"] in environment.names
    ]
    if doubtful:
        records += really(environment, doubtful, timeout=options.timeout, jobs=1, progress=False)
        result = compare(environment, records, report)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. 0 unless it could not do its job."""
    parser = argparse.ArgumentParser(prog="oracle", description="Imports everything of an environment FOR REAL and compares.")
    parser.add_argument("env", nargs="?", type=Path, help="prefix of the environment (it is not written to)")
    parser.add_argument("--build", metavar="SET", help="make the environment of benchmarks/oracle/SET.txt first, in .work/oracle")
    parser.add_argument("--python", default=sys.executable, help="interpreter for --build")
    parser.add_argument("--plant", action="store_true", help="damage small environments on purpose, one after the other")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the whole result there, too")
    parser.add_argument("--results", metavar="FILE", help="take the imports' outcomes from an earlier --json, import nothing")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one import (60)")
    parser.add_argument("--jobs", type=int, default=1, help="fork servers at a time (1)")
    parser.add_argument("--native", action="store_true", help="only distributions that have native files")
    parser.add_argument("-v", "--verbose", action="store_true", help="print what was agreed to fail, too")
    options = parser.parse_args(argv)
    if options.plant:
        from benchmarks import oracle_faults

        return oracle_faults.main(options)
    prefix = options.env
    if options.build:
        prefix = prefix or WORK / f"{options.build}-{Path(options.python).name}"
        create(prefix, options.python, ["--only-binary", ":all:", *requirements(options.build)[1]])
    if prefix is None or not (prefix / "bin" / "python").exists():
        parser.error("name an environment (ENV=… with make oracle)")
    result = examine(prefix.absolute(), options)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(text(result, verbose=options.verbose))
    return 0


if __name__ == "__main__":
    sys.exit(main())
