"""Since which release pip can do what a project may ask of it (https://pip.pypa.io/en/stable/news/)."""

FEATURES: dict[str, tuple[str, str]] = {
    "pep517": ("19.0", "builds with another backend than setuptools (PEP 517)"),
    "pep600": ("20.3", "wheels for manylinux_X_Y (PEP 600)"),
    "pep660": ("21.3", "editable installs without setup.py (PEP 660)"),
    "pylock": ("25.1", "pylock.toml (PEP 751)"),
}
"""Feature to first release and words for it."""

PYLOCK_INSTALL = "26.1"
"""pip 25.1 writes pylock.toml (``pip lock``); ``pip install -r pylock.toml`` came later. Found in the releases' own code."""

PYTHON_FLOORS: tuple[tuple[tuple[int, int], str], ...] = (((3, 12), "23.1.2"), ((3, 10), "19.3"))
"""Python version, and the oldest pip that starts on it and later ones; by running 25 releases of pip on Python 3.8 to 3.13."""
