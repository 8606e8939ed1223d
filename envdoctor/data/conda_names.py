"""Conda-forge's packages of Python distributions that have another name there. By the feedstocks' recipes, November 2025."""

from __future__ import annotations

CONDA_NAMES: dict[str, str] = {
    "annoy": "python-annoy",
    "brotli": "brotli-python",
    "build": "python-build",
    "dask": "dask-core",
    "duckdb": "python-duckdb",
    "flatbuffers": "python-flatbuffers",
    "graphviz": "python-graphviz",
    "gurobipy": "gurobi",
    "igraph": "python-igraph",
    "kaleido": "python-kaleido",
    "lmdb": "python-lmdb",
    "matplotlib": "matplotlib-base",
    "msgpack": "msgpack-python",
    "opencv-contrib-python": "py-opencv",
    "opencv-contrib-python-headless": "py-opencv",
    "opencv-python": "py-opencv",
    "opencv-python-headless": "py-opencv",
    "psycopg2-binary": "psycopg2",
    "pyqt5": "pyqt",
    "ray": "ray-core",
    "tables": "pytables",
    "torch": "pytorch",
    "tzdata": "python-tzdata",
    "xgboost": "py-xgboost",
    "xxhash": "python-xxhash",
}
"""Normalized name of the distribution to the package."""
