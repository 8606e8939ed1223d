"""Locks held against a target: which of them are meant for it, and which of their groups and extras. ``View.locks``. Pure, no IO.

A project's lock says nothing about an environment that was made for something else. So a lock counts only when it was named
(``--lock``), when the target is the project's own environment, or when most of it is installed and little else; and of a lock
only those groups and extras count of which most is installed for their sake, besides the project itself. What is left out is
told by :attr:`Locks.refused`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from envdoctor.lazy import pattern
from envdoctor.lock.model import Artifact, Lock, Locked
from envdoctor.tuples import NamedTuple

if TYPE_CHECKING:
    from envdoctor.lock.select import Fit
    from envdoctor.platforms import Profile
    from envdoctor.snapshot import CondaPackage, Distribution, Machine, Snapshot
    from envdoctor.view import View

Key = tuple[str, str]
"""(manager, name)."""
Relation = Literal["named", "own", "paired", ""]
"""``own``: the target is the project's environment by its place or name. ``paired``: someone uses the two together."""

CONDA_FORMATS = ("conda-lock", "pixi", "explicit")
RANK = ("uv", "pixi", "poetry", "pdm", "pipfile", "conda-lock", "pylock", "requirements", "explicit")
"""Of two locks that are installed equally well the first is the one that the environment is made from."""
SEEDS = ("pip", "setuptools", "wheel", "distribute")
"""Distributions that installers bring along by themselves."""
PYTHON = "3.12"
"""Taken where neither target nor lock say for which Python."""

_OWN_FOLDERS = (".venv", "venv", "env", ".env", "virtualenv", ".virtualenv")
_MAIN_NAMES = frozenset(("requirements", "requirements.lock", "requirements-lock", "requirements.txt", "lock"))
_MAIN_IN_FOLDER = _MAIN_NAMES | {"base", "main", "prod", "production", "default"}
_LOWER = pattern(r"(>=|~=|===?|>)\s*v?(\d+(?:\.\d+)*)")


class Setting:
    """What a lock is judged for: a Python on a machine, and conda's name of that platform."""

    def __init__(
        self, snapshot: Snapshot, machine: Machine, platform: str | None, *, assumed: bool = False, any_python: bool = False
    ) -> None:
        self.snapshot, self.machine, self.platform = snapshot, machine, platform
        self.assumed = assumed
        """The Python is not the target's but one that the lock is made for."""
        self.any_python = any_python
        """It is only one of several; what depends on its version proves nothing."""
        self._fits: dict[str, bool] = {}

    @cached_property
    def environment(self) -> dict[str, str]:
        """PEP 508's variables."""
        from envdoctor.platforms import marker_environment

        return marker_environment(self.snapshot, self.machine)

    @cached_property
    def fit(self) -> Fit:
        """Wheel tags that fit."""
        from envdoctor.lock.select import Fit
        from envdoctor.platforms import supported_tags

        return Fit(supported_tags(self.snapshot, self.machine))

    @cached_property
    def profile(self) -> Profile:
        """What decides about wheel tags."""
        from envdoctor.platforms import profile

        return profile(self.snapshot, self.machine)

    @cached_property
    def words(self) -> str:
        """``CPython 3.11 on Linux x86_64``."""
        from envdoctor.platforms import platform_words, python_words

        system = platform_words(self.profile)
        return system if self.any_python else f"{python_words(self.profile)} on {system}"

    def fits(self, artifact: Artifact) -> bool:
        """A wheel that can be installed here, by any Python where it is not known by which; all that is no wheel."""
        if not self.any_python or artifact.kind != "wheel" or not artifact.name.endswith(".whl"):
            return self.fit.fits(artifact)
        parts = artifact.name[:-4].lower().rsplit("-", 1)
        found = self._fits.get(parts[-1])
        if found is None:
            from envdoctor.platforms import explain

            found = self._fits[parts[-1]] = not explain(f"py3-none-{parts[-1]}", self.profile)
        return found

    def entries(
        self,
        lock: Lock,
        groups: Collection[str] | None = None,
        extras: Collection[str] = (),
        projects: Collection[str] | None = None,
    ) -> tuple[Locked, ...]:
        """What `lock` installs here."""
        from envdoctor.lock.select import installed_by

        return installed_by(lock, self.environment, groups=groups, extras=extras, platform=self.platform, projects=projects)

    def serves(self, lock: Lock) -> bool:
        """The lock is made for this platform and this Python at all."""
        from envdoctor.lock.select import holds
        from envdoctor.requirements import satisfies

        python = self.environment.get("python_full_version", "")
        if not python or (lock.platforms and self.platform not in lock.platforms):
            return False
        if lock.environments and not any(holds(marker, self.environment) for marker in lock.environments):
            return False
        return not lock.requires_python or satisfies(python, lock.requires_python) is not False

    def everything(self, lock: Lock) -> tuple[Locked, ...]:
        """What `lock` installs here for any of its groups, extras and projects."""
        if lock.format == "pixi":
            return self.entries(lock, lock.groups)
        return self.entries(lock, lock.groups or None, lock.extras, lock.projects or None)


