"""envdoctor: whether a Python environment works on this machine, why not, and what mends it, without running any of it."""

__version__ = "0.1.0"
