"""One plan from many findings: their first fixes, merged so that they do not work against each other. Pure.

Every fix is argv lists (:mod:`envdoctor.remedy` spells them); this module reads those command lines back into what they do
to which distribution, merges what one tool can do in one command, keeps every specifier, and orders: settings and system
packages, deletions, removals, reinstallations, installations. What cannot be reconciled is left to a person, with the
reasons of both sides. A finding whose cause the plan mends is not mended again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from envdoctor.finding import SEVERITIES, Command, Finding, Fix, Safety
from envdoctor.requirements import satisfiable
from envdoctor.tuples import NamedTuple

Stage = Literal["recreate", "prepare", "delete", "uninstall", "reinstall", "install", "after"]
STAGES: tuple[Stage, ...] = ("recreate", "prepare", "delete", "uninstall", "reinstall", "install", "after")

_TAKES_VALUE = frozenset(
    (
        "--python",
        "-p",
        "--prefix",
        "-n",
        "--name",
        "-c",
        "--channel",
        "--constraint",
        "-r",
        "--requirement",
        "-i",
        "--index-url",
        "--extra-index-url",
        "--index",
        "--find-links",
        "-f",
        "--target",
        "--no-binary",
        "--only-binary",
        "--manifest-path",
    )
)
_SYNC = frozenset(
    (
        ("uv", "sync"),
        ("poetry", "install"),
        ("pdm", "install"),
        ("pipenv", "sync"),
        ("pixi", "install"),
        ("conda-lock", "install"),
    )
)
"""Commands that install what a lock says."""
_REINSTALL = frozenset(("--force-reinstall", "--ignore-installed", "--reinstall"))
_SAFETIES: tuple[Safety, ...] = ("safe", "unsafe", "manual")


class Step(NamedTuple):
    """One command of the plan."""

    stage: Stage
    command: Command
    safety: Safety
    solves: tuple[str, ...]
    """Fingerprints of the findings that it helps to mend."""


class ByHand(NamedTuple):
    """What a person must decide: a fix that is no command, or fixes that contradict each other."""

    title: str
    reasons: tuple[str, ...]
    commands: tuple[Command, ...]
    solves: tuple[str, ...]


class Plan(NamedTuple):
    """What to do, in order, and what it is for."""

    steps: tuple[Step, ...] = ()
    manual: tuple[ByHand, ...] = ()
    verify: tuple[Command, ...] = ()
    follows: tuple[str, ...] = ()
    """Fingerprints of findings that go away with their cause, or with a new environment."""
    unfixable: tuple[str, ...] = ()
    """Fingerprints of findings that offer no fix."""


class Action(NamedTuple):
    """What one command line does."""

    stage: Stage
    head: Command
    """The command without what it is applied to: the same for commands that can be merged."""
    items: tuple[str, ...]
    """Requirements, names or paths; an editable install is one item, ``-e PATH``."""
    where: str = ""
    """Which environment and which kind of packages it concerns; names of different places never meet."""


@dataclass
class _Wish:
    """The fix that was chosen for a finding."""

    finding: Finding
    fix: Fix
    actions: list[Action] = field(default_factory=list)
    ordered: bool = True
    """Its commands already stand in the order of the stages."""


def make(findings: Iterable[Finding], allowed: Collection[Safety] | None = None) -> Plan:
    """The plan for these findings. Infos are not mended: nothing is broken.

    `allowed` are the safeties of fixes that may be carried out: of each finding the first such fix is taken, where it has one.
    """
    ordered = sorted((f for f in findings if f.severity != "info"), key=lambda f: f.sort_key)
    by_print = {finding.fingerprint: finding for finding in ordered}
    wishes: list[_Wish] = []
    manual: list[ByHand] = []
    follows: list[str] = []
    unfixable: list[str] = []
    mended: set[str] = set()
    for finding in _causes_first(ordered, by_print):
        if finding.caused_by in mended:
            mended.add(finding.fingerprint)
            follows.append(finding.fingerprint)
            continue
        fix = _choose(finding, allowed)
        if fix is None:
            unfixable.append(finding.fingerprint)
            continue
        if fix.safety == "manual" or not fix.commands or (allowed is not None and fix.safety not in allowed):
            more = " (changes more than what is broken: --unsafe)" if fix.safety == "unsafe" else ""
            manual.append(ByHand(fix.title + more, (finding.message,), fix.commands, (finding.fingerprint,)))
            continue
        mended.add(finding.fingerprint)
        actions = [read(argv) for argv in fix.commands]
        ranks = [STAGES.index(action.stage) for action in actions]
        wishes.append(_Wish(finding, fix, actions, ranks == sorted(ranks)))
    renewing = [wish for wish in wishes if any(action.stage == "recreate" for action in wish.actions)]
    if renewing:
        wishes, superseded, apart = _renew(wishes, renewing)
        follows += superseded
        manual += apart
    else:
        wishes, apart = _agree(wishes)
        manual += apart
    steps = _merge(wishes)
    done = {fingerprint for step in steps for fingerprint in step.solves}
    verify = _verify([by_print[p] for p in by_print if p in done or p in follows or any(p in m.solves for m in manual)])
    return Plan(steps, tuple(_merge_manual(manual)), verify, tuple(sorted(follows)), tuple(sorted(unfixable)))


def read(argv: Command) -> Action:
    """What a command line does. One that is not understood is a preparation of its own."""
    words = list(argv)
    name = words[0].replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".exe") if words else ""
    if name == "rm" and "--" in words:
        cut = words.index("--") + 1
        return Action("delete", tuple(words[:cut]), tuple(words[cut:]), "files")
    if name == "powershell" and "Remove-Item" in words:
        return Action("delete", tuple(words), (), "files")
    if _renews(words, name):
        return Action("recreate", tuple(words), ())
    if (name, *words[1:2]) in _SYNC:
        return Action("install", tuple(words), (), "lock")
    verb = _verb(words, name)
    if verb is None:
        return Action("prepare", tuple(words), ())
    at, where = verb
    what = words[at]
    options, items = _split(words[at + 1 :], name)
    head = (*words[: at + 1], *options)
    target = next((v for o, v in pairwise(words) if o in ("--python", "-p", "--prefix")), words[0])
    place = f"{where}:{target if where in ('pip', 'conda') else ''}"
    if where == "system":
        return Action("uninstall" if what in ("remove", "purge") else "prepare", head, items, place)
    if what in ("uninstall", "remove"):
        return Action("uninstall", head, items, place)
    if what == "reinstall" or _REINSTALL.intersection(options):
        return Action("reinstall", head, items, place)
    return Action("install", head, items, place)


def name_of(item: str) -> str | None:
    """Normalized name of the distribution that an item of a command is about; None for an editable or a file."""
    if item.startswith("-e ") or "/" in item.split("@", 1)[0]:
        return None
    found = re.match(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)", item)
    return str(canonicalize_name(found[1])) if found else None


# ------------------------------------------------------------------------------------------------------------- choosing


def _causes_first(ordered: Sequence[Finding], by_print: dict[str, Finding]) -> list[Finding]:
    """Findings with every cause before its consequences, otherwise in the order given."""
    placed: dict[str, Finding] = {}
    for finding in ordered:
        chain: list[Finding] = []
        at: Finding | None = finding
        while at is not None and at.fingerprint not in placed and at not in chain:
            chain.append(at)
            at = by_print.get(at.caused_by) if at.caused_by else None
        for one in reversed(chain):
            placed[one.fingerprint] = one
    return list(placed.values())


def _choose(finding: Finding, allowed: Collection[Safety] | None) -> Fix | None:
    """The first fix; where that is for a person and a later one is not, still the first: rules give the best one first.

    With `allowed` the first that may be carried out.
    """
    if allowed is not None:
        for fix in finding.fixes:
            if fix.safety in allowed and fix.commands:
                return fix
    return finding.fixes[0] if finding.fixes else None


def _renews(words: Sequence[str], name: str) -> bool:
    """The command makes the whole environment again."""
    if "--clear" in words and "venv" in words[:4]:
        return True
    if name == "virtualenv" and "--clear" in words:
        return True
    if name == "pixi" and words[1:2] == ["clean"]:
        return True
    return name in ("conda", "mamba", "micromamba") and words[1:3] in (["env", "remove"], ["env", "export"], ["env", "create"])


def _verb(words: Sequence[str], name: str) -> tuple[int, str] | None:
    """Index of the verb that installs or removes, and the kind of packages; None for any other command."""
    verbs: tuple[str, ...] = ("install", "uninstall")
    if name in ("conda", "mamba", "micromamba"):
        at, kind, verbs = 1, "conda", ("install", "remove", "uninstall", "update", "upgrade")
    elif name == "pixi":
        at, kind, verbs = 1, "pixi", ("add", "remove", "reinstall", "update")
    elif name in ("apt-get", "apt", "dnf", "yum", "microdnf", "tdnf", "zypper", "apk", "brew", "pacman"):
        at, kind, verbs = 1, "system", ("install", "remove", "purge", "reinstall", "add", "-S")
    elif name == "uv":
        at, kind = 2, "pip"
        if words[1:2] != ["pip"]:
            return None
    elif list(words[1:3]) == ["-m", "pip"]:
        at, kind = 3, "pip"
    elif name in ("pip", "pip3"):
        at, kind = (3 if words[1:2] == ["--python"] else 1), "pip"
    else:
        return None
    return (at, kind) if at < len(words) and words[at] in verbs else None


def _split(words: Sequence[str], name: str) -> tuple[list[str], tuple[str, ...]]:
    """Options, and what they are applied to."""
    options: list[str] = []
    items: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        following = words[index + 1] if index + 1 < len(words) else None
        if word in ("-e", "--editable") and following is not None:
            items.append(f"-e {following}")
            index += 1
        elif word in _TAKES_VALUE and following is not None and not (word == "-p" and name == "apt-get"):
            options += [word, following]
            index += 1
        elif word.startswith("-"):
            options.append(word)
        else:
            items.append(word)
        index += 1
    return options, tuple(items)


# ----------------------------------------------------------------------------------------------------------- reconciling


def _renew(wishes: list[_Wish], renewing: list[_Wish]) -> tuple[list[_Wish], list[str], list[ByHand]]:
    """A new environment stands for everything else that concerns the old one; preparations outside of it stay.

    Where only warnings ask for it, it stays a decision of a person, and the other fixes stand.
    """
    best = min(renewing, key=lambda wish: SEVERITIES.index(wish.finding.severity))
    if best.finding.severity != "error":
        apart = [ByHand(w.fix.title, (w.finding.message,), w.fix.commands, (w.finding.fingerprint,)) for w in renewing]
        kept, more = _agree([wish for wish in wishes if wish not in renewing])
        return kept, [], apart + more
    kept = [best]
    superseded: list[str] = []
    for wish in wishes:
        if wish is best:
            continue
        if wish not in renewing and all(action.stage == "prepare" for action in wish.actions):
            kept.append(wish)
        else:
            superseded.append(wish.finding.fingerprint)
    return kept, superseded, []


def _agree(wishes: list[_Wish]) -> tuple[list[_Wish], list[ByHand]]:
    """Wishes without those that contradict each other, and these as decisions for a person.

    Taking wishes out never makes a new quarrel, so one pass over the names is enough, and each quarrel takes out no more
    than is still there.
    """
    by_name: dict[tuple[str, str], list[tuple[int, Stage, str]]] = {}
    for number, wish in enumerate(wishes):
        for key, (stage, item) in _intents(wish).items():
            by_name.setdefault(key, []).append((number, stage, item))
    apart: list[ByHand] = []
    out: set[int] = set()
    for (_, name), everyone in by_name.items():
        sides = [side for side in everyone if side[0] not in out]
        if not _quarrel([(stage, item) for _, stage, item in sides]):
            continue
        quarrelling = [wishes[number] for number, _, _ in sides]
        out.update(number for number, _, _ in sides)
        apart.append(
            ByHand(
                f"decide about {name}: the fixes of these findings contradict each other",
                tuple(dict.fromkeys(wish.finding.message for wish in quarrelling)),
                tuple(dict.fromkeys(argv for wish in quarrelling for argv in wish.fix.commands)),
                tuple(wish.finding.fingerprint for wish in quarrelling),
            )
        )
    return [wish for number, wish in enumerate(wishes) if number not in out], apart


def _intents(wish: _Wish) -> dict[tuple[str, str], tuple[Stage, str]]:
    """For each place and name what the wish leaves behind: the last thing that it does to it, and the item."""
    last: dict[tuple[str, str], tuple[Stage, str]] = {}
    for action in wish.actions:
        if action.stage in ("uninstall", "reinstall", "install"):
            for item in action.items:
                name = name_of(item)
                if name is not None:
                    last[(action.where.split(":", 1)[0], name)] = (action.stage, item)
    return last


def _quarrel(sides: Sequence[tuple[Stage, str]]) -> bool:
    """Some remove a distribution for good and others want it, or they want versions that exclude each other."""
    if len(sides) < 2:
        return False
    stages = {stage for stage, _ in sides}
    if "uninstall" in stages:
        return len(stages) > 1
    return any(_combined([item for stage, item in sides if stage == wanted]) is None for wanted in ("install", "reinstall"))


def _combined(items: Sequence[str]) -> str | None:
    """One requirement that says what all of `items` (of one distribution) say; None where that is impossible."""
    unique = list(dict.fromkeys(items))
    if len(unique) < 2:
        return unique[0] if unique else ""
    parsed: list[Requirement] = []
    for item in unique:
        try:
            parsed.append(Requirement(item))
        except InvalidRequirement:
            return None
    urls = {requirement.url for requirement in parsed if requirement.url}
    if urls and (len(urls) > 1 or any(not r.url and str(r.specifier) for r in parsed)):
        return None
    specifiers = SpecifierSet()
    for requirement in parsed:
        specifiers &= requirement.specifier
    if not satisfiable([str(specifiers)]):
        return None
    extras = sorted({extra for requirement in parsed for extra in requirement.extras})
    markers = {str(requirement.marker) for requirement in parsed if requirement.marker}
    text = parsed[0].name + (f"[{','.join(extras)}]" if extras else "")
    text += f" @ {urls.pop()}" if urls else str(specifiers)
    if len(markers) == 1 and all(requirement.marker for requirement in parsed):
        text += f" ; {markers.pop()}"
    return text


# --------------------------------------------------------------------------------------------------------------- merging


@dataclass
class _Merged:
    """A command that several wishes share."""

    stage: Stage
    head: Command
    where: str
    items: list[str] = field(default_factory=list)
    bare: bool = False
    """It does something without any item: ``-r FILE``, a command of its own."""
    safety: Safety = "safe"
    solves: list[str] = field(default_factory=list)

    @property
    def upgrades(self) -> bool:
        """It asks for the newest version, which a reinstallation before it does not hinder."""
        return "--upgrade" in self.head or "-U" in self.head or self.head[1:2] == ("update",)

    def add(self, wish: _Wish, items: Iterable[str]) -> None:
        """`wish` wants these items, too."""
        new = tuple(items)
        self.bare = self.bare or not new
        self.items += [item for item in new if item not in self.items]
        self.safety = max(self.safety, wish.fix.safety, key=_SAFETIES.index)
        if wish.finding.fingerprint not in self.solves:
            self.solves.append(wish.finding.fingerprint)


def _merge(wishes: list[_Wish]) -> tuple[Step, ...]:
    """The commands of all wishes, each tool's in one, in the order of the stages."""
    merged: dict[tuple[str, ...], _Merged] = {}
    for number, wish in enumerate(wishes):
        for place, action in enumerate(wish.actions):
            stage = action.stage
            key: tuple[str, ...] = (stage, *action.head)
            if any(one.stage == "recreate" for one in wish.actions):
                stage, key = "recreate", ("recreate", str(number), str(place))
            elif not wish.ordered:
                stage, key = "after", ("after", str(number), str(place))
            entry = merged.setdefault(key, _Merged(stage, action.head, action.where))
            entry.add(wish, action.items)
    _reconcile(merged)
    steps = []
    for entry in sorted(merged.values(), key=lambda one: (STAGES.index(one.stage), one.head[1:] != ("update",))):
        if entry.head and (entry.items or entry.bare):
            words = [word for item in entry.items for word in (item.split(" ", 1) if item.startswith("-e ") else [item])]
            steps.append(Step(entry.stage, (*entry.head, *words), entry.safety, tuple(entry.solves)))
    return tuple(_unrepeated(steps))