class Held(NamedTuple):
    """A lock that is meant for the target."""

    lock: Lock
    relation: Relation
    setting: Setting
    groups: tuple[str, ...] | None
    """Those that are installed, ``''`` for the project itself; None where the lock has no groups."""
    extras: tuple[str, ...]
    projects: tuple[str, ...] | None
    wanted: dict[Key, tuple[Locked, ...]]
    """What must be there."""
    allowed: dict[Key, tuple[Locked, ...]]
    """What may be there: of all groups, extras and members."""
    names: frozenset[Key]
    """Everything that has an entry, for any platform."""
    covers: bool
    """Most of what is installed is in the lock, so that what is not tells something."""
    why: str
    """Why it is taken for the target's, in words."""


class Locks:
    """The locks of a snapshot. Made once per view."""

    def __init__(self, view: View) -> None:
        self.view = view
        snapshot = view.snapshot
        self.readable = tuple(lock for lock in snapshot.locks if lock.error is None)
        self.root = snapshot.project.root.replace("\\", "/").rstrip("/") if snapshot.project is not None else ""
        self.refused: list[tuple[Lock, str]] = []
        """Locks that are not held against the target, and why."""

    # ------------------------------------------------------------------------------------------------------ what for
    @cached_property
    def no_target(self) -> bool:
        """Locks alone are judged."""
        snapshot = self.view.snapshot
        return snapshot.target.kind == "unknown" and not snapshot.sites and not snapshot.conda_packages

    @cached_property
    def other_machine(self) -> bool:
        """The machine is not the one that the facts are from (``--machine``)."""
        return self.view.machine is not self.view.snapshot.machine

    @cached_property
    def of_target(self) -> Setting:
        """The target where it stands."""
        return Setting(self.view.snapshot, self.view.snapshot.machine, self._platform(self.view.snapshot.machine))

    def judged(self, lock: Lock) -> Setting:
        """What `lock` has to serve: the target on the machine that is judged for, or where it is not meant for the target (or
        there is none) the Python that the project pins, or the oldest that it is made for. Facts of no more than an interpreter
        stand for any environment of it."""
        known = bool(self.view.snapshot.interpreter.version)
        if known and (self.no_target or any(held.lock is lock for held in self.held)):
            return self._judged_target
        python, sure = _python_of(lock, self._pin)
        return self._assumed(python, any_python=not sure)

    @cached_property
    def _judged_target(self) -> Setting:
        if not self.other_machine:
            return self.of_target
        return Setting(self.view.snapshot, self.view.machine, self._platform(self.view.machine))

    @cached_property
    def _pin(self) -> str | None:
        project = self.view.snapshot.project
        found = re.search(r"(?<![\d.])3\.\d+(?:\.\d+)?", (project.python_pin or "") if project is not None else "")
        return found[0] if found is not None else None

    def _assumed(self, python: str, *, any_python: bool = False) -> Setting:
        import msgspec

        from envdoctor.snapshot import Interpreter

        known = self._settings.get((python, any_python))
        if known is None:
            machine, snapshot = self.view.machine, self.view.snapshot
            from envdoctor.conda.subdirs import native_subdir

            short = "".join(python.split(".")[:2])
            interpreter = Interpreter(
                path="", version=python, abi=f"cp{short}", machine=machine.native_machine or machine.machine
            )
            target = msgspec.structs.replace(snapshot.target, system=machine.system, foreign=False, kind="unknown")
            facts = msgspec.structs.replace(snapshot, interpreter=interpreter, target=target, conda_packages=())
            known = Setting(facts, machine, native_subdir(machine), assumed=True, any_python=any_python)
            self._settings[python, any_python] = known
        return known

    @cached_property
    def _settings(self) -> dict[tuple[str, bool], Setting]:
        return {}

    def _platform(self, machine: Machine) -> str | None:
        """conda's name for what the target runs on."""
        from envdoctor.conda.subdirs import SYSTEMS, main_subdir, native_subdir, subdirs
        from envdoctor.snapshot import Machine as Computer

        snapshot = self.view.snapshot
        if self.no_target or machine is not snapshot.machine:
            return native_subdir(machine)
        if subdirs(self.view):
            return main_subdir(self.view)
        word = snapshot.interpreter.machine or ("" if snapshot.target.system != machine.system else machine.machine)
        if word:
            return native_subdir(Computer(system=snapshot.target.system, machine=word))
        return native_subdir(machine) if snapshot.target.system in SYSTEMS else None

    # --------------------------------------------------------------------------------------------------- what is there
    @cached_property
    def records(self) -> dict[str, CondaPackage]:
        """conda records by name, lower case."""
        return {package.name.lower(): package for package in self.view.snapshot.conda_packages}

    def there(self, key: Key) -> bool:
        """Something of that name is installed."""
        return self.record(key) is not None if key[0] == "conda" else self.distribution(key[1]) is not None

    def distribution(self, name: str) -> Distribution | None:
        """The distribution that counts under a name."""
        return self.view.effective.get(name)

    def record(self, key: Key) -> CondaPackage | None:
        """The record of a conda package."""
        return self.records.get(key[1])

    def same_version(self, entry: Locked) -> bool:
        """What is installed under the entry's name has its version; what one of the two leaves open is the same."""
        from envdoctor.lock.changes import same_version

        if entry.manager == "conda":
            record = self.records.get(entry.name)
            return record is not None and same_version("conda", entry.version, record.version)
        dist = self.distribution(entry.name)
        if dist is None:
            return False
        if entry.version is None or dist.version is None or any(a.kind in ("directory", "vcs") for a in entry.artifacts):
            return True
        return same_version("pypi", entry.version, dist.version) or (
            "+" not in entry.version and same_version("pypi", entry.version, dist.version.partition("+")[0])
        )

    def is_project(self, name: str) -> bool:
        """The distribution is the project itself, or a member of its workspace, installed from its folder."""
        if any(name in lock.projects for lock in self.readable):
            return True
        project = self.view.snapshot.project
        if project is not None and project.name is not None and _normal(project.name) == name:
            return True
        dist = self.distribution(name)
        return dist is not None and self.inside(dist)

    def inside(self, dist: Distribution) -> bool:
        """`dist` was installed from a folder of the project."""
        if not self.root:
            return False
        folders = list(dist.editable.sources) if dist.editable is not None else []
        if dist.direct_url is not None and dist.direct_url.url.startswith("file:") and not dist.direct_url.archive_hash:
            from urllib.parse import unquote, urlsplit

            path = unquote(urlsplit(dist.direct_url.url).path)
            folders.append(path[1:] if re.match(r"/[A-Za-z]:", path) else path)
        places = (folder.replace("\\", "/").rstrip("/") for folder in folders)
        return any(f"{place}/".startswith(f"{self.root}/") for place in places)

    @cached_property
    def foreign(self) -> tuple[Key, ...]:
        """What is installed in the target and is neither the project nor brought along by installers."""
        found: list[Key] = [("conda", name) for name in self.records if name not in SEEDS]
        owned = {dist.name for dist in self.view.of_target if dist.conda} | {"", *SEEDS}
        for dist in self.view.of_target:
            if dist.name not in owned and self.view.packager(dist) != "system" and not self.inside(dist):
                found.append(("pypi", dist.name))
        return tuple(dict.fromkeys(found))

    # ------------------------------------------------------------------------------------------------------- relation
    def relation(self, lock: Lock) -> tuple[Relation, str]:
        """How the lock and the target belong together, and the words for it."""
        if lock.named:
            return "named", "it was named"
        target, shell = self.view.snapshot.target, self.view.snapshot.shell
        prefix = target.prefix.replace("\\", "/").rstrip("/")
        parent, _, folder = prefix.rpartition("/")
        conda = lock.format in CONDA_FORMATS
        if conda and target.kind not in ("conda", "pixi"):
            return "", ""
        place = self._place(lock)
        if target.kind == "pixi" or "/.pixi/envs/" in prefix:
            meta = self.view.snapshot.conda_meta
            project = prefix.partition("/.pixi/envs/")[0] if "/.pixi/envs/" in prefix else (meta.pixi or "" if meta else "")
            if lock.format != "pixi":
                return "", ""
            whole = project.replace("\\", "/")
            if self.root in (whole, whole.rpartition("/")[0]) and folder in lock.groups:
                return "own", f"the target is the environment {folder} of the project"
            return "", ""
        if lock.format == "pixi":
            return "", ""
        if place == "main" and self.root and parent == self.root and folder in _OWN_FOLDERS:
            return "own", "the target stands in the project's folder"
        told = shell.variables.get("UV_PROJECT_ENVIRONMENT", "").rstrip("/")
        if lock.format == "uv" and told and prefix in (told, f"{self.root}/{told}"):
            return "own", "UV_PROJECT_ENVIRONMENT names the target"
        if conda and target.name and not target.base and place == "main":
            for manifest in self.view.snapshot.manifests:
                if manifest.format == "environment" and manifest.name == target.name:
                    return "own", f"{manifest.path} calls its environment {target.name}"
        if lock.format in ("poetry", "pipfile") and self._virtualenvs(lock, folder):
            return "own", f"the target has the name that {'poetry' if lock.format == 'poetry' else 'pipenv'} gives it"
        if any(self.inside(dist) for dist in self.view.of_target):
            return "paired", "the project is installed in the target"
        if self.view.snapshot.project is not None and self.view.snapshot.project.named:
            return "paired", "--project names the project"
        if self._has_own(prefix):
            return "", ""
        if (shell.virtual_env_same or (shell.conda_prefix_same and not target.base)) and self.root:
            return "paired", "the target is active in the project's folder"
        return "", ""

    def _has_own(self, prefix: str) -> bool:
        """The project has an environment of its own beside it, and that is not the target."""
        project = self.view.snapshot.project
        return project is not None and project.environment is not None and prefix != f"{self.root}/{project.environment}"

    def _place(self, lock: Lock) -> Literal["main", "other"]:
        """Whether it is what the project is installed from, or a list for something else (docs, constraints)."""
        folder, _, file = lock.path.replace("\\", "/").rpartition("/")
        if lock.format not in ("requirements", "pylock"):
            return "main" if not folder else "other"
        stem = file.rpartition(".")[0].lower()
        if lock.format == "pylock":
            return "main" if not folder and file == "pylock.toml" else "other"
        if folder in ("requirements", "requirement", "reqs"):
            return "main" if stem in _MAIN_IN_FOLDER else "other"
        return "main" if not folder and stem in _MAIN_NAMES else "other"

    def _virtualenvs(self, lock: Lock, folder: str) -> bool:
        """The target's folder is named as poetry and pipenv name those that they keep elsewhere."""
        project = self.view.snapshot.project
        if project is None:
            return False
        if lock.format == "poetry":
            name = re.sub(r'[ $`!*@"\\\r\n\t]', "_", (project.name or "").lower())[:42]
            return bool(name) and re.fullmatch(re.escape(name) + r"-[\w-]{8}-py\d[\d.]*", folder) is not None
        own = re.sub(r'[ &$`!*@"()\[\]\\\r\n\t]', "_", self.root.rpartition("/")[2])[:42]
        return bool(own) and re.fullmatch(re.escape(own) + r"-[\w-]{8}(?:-.+)?", folder) is not None

    # ------------------------------------------------------------------------------------------------------------ held
    @cached_property
    def held(self) -> tuple[Held, ...]:
        """Locks that are meant for the target, the one that it was made from first."""
        if self.no_target or not self.readable:
            return ()
        if not self.view.snapshot.interpreter.version and not self.records:
            self.refused += [(lock, "the version of its Python is not known") for lock in self.readable]
            return ()
        if self.other_machine and self.view.machine.system != self.view.snapshot.target.system:
            self.refused += [(lock, "the machine has another operating system") for lock in self.readable]
            return ()
        candidates: list[tuple[tuple[object, ...], Held]] = []
        for position, lock in enumerate(self.readable):
            made = self._candidate(lock)
            if made is not None:
                held, share = made
                order = (held.relation != "named", -round(share, 3), RANK.index(lock.format), self._place(lock), position)
                candidates.append((order, held))
        chosen: list[Held] = []
        covered: set[str] = set()
        for _, held in sorted(candidates, key=lambda one: one[0]):
            names = {_normal(name) for _, name in held.wanted}
            if chosen and held.relation != "named":
                own = [key for key in held.wanted if _normal(key[1]) not in covered]
                if sum(map(self.there, own)) * 2 <= len(own):
                    first = chosen[0].lock.path
                    self.refused.append((held.lock, f"the environment is made from {first}, what it has more is not installed"))
                    continue
            covered |= names
            chosen.append(held)
        return tuple(chosen)

    def _candidate(self, lock: Lock) -> tuple[Held, float] | None:
        """The lock with the groups that are installed, and how much of it is; None where it is not meant for the target."""
        relation, why = self.relation(lock)
        name = lock.path.replace("\\", "/").rpartition("/")[2]
        if relation != "named":
            if lock.format in CONDA_FORMATS and not self.records:
                self.refused.append((lock, "it is for a conda environment"))
                return None
            if name.startswith("constraints"):
                self.refused.append((lock, "it is a list of constraints"))
                return None
            if lock.platforms and self.of_target.platform not in lock.platforms:
                self.refused.append((lock, f"it has nothing for {self.of_target.platform}"))
                return None
        setting = self._setting(lock)
        groups, extras, projects = self._choice(lock, setting)
        wanted = grouped(setting.entries(lock, groups, extras, projects))
        keys = [key for key in wanted if key[1] and not self.is_project(key[1])]
        by_name = sum(map(self.there, keys)) / len(keys) if keys else 0.0
        by_version = sum(any(map(self.same_version, wanted[key])) for key in keys) / len(keys) if keys else 0.0
        names = frozenset((entry.manager, entry.name) for entry in lock.packages)
        cover = self._cover(names)
        if relation == "paired" and by_name < 0.5 and cover < 0.5:
            relation = ""
        if not relation:
            if by_version < 0.5 or cover < 0.5:
                there = f"{int(by_version * len(keys) + 0.5)} of its {len(keys)} packages are installed"
                besides = f", among {len(self.foreign)}" if by_version >= 0.5 else ""
                self.refused.append((lock, there + besides))
                return None
            why = "most of it is installed"
        held = Held(
            lock=lock,
            relation=relation,
            setting=setting,
            groups=groups,
            extras=extras,
            projects=projects,
            wanted=wanted,
            allowed=grouped(self._everything(lock, setting, groups)),
            names=names,
            covers=cover >= 0.5 or relation in ("named", "own"),
            why=why,
        )
        return held, by_version

    def _cover(self, names: Collection[Key]) -> float:
        """How much of what is installed has one of the names. What conda brought counts where packages of conda are locked."""
        conda = any(manager == "conda" for manager, _ in names)
        loose = {_normal(name) for _, name in names}
        there = [name for manager, name in self.foreign if conda or manager == "pypi"]
        if not there:
            return 0.0 if self.foreign else 1.0
        return sum(_normal(name) in loose for name in there) / len(there)

    def _setting(self, lock: Lock) -> Setting:
        """The target; for a conda lock without the target's Python with the Python that it locks."""
        if self.view.snapshot.interpreter.version:
            return self.of_target
        own = self._assumed(_python_of(lock, self._pin)[0])
        return Setting(own.snapshot, self.view.snapshot.machine, self.of_target.platform)

    def _everything(self, lock: Lock, setting: Setting, groups: tuple[str, ...] | None) -> tuple[Locked, ...]:
        """Of a pixi lock only the environment that the target is."""
        return setting.entries(lock, groups) if lock.format == "pixi" else setting.everything(lock)

    def _choice(self, lock: Lock, setting: Setting) -> tuple[tuple[str, ...] | None, tuple[str, ...], tuple[str, ...] | None]:
        """Groups, extras and workspace members that are installed: the project itself, and those of which most is there."""
        if lock.format == "pixi":
            folder = self.view.snapshot.target.prefix.replace("\\", "/").rstrip("/").rpartition("/")[2]
            return (folder if folder in lock.groups else "default",), (), None
        base = base_groups(lock)
        if base is None:
            return None, (), None
        first = grouped(setting.entries(lock, base))

        everything = grouped(setting.everything(lock))
        forked = {key for key, several in everything.items() if len({entry.version for entry in several}) > 1}

        def own_of(more: Iterable[Locked]) -> tuple[dict[Key, tuple[Locked, ...]], set[Key]]:
            chosen = grouped(more)
            return chosen, {key for key, several in chosen.items() if _versions(several) != _versions(first.get(key, ()))}

        # what groups and extras that are there as a whole bring is no sign of others
        groups_with = {group: setting.entries(lock, (*base, group)) for group in lock.groups if group not in base}
        extras_with = {extra: setting.entries(lock, base, (extra,)) for extra in lock.extras}
        explained: set[Key] = set()
        for more in (*groups_with.values(), *extras_with.values()):
            entries, keys = own_of(more)
            if all(map(self.there, keys)) and all(any(map(self.same_version, entries[key])) for key in keys & forked):
                explained |= keys

        def used(more: Iterable[Locked], at_least: float) -> bool:
            chosen, own = own_of(more)
            partial = not all(map(self.there, own))
            if own & forked:
                # of groups that exclude each other the version tells which it is
                same = {key for key in own & forked if any(map(self.same_version, chosen[key]))}
                if not (partial and same and same <= explained):
                    return bool(same)
            telling = [key for key in own if not self.there(key) or not self._asked_elsewhere(key, own)]
            there = [key for key in telling if self.there(key)]
            if partial and explained.issuperset(there):
                return False
            # what installs nothing of its own is left out: it may exclude others that are chosen
            return len(there) >= at_least * len(telling) > 0

        groups = [*base]
        for group, more in groups_with.items():
            if used(more, 0.5 if group in lock.default_groups else 0.51):
                groups.append(group)
        extras = [extra for extra, more in extras_with.items() if used(more, 0.51)]
        if len(groups) > len(base) and not extras and self._only_groups(lock, setting, base, first, groups):
            groups = groups[len(base) :]
        projects: list[str] | None = None
        if len(lock.projects) > 1:
            own = [entry.name for entry in lock.packages if entry.source == "." and entry.name in lock.projects]
            projects = own or list(lock.projects)
            if own and self._without_root(lock, setting, base, own):
                projects = []
            for member in lock.projects:
                if member in projects:
                    continue
                if self.distribution(member) is not None or used(setting.entries(lock, base, (), (*own, member)), 0.51):
                    projects.append(member)
        return tuple(groups), tuple(extras), tuple(projects) if projects is not None else None

    def _without_root(self, lock: Lock, setting: Setting, base: tuple[str, ...], own: list[str]) -> bool:
        """Other members were installed and not the one in the lock's folder (``uv sync --package``), which is no distribution
        itself: of what it needs nothing is there, and it is much or a member is there that it does not need."""
        others = [name for name in lock.projects if name not in own and self.distribution(name) is not None]
        if not others or any(self.distribution(name) is not None for name in own):
            return False
        told = set(grouped(setting.entries(lock, base, (), others)))
        alone = set(grouped(setting.entries(lock, base, (), own))) - told
        if any(self.there(key) and not self._asked_elsewhere(key, alone) for key in alone):
            return False
        needs = {entry.name: [need.name for need in entry.needs] for entry in lock.packages if entry.name in lock.projects}
        reached, todo = set(own), list(own)
        while todo:
            more = [name for name in needs.get(todo.pop(), ()) if name in needs and name not in reached]
            reached.update(more)
            todo += more
        return len(alone) > 2 or (bool(alone) and not reached.issuperset(others))

    def _only_groups(
        self,
        lock: Lock,
        setting: Setting,
        base: tuple[str, ...],
        first: dict[Key, tuple[Locked, ...]],
        groups: list[str],
    ) -> bool:
        """Only groups were installed and not what the project itself needs (``uv sync --only-group docs``): of that nothing is
        there, it is much, or a group that comes along by itself is not there either."""
        if any(self.distribution(name) is not None for name in lock.projects):
            return False
        alone = {key for group in groups[len(base) :] for key in grouped(setting.entries(lock, (group,)))}
        if not alone or not all(map(self.there, alone)):
            return False
        own = set(first) - alone
        if any(self.there(key) and not self._asked_elsewhere(key, own) for key in own):
            return False
        left = [group for group in lock.default_groups if group not in base and group not in groups]
        return len(own) > 2 or (bool(own) and bool(left))

    def _asked_elsewhere(self, key: Key, own: Collection[Key]) -> bool:
        """It would be there without those `own`: something else that is installed asks for it."""
        if key[0] == "conda":
            return any((key[0], edge.package.name) not in own for edge in self.view.conda.asked_of(key[1]) if not edge.constrains)
        return any((key[0], edge.parent.name) not in own for edge in self.view.closure.incoming.get(key[1], ()))

    # ------------------------------------------------------------------------------------------------------------ words
    def skip(self) -> str | None:
        """Why no lock is held against the target; None where one is, or there is none."""
        if self.held or not self.view.snapshot.locks:
            return None
        if self.no_target:
            return "no environment is named: -p DIR, -n NAME or --python PATH compares one with the locks"
        if not self.readable:
            return "the lock cannot be read"
        lock, why = self.refused[0]
        more = f" (and {len(self.readable) - 1} more)" if len(self.readable) > 1 else ""
        return f"{lock.path}{more} is not taken for this environment's: {why}; --lock {lock.path} compares it all the same"


