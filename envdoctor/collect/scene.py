"""What every collector gets: the target, the shell it would be used from, the options, and a place for gaps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from envdoctor.collect.watch import Variables
from envdoctor.snapshot import Gap, Target, text


class Scene(msgspec.Struct):
    """The context of one collection.

    `prefix` is the target's folder as the file system takes it (surrogates kept); ``target.prefix`` is the same as text.
    `environ` and `cwd` are the shell; collectors never ask ``os.environ``. `home` is the user's home folder or None.
    """

    target: Target
    prefix: str
    environ: Mapping[str, str] = msgspec.field(default_factory=dict)
    cwd: str | None = None
    home: str | None = None
    project_root: str | None = None
    project_named: bool = False
    """The user named the project; else it is the one that `cwd` lies in."""
    deep: bool = False
    all_libraries: bool = False
    """Read everything that the machine's loader can find, not only what the target asks for."""
    locks: tuple[str, ...] = ()
    """Absolute paths of the lockfiles that the user named."""
    for_gpu: bool = False
    """The target is judged for a machine with a GPU, whatever this one has."""
    probe: bool = True
    progress: Callable[[str], None] | None = None
    """Takes a few words about what takes long, for a person who waits."""
    meanwhile: Callable[[], None] | None = None
    """Something useful that asks for none of these facts: it is called while the file system is being asked for many files."""
    gaps: list[Gap] = msgspec.field(default_factory=list)

    def gap(self, collector: str, subject: str, reason: str) -> None:
        """Notes that `subject` could not be read."""
        self.gaps.append(Gap(collector=collector, subject=text(subject), reason=reason))

    def variables(self, prefix: str) -> list[tuple[str, str]]:
        """Variables whose names begin with `prefix`, sorted by name, with their values."""
        if isinstance(self.environ, Variables):
            return self.environ.beginning(prefix)
        return sorted(item for item in self.environ.items() if item[0].startswith(prefix))

    @property
    def windows(self) -> bool:
        """The target has the Windows layout (``Lib/site-packages``, ``Scripts``)."""
        return self.target.system == "windows"

    @property
    def bin(self) -> str:
        """The folder of scripts."""
        return f"{self.prefix}/{'Scripts' if self.windows else 'bin'}"

    def rooted(self, path: str) -> str:
        """An absolute path that the target names, as it is reached from here (inside a mounted root)."""
        root = self.target.sysroot
        return root.rstrip("/") + path if root and path.startswith("/") else path