def _reconcile(merged: dict[tuple[str, ...], _Merged]) -> None:
    """One requirement for each distribution in a place: specifiers joined; an installation of another version replaces a
    reinstallation, one that the reinstalled version satisfies is dropped."""
    wanted: dict[tuple[str, str], list[tuple[_Merged, str]]] = {}
    for entry in merged.values():
        if entry.stage in ("reinstall", "install"):
            for item in entry.items:
                name = name_of(item)
                if name is not None:
                    wanted.setdefault((entry.where, name), []).append((entry, item))
    for sides in wanted.values():
        installs = [(entry, item) for entry, item in sides if entry.stage == "install"]
        installs.sort(key=lambda side: not side[0].upgrades)
        again = [(entry, item) for entry, item in sides if entry.stage == "reinstall"]
        if again and installs and not installs[0][0].upgrades:
            joined = _combined([item for _, item in (*again[:1], *installs)])
            entry, item = again[0]
            if joined is not None and _pins(item):
                for other, drop in installs:
                    _move(other, drop, entry)
                installs = []
            else:
                first = installs[0][0]
                for other, drop in again:
                    _move(other, drop, first)
                again = []
        for group in (installs, again):
            if len(group) > 1:
                joined = _combined([item for _, item in group])
                if joined is None:
                    continue
                first, kept = group[0]
                first.items[first.items.index(kept)] = joined
                for other, drop in group[1:]:
                    _move(other, drop, first)


