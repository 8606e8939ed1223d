"""Real conda prefixes for tests, built from the Python package index alone.

::

    from tests.conda import conda_prefix, foreign_prefix, pythons

    prefix = conda_prefix(tmp_path)                                     # conda's dialect, the running Python
    prefix = conda_prefix(tmp_path, "micromamba", python="3.12", extra=("numpy<2",), pip=("click==8.1.7",))
    prefix = conda_prefix(tmp_path, "pixi")                             # a project with .pixi/envs/default
    prefix = foreign_prefix(tmp_path, "osx-arm64", "rattler")           # or win-64: nothing of it runs here

What comes back is a ``CondaPrefix``, an ``Env`` (``.prefix``, ``.site``, ``.python``, ``.run``, ``.imports``, ``.dist``) with

``records()``, ``record(name)``, ``record_path(name)``
    conda-meta as it stands.
``edit(name, depends=[...], subdir=...)``
    changes fields of a record.
``put(path, data)``, ``alter(path, same_size=True)``
    write or damage a file.
``add(name, version, build, depends=, constrains=, files={}, subdir=, channel_url=, requested=, **fields)``
    installs a further package with a true record in the prefix's dialect.
``remove_record(name)``, ``pip("install", ...)``
    a record without its file; the prefix's own pip.

Packages of the local channel (as of ``channel.PURE``): python, its native libraries, python_abi, pip, setuptools, wheel, six,
packaging, click (8.1.7, 8.1.8), colorama, jinja2, markupsafe, python-dateutil, certifi, ca-certificates, tzdata, numpy (two
versions), and ``pathways``: a package with every kind of path (placeholders in text and binary, links to a file, a folder and
nowhere, an empty file, one that is never linked, a name that is not ASCII, an activation script).
A prefix is installed once per kind, kept in the store (``store.root()``) and copied, files and all, to where the test wants
it, rewritten for that place as its installer would have: nothing that a test does to it reaches the store.
"""

from tests.conda.channel import native_subdir, pythons
from tests.conda.environment import CONDA_FORGE, CondaPrefix
from tests.conda.prefix import DEFAULTS, WRITERS, conda_prefix, foreign_prefix

__all__ = ["CONDA_FORGE", "DEFAULTS", "WRITERS", "CondaPrefix", "conda_prefix", "foreign_prefix", "native_subdir", "pythons"]
