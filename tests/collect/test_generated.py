"""Heads of generated modules; what the rule makes of them is in test_pkg013."""

from __future__ import annotations

import os

from tests.builders import Env
from tests.support import snapshot_of

MADE = "_r.ValidateProtobufRuntimeVersion(\n    _r.Domain.PUBLIC,\n    {},\n    '{}',\n    'x.proto'\n)\n"


def test_facts_by_owner_generator_and_version(env: Env) -> None:
    env.dist("protobuf", "6.33.0", files={"google/protobuf/__init__.py": "__version__ = '6.33.0'\n"})
    env.dist(
        "alpha",
        files={
            "alpha/a_pb2.py": MADE.format("6, 31, 1", ""),
            "alpha/b_pb2.py": MADE.format("6, 31, 1", ""),
            "alpha/c_pb2.py": MADE.format("6, 32, 0", "-rc1"),
            "alpha/c_pb2_grpc.py": "GRPC_GENERATED_VERSION = '1.71.0'\n",
            "alpha/d_pb2.py": "x = 1\n",
            "alpha/e_pb2.pyi": MADE.format("9, 9, 9", ""),
        },
    )
    facts = snapshot_of(env.prefix).generated
    assert [(f.path, f.generator, f.version, f.files, f.others, f.owner) for f in facts] == [
        ("alpha/a_pb2.py", "protobuf", "6.31.1", 2, 1, "alpha"),
        ("alpha/c_pb2.py", "protobuf", "6.32.0-rc1", 1, 2, "alpha"),
        ("alpha/c_pb2_grpc.py", "grpc", "1.71.0", 1, 0, "alpha"),
    ]
    assert {f.runtime for f in facts} == {"6.33.0", None} and facts[0].accepts == "nothing"


def test_hostile_files(env: Env) -> None:
    env.dist("alpha", files={"alpha/a_pb2.py": b"\xff" * 9000, "alpha/b_pb2.py": "", "alpha/c_pb2.py": "x"})
    (env.site / "alpha/b_pb2.py").unlink()
    os.mkfifo(env.site / "alpha/b_pb2.py")
    (env.site / "alpha/c_pb2.py").unlink()
    (env.site / "alpha/c_pb2.py").symlink_to("c_pb2.py")
    assert snapshot_of(env.prefix).generated == ()
