"""environment.yml: conda's environment files, with what conda-lock puts into them (selectors, platforms, category). Pure."""

from __future__ import annotations

import re

from msgspec.structs import replace

from envdoctor import yaml
from envdoctor.conda.channels import SUBDIRS
from envdoctor.conda.matchspec import InvalidSpec, parse
from envdoctor.lock import document
from envdoctor.lock.conda_spec import SELECTORS, selector
from envdoctor.lock.manifests import wishes
from envdoctor.lock.model import LockError, Manifest, Wish

_SEL = re.compile(r"sel\((linux|osx|win|unix)\)\Z")
_SYSTEMS = {
    "linux": tuple(sorted(one for one in SUBDIRS if one.startswith("linux-"))),
    "osx": tuple(sorted(one for one in SUBDIRS if one.startswith("osx-"))),
    "win": tuple(sorted(one for one in SUBDIRS if one.startswith("win-"))),
}
_SYSTEMS["unix"] = (*_SYSTEMS["linux"], *_SYSTEMS["osx"])
MAX_PROBLEMS = 20


def read(data: bytes, path: str) -> Manifest:
    """The manifest in `data`. Raises LockError for what is no YAML, or no environment file."""
    content = document.decode(data)
    try:
        top = yaml.load(content)
    except yaml.Broken as error:
        raise LockError(f"not YAML: {error}", error.line) from None
    except yaml.Unknown as error:
        return Manifest(path=path, format="environment", problems=(f"line {error.line}: {error}: not read any further",))
    if top is None:
        return Manifest(path=path, format="environment")
    if not isinstance(top.value, dict):
        raise LockError("no mapping: name, channels and dependencies are expected", top.line)
    return _Reader(path, content.split("\n"), top.value).manifest()


class _Reader:
    def __init__(self, path: str, lines: list[str], top: dict[str, yaml.Node]) -> None:
        self.path, self.lines, self.top = path, lines, top
        self.found: list[Wish] = []
        self.problems: list[str] = []
        category = self.text("category")
        self.group = category if category not in (None, "", "main") else None

    def text(self, key: str) -> str | None:
        node = self.top.get(key)
        return node.value if node is not None and isinstance(node.value, str) and not node.null else None

    def texts(self, key: str) -> tuple[str, ...]:
        node = self.top.get(key)
        if node is None or node.null:
            return ()
        if isinstance(node.value, str):
            return (node.value,)
        return (
            tuple(str(item.value) for item in node.value if isinstance(item.value, str)) if isinstance(node.value, list) else ()
        )

    def manifest(self) -> Manifest:
        node = self.top.get("dependencies")
        if node is not None and not node.null:
            if not isinstance(node.value, list):
                raise LockError("dependencies is no list", node.line, "dependencies")
            for item in node.value:
                self.item(item)
        return Manifest(
            path=self.path,
            format="environment",
            name=self.text("name"),
            channels=tuple(document.public(one) for one in self.texts("channels") if one != "nodefaults"),
            platforms=self.texts("platforms"),
            wishes=tuple(self.found),
            problems=tuple(self.problems[:MAX_PROBLEMS]),
        )

    def platforms(self, line: int) -> tuple[str, ...] | None:
        """Platforms that the selector on a line keeps it for: () for all, None for none that is known."""
        word = selector(self.lines[line - 1]) if line <= len(self.lines) else None
        if word is None:
            return ()
        return tuple(sorted(one for one, words in SELECTORS.items() if word in words)) or None

    def item(self, item: yaml.Node) -> None:
        if isinstance(item.value, str):
            if not item.null:
                self.conda(item.value, item.line, self.platforms(item.line))
            return
        if not isinstance(item.value, dict):
            self.problem(item.line, "neither a spec nor a section")
            return
        for key, node in item.value.items():
            if (match := _SEL.match(key)) and isinstance(node.value, str):
                self.conda(node.value, node.line, _SYSTEMS[match[1]])
            elif key == "pip" and not node.null:
                if not isinstance(node.value, list):
                    self.problem(node.line, "the pip section is no list")
                    continue
                whole = self.platforms(item.line)
                for one in node.value:
                    self.pip(one, whole)

    def conda(self, text: str, line: int, platforms: tuple[str, ...] | None) -> None:
        if platforms is None:
            return
        try:
            spec = parse(text)
        except InvalidSpec as error:
            self.problem(line, f"{text[:80]!r} is no match spec: {error}")
            return
        channel = next((one.wanted for one in spec.conditions if one.field == "channel"), None)
        build = f" {spec.build}" if spec.build else ""
        self.found.append(
            Wish(
                name=spec.name,
                manager="conda",
                spec=f"{spec.specifier or ('*' if build else '')}{build}",
                text=document.public(text.strip()),
                source=document.public(channel) if channel else None,
                group=self.group,
                platforms=platforms,
                line=line,
            )
        )

    def pip(self, node: yaml.Node, whole: tuple[str, ...] | None) -> None:
        platforms = self.platforms(node.line)
        if not isinstance(node.value, str) or platforms is None or whole is None:
            return
        text = node.value.strip()
        if text.startswith("-"):
            return  # -e, -r and other options of pip
        wish = wishes.of_text(text.partition(" --hash=")[0], group=self.group, line=node.line)
        if wish is None:
            if not text.startswith((".", "/", "git+", "http://", "https://", "ssh://", "file:")):
                self.problem(node.line, f"{text[:80]!r} is no requirement")
            return
        kept = tuple(one for one in platforms if not whole or one in whole) if platforms else whole
        self.found.append(replace(wish, platforms=kept))

    def problem(self, line: int, message: str) -> None:
        self.problems.append(f"line {line}: {message}")