def _move(source: _Merged, item: str, to: _Merged) -> None:
    """`item` of `source` is covered by `to`, which now serves the same findings."""
    if item in source.items:
        source.items.remove(item)
    if source is not to:
        to.solves += [one for one in source.solves if one not in to.solves]
        to.safety = max(to.safety, source.safety, key=_SAFETIES.index)


def _pins(item: str) -> bool:
    """The item names one version, or one URL."""
    return "==" in item or " @ " in item or bool(re.fullmatch(r"[\w.-]+=[\w.]+", item))


def _unrepeated(steps: Iterable[Step]) -> list[Step]:
    """Steps with each command once; the order in which blocks of their own do things is left alone."""
    seen: dict[tuple[Command, int], Step] = {}
    for number, step in enumerate(steps):
        key = (step.command, number if step.stage == "after" else -1)
        known = seen.get(key)
        solves = step.solves if known is None else tuple(dict.fromkeys((*known.solves, *step.solves)))
        seen[key] = (known or step)._replace(solves=solves)
    return list(seen.values())


def _merge_manual(manual: Iterable[ByHand]) -> list[ByHand]:
    """Decisions with the same title and commands are one."""
    merged: dict[tuple[str, tuple[Command, ...]], ByHand] = {}
    for one in manual:
        known = merged.get((one.title, one.commands))
        if known is not None:
            one = known._replace(
                reasons=tuple(dict.fromkeys((*known.reasons, *one.reasons))), solves=(*known.solves, *one.solves)
            )
        merged[(one.title, one.commands)] = one
    return list(merged.values())


def _verify(findings: Iterable[Finding]) -> tuple[Command, ...]:
    """Commands that show that it worked: those of the fixes once each, ``envdoctor check`` once for all codes, last."""
    others: dict[Command, None] = {}
    checks: dict[Command, dict[str, None]] = {}
    for finding in findings:
        for argv in finding.fixes[0].verify if finding.fixes else ():
            if argv[:2] == ("envdoctor", "check"):
                words = list(argv)
                codes: list[str] = []
                if "--select" in words[:-1]:
                    at = words.index("--select")
                    codes = words[at + 1].split(",")
                    del words[at : at + 2]
                checks.setdefault(tuple(words), {}).update(dict.fromkeys(codes))
            else:
                others[argv] = None
    return (*others, *checks)
