"""The fork server of the import oracle. Runs under the interpreter of the examined environment, not under envdoctor's.

``python -I -X pycache_prefix=… oracle_child.py PLAN CLAIM`` reads the groups of the plan (JSON), takes the ones whose numbers
it reads from the file descriptor CLAIM, and writes one JSON object a line to its standard output. It stays bare: what it
imports itself is all that an imported module finds in the process, so it imports next to nothing. Python 3.8 or newer.

**It runs foreign code: that is what it is for.** Every import happens in a child of its own, in a process group of its own,
which is killed afterwards.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterable
from typing import Any

Result = dict[str, Any]

LONGEST = 1500
"""Characters of an exception's text that are kept."""


def describe(error: BaseException) -> Result:
    """What is known of an exception, as JSON."""
    chain: list[BaseException] = []
    seen: BaseException | None = error
    while seen is not None and len(chain) < 8 and all(seen is not one for one in chain):
        chain.append(seen)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  foreign code raises what it likes
        text = "?"
    frames: list[str] = []
    last = error.__traceback__
    while last is not None:
        frames.append(last.tb_frame.f_code.co_filename)
        last = last.tb_next
    return {
        "type": type(error).__name__,
        "import_error": isinstance(error, ImportError),
        "text": text[:LONGEST],
        "path": getattr(error, "path", None) if isinstance(error, ImportError) else None,
        "frames": frames[-12:],
        "chain": [
            [type(one).__name__, str(one)[:LONGEST], getattr(one, "path", None) if isinstance(one, ImportError) else None]
            for one in chain[1:]
        ],
    }


def import_names(names: Iterable[str]) -> None:
    for name in names:
        importlib.import_module(name)


def load_file(module: str | None, path: str) -> None:
    """What an import does with the file itself: dlopen and its initialisation, without the packages round it; or just dlopen."""
    if module is None:
        importlib.import_module("ctypes").CDLL(path)
        return
    loader = importlib.machinery.ExtensionFileLoader(module, path)
    spec = importlib.util.spec_from_file_location(module, path, loader=loader)
    assert spec is not None
    loader.exec_module(importlib.util.module_from_spec(spec))


