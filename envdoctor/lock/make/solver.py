"""Solving conda specs for several platforms at once with py-rattler, which is imported here alone and only when it is used.

What goes in and comes out are plain values: nothing outside this module knows rattler's types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from envdoctor.lazy import pattern
from envdoctor.lock.document import public
from envdoctor.lock.make.options import MakeError
from envdoctor.lock.make.records import Record
from envdoctor.tuples import NamedTuple

MISSING = "py-rattler is not installed"
MISSING_HINT = "pip install 'envdoctor[lock]' brings py-rattler and uv"
_CANDIDATES = pattern(
    r"[Nn]o candidates were found for (\S+?)(?: [^\n]*?)?\.?$|([^\s│├└─]+)(?: [^\n]*?)?, for which no candidates were found",
    re.MULTILINE,
)
_ANY = pattern(r"(?<=\S) \*(?=$|[ ,.])", re.MULTILINE)


class Task(NamedTuple):
    """What is to be solved for one platform."""

    platform: str
    """A conda subdir."""
    specs: tuple[str, ...]
    """MatchSpecs."""
    virtual: Mapping[str, tuple[str, str]]
    """Virtual packages of the machine: name to version and build."""
    locked: Collection[str] = ()
    """URLs of records that are preferred: a change that is not needed is not made."""
    locked_names: Collection[str] = ()
    """Names of those."""


class Unsolvable(NamedTuple):
    """Why there is no solution for a platform."""

    platform: str
    explanation: tuple[str, ...]
    """Lines."""


class Answer(NamedTuple):
    """Solutions by platform; `lost` are locked URLs that no channel has any more."""

    records: dict[str, tuple[Record, ...]]
    lost: dict[str, tuple[str, ...]]


class Failed(Exception):
    """Some platforms have no solution."""

    def __init__(self, problems: Sequence[Unsolvable]) -> None:
        super().__init__(", ".join(problem.platform for problem in problems))
        self.problems = tuple(problems)


def available() -> None:
    """Raises MakeError where py-rattler is not installed."""
    _rattler()


def invalid(spec: str) -> str | None:
    """Why `spec` is no MatchSpec that can be solved for, one line; None where it is one."""
    rattler = _rattler()
    try:
        rattler.MatchSpec(spec)
    except (rattler.exceptions.InvalidMatchSpecError, rattler.exceptions.InvalidVersionSpecError, ValueError) as error:
        return str(error).partition("\n")[0]
    return None


def solve(
    tasks: Sequence[Task],
    channels: Sequence[str],
    strict: bool = True,
    offline: bool = False,
    cache: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Answer:
    """Solves all `tasks` together: repodata is read once, platforms are solved side by side.

    `channels` are names or URLs in order of priority (`strict`: a package comes from the first that has it). Raises Failed where
    there is no solution, MakeError for what is wrong with channels, network or caches.
    """
    import asyncio

    rattler = _rattler()
    return asyncio.run(_Solver(rattler, channels, strict, offline, cache, progress).solve(tasks))


def _rattler() -> Any:
    try:
        import rattler
        import rattler.exceptions
    except ImportError:
        raise MakeError(MISSING, MISSING_HINT) from None
    return rattler


class _Solver:
    """One gateway for all platforms."""

    def __init__(
        self,
        rattler: Any,
        channels: Sequence[str],
        strict: bool,
        offline: bool,
        cache: str | None,
        progress: Callable[[str], None] | None,
    ) -> None:
        self.rattler = rattler
        action = "force-cache-only" if offline else "cache-or-fetch"
        self.offline = offline
        self.priority = rattler.ChannelPriority.Strict if strict else rattler.ChannelPriority.Disabled
        self.names = tuple(channels)
        self.gateway = rattler.Gateway(cache_dir=cache, default_config=rattler.SourceConfig(cache_action=action))
        self.progress = progress
        self.channels = [self._channel(name) for name in channels]
        self.left: set[str] = set()

    def _channel(self, name: str) -> Any:
        try:
            return self.rattler.Channel(name)
        except (self.rattler.exceptions.InvalidChannelError, self.rattler.exceptions.InvalidUrlError, ValueError) as error:
            raise MakeError(f"channel {public(name)}: {str(error).partition(chr(10))[0]}") from None

    async def solve(self, tasks: Sequence[Task]) -> Answer:
        import asyncio

        self.left = {task.platform for task in tasks}
        found = await asyncio.gather(*(self._one(task) for task in tasks), return_exceptions=True)
        errors = self.rattler.exceptions
        problems: list[Unsolvable] = []
        answer = Answer({}, {})
        # of requests for the same file the others are told no more than that one failed
        unreached = [one for one in found if isinstance(one, _unreachable_errors(errors))]
        telling = [one for one in unreached if not str(one).startswith("a coalesced request failed")]
        if unreached:
            worst = (telling or unreached)[0]
            raise self._unreachable(tasks[found.index(worst)].platform, str(worst)) from None
        for task, result in zip(tasks, found, strict=True):
            if isinstance(result, errors.SolverError):
                problems.append(Unsolvable(task.platform, await self._explained(task, str(result))))
            elif isinstance(result, BaseException):
                raise result
            else:
                answer.records[task.platform], answer.lost[task.platform] = result
        if problems:
            raise Failed(problems)
        return answer

    async def _one(self, task: Task) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        rattler = self.rattler
        locked, lost = await self._locked(task)
        virtual = [
            rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build or "0"))
            for name, (version, build) in task.virtual.items()
        ]
        solution = await rattler.solve(
            sources=self.channels,
            specs=[rattler.MatchSpec(spec) for spec in task.specs],
            gateway=self.gateway,
            platforms=[task.platform, "noarch"],
            locked_packages=locked,
            virtual_packages=virtual,
            channel_priority=self.priority,
        )
        self.left.discard(task.platform)
        if self.progress is not None and self.left:
            self.progress(f"solving for {', '.join(sorted(self.left))}")
        return tuple(sorted((_record(one) for one in solution), key=lambda record: record.name)), lost

    async def _locked(self, task: Task) -> tuple[list[Any], tuple[str, ...]]:
        """The records that are locked, as the channels have them now, and the URLs of those that they have no more."""
        if not task.locked:
            return [], ()
        wanted = {public(url) for url in task.locked}
        answer = await self.gateway.query(self.channels, [task.platform, "noarch"], sorted(task.locked_names), recursive=False)
        found = {public(record.url): record for records in answer for record in records if public(record.url) in wanted}
        return [found[url] for url in sorted(found)], tuple(sorted(wanted - found.keys()))

    async def _explained(self, task: Task, text: str) -> tuple[str, ...]:
        """The solver's explanation, and what the channels have of the packages that it found no candidate for."""
        lines = [_ANY.sub("", line) for line in text.strip().splitlines()]
        lines[0] = lines[0].removeprefix("Cannot solve the request because of: ")
        for spec in dict.fromkeys(found[1] or found[2] for found in _CANDIDATES.finditer(text)):
            name = spec.partition("[")[0].rpartition("::")[2]
            if name.startswith("__"):
                version = task.virtual.get(name)
                told = f"{name} {version[0]}" if version else f"no {name}"
                lines.append(f"{task.platform} is taken to have {told} (--virtual-package changes that)")
                continue
            said = await self._known(task.platform, name)
            if said:
                lines.append(said)
        return tuple(lines)

    async def _known(self, platform: str, name: str) -> str | None:
        errors = self.rattler.exceptions
        where = ", ".join(public(channel) for channel in self.names)
        try:
            answer = await self.gateway.query(self.channels, [platform, "noarch"], [name], recursive=False)
            records = [record for part in answer for record in part]
            if records:
                versions = sorted({record.version for record in records}, reverse=True)
                shown = ", ".join(str(version) for version in versions[:5])
                return f"{where} has {name} {shown}{' …' if len(versions) > 5 else ''}"
            import difflib

            names = [one.normalized for one in await self.gateway.names(self.channels, [platform, "noarch"])]
        except (errors.GatewayError, errors.InvalidMatchSpecError, errors.InvalidPackageNameError):
            return None
        near = difflib.get_close_matches(name.lower(), names, 3, 0.75)
        return f"{where} has no {name} for {platform}" + (f"; did you mean {' or '.join(near)}?" if near else "")

    def _unreachable(self, platform: str, text: str) -> MakeError:
        """What is wrong with a channel, the network or a cache, in a line."""
        causes = [line.removeprefix("Caused by: ") for line in text.splitlines() if line.strip()]
        first, last = public(causes[0]), public(causes[-1])
        details = tuple(public(line) for line in causes)
        if self.offline:
            return MakeError(
                f"{platform}: {first}", "without --offline what the caches lack is fetched", details if len(details) > 1 else ()
            )
        if "could not find subdir" in first or "404" in text or "No such file" in last:
            where = re.search(r"['(]([a-z]+://[^')\s]+)", first)
            named = _channel(where[1]) if where else ", ".join(public(name) for name in self.names)
            return MakeError(f"there is no channel {named}: {last}", "the manifest's channels: names it, or --channel")
        if "error sending request" in first or "tcp" in text or "dns" in text:
            where = re.search(r"[(]([a-z]+://[^)\s]+)", first)
            return MakeError(
                f"cannot reach {_channel(where[1]) if where else 'the channel'}: {last}",
                "--offline solves with what the cache has",
                details[1:-1],
            )
        return MakeError(f"{platform}: {first}", None, details[1:])


def _unreachable_errors(errors: Any) -> tuple[type[Exception], ...]:
    """rattler's errors for channels, network and caches."""
    return errors.GatewayError, errors.FetchRepoDataError, errors.IoError, errors.CacheDirError


def _channel(url: str) -> str:
    """The channel that a file of repodata belongs to."""
    return re.sub(r"/(?:noarch|[a-z]+-[a-z0-9]+)/[^/]*$", "", public(url))


def _record(found: Any) -> Record:
    noarch = found.noarch
    kind = "python" if noarch.python else "generic" if noarch.generic else None
    return Record(
        name=found.name.source,
        version=str(found.version),
        build=str(found.build),
        subdir=str(found.subdir),
        url=found.url,
        channel=str(found.channel or ""),
        md5=found.md5.hex() if found.md5 else None,
        sha256=found.sha256.hex() if found.sha256 else None,
        depends=tuple(found.depends),
        noarch=kind,
        size=found.size,
    )
