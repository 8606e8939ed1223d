"""The entry point of the command line. ``--version`` is answered before anything else is imported."""

import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    # `python -m` puts the working directory first on sys.path: a random.py of the examined project would run in here.
    del sys.path[0]


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns the exit code (0, 1, 2 or 130, as docs/cli.md says)."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        if arguments in (["--version"], ["-V"]):
            from envdoctor import __version__

            sys.stdout.write(f"envdoctor {__version__}\n")
            return 0
        from envdoctor.cli import run

        return run(arguments)
    except KeyboardInterrupt:
        return 130


def script() -> None:
    """``main`` as a whole process: without the garbage collector, which finds nothing in a run that keeps all it reads, and
    without taking apart what the end of the process frees at once. Together a sixth of the CPU of a large check."""
    import gc
    import os

    gc.disable()
    code = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)
    os._exit(code)


if __name__ == "__main__":
    script()