class Server:
    def __init__(self, plan: Result) -> None:
        self.plan = plan
        self.out = os.dup(1)
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)

    def tell(self, fd: int, record: Result) -> None:
        data = (json.dumps(record) + "\n").encode("ascii")
        while data:
            data = data[os.write(fd, data) :]

    def child(self, timeout: float, names: Iterable[str], file: tuple[str | None, str] | None = None) -> Result:
        """Imports `names`, then loads `file` (its module name, None for a library; its path), in a forked process; what came
        of it, with ``at_file`` where it got as far as the file."""
        start = time.monotonic()
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(read)
                os.setpgid(0, 0)
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                resource.setrlimit(resource.RLIMIT_CPU, (int(timeout) + 1, int(timeout) + 1))
                result: Result = {"outcome": "ok"}
                at_file = False
                try:
                    import_names(names)
                    at_file = file is not None
                    if file:
                        load_file(*file)
                except BaseException as error:  # noqa: BLE001  foreign code raises what it likes
                    result = {"outcome": "raised"}
                    result.update(describe(error), at_file=at_file)
                self.tell(write, result)
            finally:
                os._exit(0)
        os.close(write)
        data = b""
        late = False
        while not data.endswith(b"\n"):
            if not select.select([read], [], [], max(start + timeout - time.monotonic(), 0))[0]:
                late = True
                break
            piece = os.read(read, 65536)
            if not piece:
                break
            data += piece
        os.close(read)
        status = self.end(pid, data)
        if data.endswith(b"\n"):
            result = json.loads(data)
        elif late:
            result = {"outcome": "timeout"}
        elif os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            result = {"outcome": "timeout"} if number == signal.SIGXCPU else {"outcome": "killed", "signal": number}
        else:
            result = {"outcome": "exited", "code": os.WEXITSTATUS(status)}
        result["seconds"] = round(time.monotonic() - start, 2)
        return result

    def end(self, pid: int, data: bytes) -> int:
        """Waits for a child (a moment, where it has not said anything: it may be dying), then kills its whole group."""
        status: int | None = None
        deadline = time.monotonic() + (0 if data else 0.2)
        while status is None:
            done, code = os.waitpid(pid, os.WNOHANG)
            if done:
                status = code
            elif time.monotonic() >= deadline:
                break
            else:
                time.sleep(0.005)
        try:
            os.killpg(pid, signal.SIGKILL)
        except OSError:
            pass
        if status is None:
            status = os.waitpid(pid, 0)[1]
        return status

    def group(self, group: Result) -> None:
        """One importable name and the extension modules below it: the name first, then each of them in a fork of that."""
        timeout = self.plan["timeout"]
        top, modules = group["name"], group["modules"]
        for path in group.get("libraries", ()):
            self.tell(self.out, {"name": path, "how": "library", "result": self.child(timeout, group["firsts"], (None, path))})
        done: dict[str, Result] = {}
        if group["import"]:
            outcome = self.child(timeout, [top])
            self.tell(self.out, {"name": top, "how": "import", "result": outcome})
            if outcome["outcome"] == "ok" and modules:
                done = self.below(top, modules, timeout)
        for module in modules:
            name, path = module["module"], module["path"]
            result = done.get(name)
            if result is None or result["outcome"] != "ok":
                result = self.child(timeout, [name])
            if result["outcome"] == "ok":
                self.tell(self.out, {"name": name, "how": "import", "result": result})
                continue
            record = {"name": name, "how": "import", "result": result}
            firsts = [first for first in group["firsts"] if first != name]
            if firsts:
                record["after"] = self.child(timeout, [*firsts, name])
            if path and (not firsts or record["after"]["outcome"] != "ok"):
                record["direct"] = self.child(timeout, [], (name, path))
                if record["direct"]["outcome"] != "ok" and firsts:
                    record["direct_after"] = self.child(timeout, firsts, (name, path))
                    if record["direct_after"]["outcome"] != "ok" and not record["direct_after"].get("at_file"):
                        record["direct_after"] = self.child(timeout, group["lenders"], (name, path))
            self.tell(self.out, record)

    def below(self, package: str, modules: list[Result], timeout: float) -> dict[str, Result]:
        """{module: outcome} of imports, each in a fork of one process that has imported `package`, and the package that the
        module is directly in. What is not in the answer is to be done alone."""
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(read)
                os.setpgid(0, 0)
                import_names([package])
                inner: dict[str, list[Result]] = {}
                for module in modules:
                    inner.setdefault(module["module"].rpartition(".")[0], []).append(module)
                for parent, some in inner.items():
                    if parent not in (package, ""):
                        self.tell(write, self.below(parent, some, timeout))
                        continue
                    for module in some:
                        name = module["module"]
                        self.tell(write, {name: self.child(min(timeout, 20), [name])})
            except BaseException:  # noqa: BLE001  foreign code raises what it likes; the modules are done alone then
                pass
            finally:
                os._exit(0)
        os.close(write)
        data = b""
        while select.select([read], [], [], 5 * timeout)[0]:
            piece = os.read(read, 65536)
            if not piece:
                break
            data += piece
        os.close(read)
        self.end(pid, data)
        done: dict[str, Result] = {}
        for line in data.split(b"\n")[:-1]:
            done.update(json.loads(line))
        return done


def main() -> None:
    if sys.argv[1] == "--probe":
        print(
            json.dumps(
                {
                    "path": sys.path,
                    "suffixes": importlib.machinery.EXTENSION_SUFFIXES,
                    "builtin": list(sys.builtin_module_names),
                    "version": sys.version.split()[0],
                    "prefix": sys.prefix,
                    "base": sys.base_prefix,
                }
            )
        )
        return
    with open(sys.argv[1]) as file:  # noqa: PTH123
        plan = json.load(file)
    claim = int(sys.argv[2])
    os.set_inheritable(claim, False)
    server = Server(plan)
    while True:
        number = os.read(claim, 4)
        if len(number) < 4:
            break
        server.group(plan["groups"][int.from_bytes(number, "little")])


main()
