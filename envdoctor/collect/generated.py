"""Generated modules that check their runtime when they are imported: protobuf, grpc; and pydantic's pin of its core (PKG013).

Only the heads of ``*_pb2.py`` and ``*_pb2_grpc.py`` are read, once each; of the files of one distribution that were
made by the same version one is kept as a fact, with the number of the others. Files of a set that was made for another
major version of the runtime and stands beside one for the installed major (wandb/proto/v4, v5, v6) are not kept: their
package chooses among them when it runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from envdoctor.collect import files as fs
from envdoctor.lazy import pattern
from envdoctor.snapshot import Distribution, GeneratedCode, Site, text

if TYPE_CHECKING:
    from envdoctor.collect.distributions import Owned
    from envdoctor.collect.scene import Scene
    from envdoctor.collect.tree import Tree

Accepts = Literal["floor", "previous-major", "same-major", "nothing"]
Generator = Literal["protobuf", "protobuf-old", "grpc", "pydantic-core"]

HEAD = 4096
"""Bytes that hold the version check of every generator; imports of other generated modules may stand in front of it."""
MAX_FILES = 20_000
_VERSION = pattern(
    rb"ValidateProtobufRuntimeVersion\(\s*[\w.]+,\s*(\d+),\s*(\d+),\s*(\d+),\s*'([^'\n]{0,20})'",
)
_GRPC = pattern(rb"^GRPC_GENERATED_VERSION = ['\"]([\w.]{1,30})['\"]", re.MULTILINE)
_CORE = pattern(rb"^_COMPATIBLE_PYDANTIC_CORE_VERSION = ['\"]([\w.+]{1,40})['\"]", re.MULTILINE)
_SET = pattern(r"(?:^|[/_.])(?:v|pb|protobuf|proto|gen|py)_?([3-9])(?:x|_x)?(?=[/_.]|$)")
"""A folder or file name that stands for one major version of protobuf."""


def collect(
    scene: Scene,
    sites: list[Site],
    trees: list[Tree | None],
    distributions: list[Distribution],
    owned: list[Owned],
) -> tuple[GeneratedCode, ...]:
    """One fact for each site folder, owner, generator and version, sorted. `owned`: per site, path to distribution's index."""
    active = [(i, tree) for i, (site, tree) in enumerate(zip(sites, trees, strict=True)) if tree is not None and site.active]
    runtime, accepts = _runtime(active)
    major = (runtime or "").partition(".")[0]
    found: dict[tuple[int, str, str, str], tuple[str, int]] = {}
    modern: dict[tuple[int, str], int] = {}
    for index, tree in active:
        candidates = [*owned[index].recorded.generated(), *tree.unrecorded]
        generated = sorted({p for p in candidates if p.endswith(("_pb2.py", "_pb2_grpc.py")) and p in tree.files})
        if len(generated) > MAX_FILES:
            scene.gap("generated", tree.root, f"more than {MAX_FILES} generated modules; the rest was not read")
        for rel in generated[:MAX_FILES]:
            at = owned[index].get(rel)
            owner = distributions[at].name if at is not None else ""
            made, newer = _generator(tree.path(rel))
            if newer:
                modern[index, owner] = modern.get((index, owner), 0) + 1
            if made is None or _has_set_for(major, rel, made, tree):
                continue
            first, count = found.get((index, owner, *made), (rel, 0))
            found[index, owner, made[0], made[1]] = (min(first, rel), count + 1)
        _pydantic(index, tree, owned[index], distributions, found)
    facts = []
    for (index, owner, generator, version), (rel, count) in found.items():
        protobuf = generator.startswith("protobuf")
        facts.append(
            GeneratedCode(
                path=text(rel),
                site=index,
                owner=owner or None,
                generator=generator,  # type: ignore[arg-type]
                version=version or None,
                files=count,
                others=_others(generator, count, modern.get((index, owner), 0)),
                runtime=runtime if protobuf else None,
                accepts=accepts if protobuf else None,
            )
        )
    return tuple(sorted(facts, key=lambda fact: (fact.site, fact.path, fact.generator, fact.version or "")))