def base_groups(lock: Lock) -> tuple[str, ...] | None:
    """The group that stands for the project itself; None where the lock has no groups."""
    for name in ("", "main", "default"):
        if name in lock.groups:
            return (name,)
    return lock.default_groups or None


def grouped(entries: Iterable[Locked]) -> dict[Key, tuple[Locked, ...]]:
    """Entries by manager and name."""
    found: dict[Key, list[Locked]] = {}
    for entry in entries:
        found.setdefault((entry.manager, entry.name), []).append(entry)
    return {key: tuple(several) for key, several in found.items()}


def _versions(entries: Iterable[Locked]) -> set[tuple[str | None, str | None]]:
    """Versions and sources of entries of one name."""
    return {(entry.version, entry.source) for entry in entries}


def lower_bound(specifier: str | None) -> str | None:
    """The oldest Python that a specifier lets pass, as far as its lower bounds tell: ``>=3.9,<4`` -> ``3.9``."""
    versions = [tuple(map(int, match[2].split("."))) for match in _LOWER.finditer(specifier or "")]
    sane = [version for version in versions if version[0] == 3 and len(version) > 1 and max(version) < 1000]
    return ".".join(map(str, max(sane))) if sane else None


def _python_of(lock: Lock, pin: str | None) -> tuple[str, bool]:
    """The Python that a lock is for, and whether it is the only one: the one in it (conda), the project's pin where it fits, else
    the oldest."""
    for entry in lock.packages:
        if entry.manager == "conda" and entry.name == "python" and entry.version:
            return entry.version, True
    if pin is not None:
        from envdoctor.requirements import satisfies

        if not lock.requires_python or satisfies(pin if pin.count(".") > 1 else f"{pin}.0", lock.requires_python):
            return pin, True
    return lower_bound(lock.requires_python) or PYTHON, False


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