def _others(generator: str, count: int, modern: int) -> int:
    """Modules of the same owner that protoc 3.19 or later made, the `count` of this fact aside."""
    return modern if generator == "protobuf-old" else modern - count if generator == "protobuf" else 0


def _runtime(active: list[tuple[int, Tree]]) -> tuple[str | None, Accepts | None]:
    """Version and policy of the protobuf that is imported, by its own files; policies changed from release to release."""
    for _, tree in active:
        if "google/protobuf/__init__.py" not in tree.files:
            continue
        try:
            head = fs.read(tree.path("google/protobuf/__init__.py"), 1 << 16).data
        except fs.Unreadable:
            return None, None
        match = re.search(rb"^__version__ = ['\"]([\w.]{1,40})['\"]", head, re.MULTILINE)
        version = match[1].decode() if match else None
        try:
            check = fs.read(tree.path("google/protobuf/runtime_version.py"), 1 << 18).data
        except fs.Unreadable:
            return version, "nothing"
        if b"gen_major == MAJOR - 1" in check:
            return version, "previous-major"
        return version, "same-major" if b"gen_major != MAJOR" in check else "floor"
    return None, None


def _has_set_for(major: str, rel: str, made: tuple[Generator, str], tree: Tree) -> bool:
    """The file is of a set for another major version of protobuf, and its package has one for the installed major, too."""
    if made[0] == "protobuf-old" and f"{rel[:-3]}_new.py" in tree.files:
        return True
    own = "3" if made[0] == "protobuf-old" else made[1].partition(".")[0]
    if not major or made[0] == "grpc":
        return False
    for match in _SET.finditer(rel):
        if match[1] == own and own != major:
            sibling = f"{rel[: match.start(1)]}{major}{rel[match.end(1) :]}"
            if sibling in tree.files or sibling.partition("/" + sibling.rpartition("/")[2])[0] in tree.folders:
                return True
    return False


def _generator(path: str) -> tuple[tuple[Generator, str] | None, bool]:
    """Generator and version that the head of a generated module tells, None for one that checks nothing; and whether it was
    made by protoc 3.19 or later."""
    try:
        data = fs.read(path, HEAD).data
        if path.endswith("_pb2_grpc.py"):
            match = _GRPC.search(data)
            return (("grpc", match[1].decode()) if match else None), False
        match = _VERSION.search(data)
        if match:
            return ("protobuf", ".".join(part.decode() for part in match.groups()[:3]) + match[4].decode("latin-1")), True
        if b"_builder" in data or b"AddSerializedFile(" in data:
            return None, True
        if b"google.protobuf" not in data or b"\nDESCRIPTOR = _descriptor.FileDescriptor(" not in data:
            return None, False
        return (("protobuf-old", "") if _old(fs.read(path).data) else None), False
    except fs.Unreadable:
        return None, False


def _old(data: bytes) -> bool:
    """Made by protoc before 3.19: it builds its descriptors by hand at the left margin, which protobuf 4 refuses."""
    return re.search(rb"^\w+ = _descriptor\.(?:Enum|Field)?Descriptor\(", data, re.MULTILINE) is not None


def _pydantic(
    index: int,
    tree: Tree,
    owned: Owned,
    distributions: list[Distribution],
    found: dict[tuple[int, str, str, str], tuple[str, int]],
) -> None:
    rel = "pydantic/version.py"
    if rel not in tree.files:
        return
    try:
        match = _CORE.search(fs.read(tree.path(rel), 1 << 16).data)
    except fs.Unreadable:
        return
    if match:
        at = owned.get(rel)
        owner = distributions[at].name if at is not None else "pydantic"
        found[index, owner, "pydantic-core", match[1].decode()] = (rel, 1)
