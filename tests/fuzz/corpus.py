"""Sound examples of every file that envdoctor reads of a target, as (place below the root, bytes): what damage starts from."""

from __future__ import annotations

import json
import struct
import sys

XY = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"env/lib/python{XY}/site-packages"
INFO = f"{SITE}/alpha-1.0.dist-info"

METADATA = b"""Metadata-Version: 2.1
Name: alpha
Version: 1.0
Summary: An example
Keywords: a,b
 c
Requires-Python: >=3.8,<4
Requires-Dist: beta[x,y]>=1.0,!=1.5; python_version >= "3.8" and extra == "x"
Requires-Dist: gamma (~=2.0)
Requires-Dist: delta @ https://user:word@example.invalid/delta-1.0-py3-none-any.whl#sha256=00
Provides-Extra: x
Provides-Extra: y
Classifier: Programming Language :: Python

Description.
"""

RECORD = b"""alpha/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
alpha/native.so,sha256=AAAA,512
"alpha/with, comma.py",,
../../../bin/alpha,sha256=AAAA,10
alpha-1.0.dist-info/METADATA,sha256=AAAA,10
alpha-1.0.dist-info/WHEEL,,
alpha-1.0.dist-info/RECORD,,
"""


def elf() -> bytes:
    """A small shared object with a dynamic section: NEEDED, SONAME, RUNPATH, version needs, an ABI note."""
    names = b"\0libc.so.6\0libm.so.6\0alpha.so\0$ORIGIN/../alpha.libs\0GLIBC_2.17\0PyInit_native\0_Py_NoneStruct\0"
    at = {name: names.index(b"\0" + name + b"\0") + 1 for name in names.strip(b"\0").split(b"\0")}
    strings, needs, dynamic, note, symbols = 0x200, 0x300, 0x400, 0x180, 0x500
    entries = [(1, at[b"libc.so.6"]), (1, at[b"libm.so.6"]), (14, at[b"alpha.so"]), (29, at[b"$ORIGIN/../alpha.libs"])]
    entries += [(5, strings), (10, len(names)), (6, symbols), (11, 24), (0x6FFFFFFE, needs), (0x6FFFFFFF, 1), (0, 0)]
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 4, 64, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 0x600, 0x600, 0x1000)
    header += struct.pack("<IIQQQQQQ", 2, 6, dynamic, dynamic, dynamic, len(entries) * 16, len(entries) * 16, 8)
    header += struct.pack("<IIQQQQQQ", 4, 4, note, note, note, 32, 32, 4)
    header += struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)
    image = bytearray(0x600)
    image[: len(header)] = header
    image[note : note + 32] = struct.pack("<III4sIIII", 4, 16, 1, b"GNU\0", 0, 3, 2, 0)
    image[strings : strings + len(names)] = names
    image[needs : needs + 32] = struct.pack("<HHIII", 1, 1, at[b"libc.so.6"], 16, 0) + struct.pack(
        "<IHHII", 0x06969197, 0, 2, at[b"GLIBC_2.17"], 0
    )
    for number, (tag, value) in enumerate(entries):
        image[dynamic + 16 * number : dynamic + 16 * number + 16] = struct.pack("<qQ", tag, value)
    image[symbols + 24 : symbols + 48] = struct.pack("<IBBHQQ", at[b"_Py_NoneStruct"], 0x11, 0, 0, 0, 0)
    image[symbols + 48 : symbols + 72] = struct.pack("<IBBHQQ", at[b"PyInit_native"], 0x12, 0, 1, 0x100, 8)
    return bytes(image)


def macho(cpu: int = 0x0100000C) -> bytes:
    """A thin 64-bit Mach-O library (arm64 by default): LC_ID_DYLIB, LC_LOAD_DYLIB, LC_RPATH, LC_BUILD_VERSION."""

    def named(kind: int, name: bytes, head: bytes) -> bytes:
        body = head + name + b"\0"
        body += bytes(-(8 + len(body)) % 8)
        return struct.pack("<II", kind, 8 + len(body)) + body

    library = struct.pack("<IIII", 24, 2, 0x10000, 0x10000)
    commands = [named(0xD, b"@rpath/libalpha.dylib", library), named(0xC, b"/usr/lib/libSystem.B.dylib", library)]
    commands += [named(0x8000001C, b"@loader_path/../libs", struct.pack("<I", 12))]
    commands += [struct.pack("<IIIIII", 0x32, 24, 1, 0x000B0000, 0x000E0000, 0)]
    body = b"".join(commands)
    return b"\xcf\xfa\xed\xfe" + struct.pack("<iiIIIII", cpu, 0, 6, len(commands), len(body), 0x85, 0) + body + bytes(64)


def fat() -> bytes:
    """A universal2 file with two slices."""
    thin = macho()
    offset = 4096
    table = struct.pack(">IIIII", 0x01000007, 3, offset, len(thin), 12) + struct.pack(
        ">IIIII", 0x0100000C, 0, 8192, len(thin), 12
    )
    image = bytearray(8192 + len(thin))
    image[:8] = b"\xca\xfe\xba\xbe" + struct.pack(">I", 2)
    image[8 : 8 + len(table)] = table
    image[offset : offset + len(thin)] = macho(0x01000007)
    image[8192:] = thin
    return bytes(image)


def pe() -> bytes:
    """A PE32+ DLL with one section and an import directory of two libraries."""
    image = bytearray(0x600)
    image[:2] = b"MZ"
    image[60:64] = struct.pack("<I", 0x80)
    image[0x80:0x98] = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x2022)
    optional = bytearray(240)
    optional[:2] = struct.pack("<H", 0x20B)
    optional[56:64] = struct.pack("<II", 0x2000, 0x200)
    optional[108:112] = struct.pack("<I", 16)
    optional[120:128] = struct.pack("<II", 0x1000, 60)
    image[0x98 : 0x98 + 240] = optional
    section = b".rdata\0\0" + struct.pack("<IIIIIIHHI", 0x400, 0x1000, 0x400, 0x200, 0, 0, 0, 0, 0x40000040)
    image[0x188 : 0x188 + 40] = section
    for number, name in enumerate((b"python311.dll\0", b"KERNEL32.dll\0")):
        image[0x200 + 20 * number : 0x214 + 20 * number] = struct.pack("<IIIII", 0, 0, 0, 0x1100 + 32 * number, 0x1200)
        image[0x300 + 32 * number : 0x300 + 32 * number + len(name)] = name
    return bytes(image)


def files() -> dict[str, bytes]:
    """All of them."""
    kernel = {
        "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "language": "python",
        "display_name": "x",
    }
    found: dict[str, bytes] = {
        f"{INFO}/METADATA": METADATA,
        f"{INFO}/RECORD": RECORD,
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nGenerator: x (1)\nRoot-Is-Purelib: false\n"
        b"Tag: cp311-cp311-manylinux_2_17_x86_64\nBuild: 1\n",
        f"{INFO}/INSTALLER": b"pip\n",
        f"{INFO}/entry_points.txt": b"[console_scripts]\nalpha = alpha.main:run [x]\n\n[pytest11]\nalpha = alpha.plugin\n",
        f"{INFO}/direct_url.json": b'{"url": "file:///src/alpha", "dir_info": {"editable": true}, "subdirectory": "x"}',
        f"{INFO}/top_level.txt": b"alpha\n",
        f"{SITE}/alpha/__init__.py": b"import os\nfrom beta import name\n"
        b"try:\n    import gamma\nexcept ImportError:\n    gamma = None\n",
        f"{SITE}/alpha/alpha_pb2.py": b"from google.protobuf import runtime_version as _r\n"
        b"_r.ValidateProtobufRuntimeVersion(_r.Domain.PUBLIC, 5, 28, 1, '', 'a.proto')\n",
        f"{SITE}/alpha/alpha_pb2_grpc.py": b"import grpc\nGRPC_GENERATED_VERSION = '1.66.0'\n",
        f"{SITE}/alpha/native.so": elf(),
        f"{SITE}/alpha/native.dylib": macho(),
        f"{SITE}/alpha/fat.dylib": fat(),
        f"{SITE}/alpha/native.pyd": pe(),
        f"{SITE}/beta-1.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: beta\nVersion: 1.2\nRequires-Dist: alpha[x]\n\n",
        f"{SITE}/beta-1.2.dist-info/RECORD": b"beta.py,,\nbeta-1.2.dist-info/METADATA,,\nbeta-1.2.dist-info/RECORD,,\n",
        f"{SITE}/beta.py": b"__all__ = ['name']\n",
        f"{SITE}/old-1.0.egg-info/PKG-INFO": b"Metadata-Version: 1.0\nName: old\nVersion: 1.0\n",
        f"{SITE}/old-1.0.egg-info/requires.txt": b"beta\n\n[x:python_version>'3']\ngamma\n",
        f"{SITE}/old-1.0.egg-info/installed-files.txt": b"../old.py\nPKG-INFO\n",
        f"{SITE}/dev.egg-link": b"/src/dev\n../\n",
        f"{SITE}/easy-install.pth": b"/src/dev\nimport sys; sys.__plen = 1\n",
        f"{SITE}/__editable__.alpha-1.0.pth": b"import __editable___alpha_1_0_finder; __editable___alpha_1_0_finder.install()\n",
        f"{SITE}/__editable___alpha_1_0_finder.py": b"import sys\n"
        b"MAPPING: dict[str, str] = {'alpha': '/src/alpha'}\nNAMESPACES = {}\n",
        "env/pyvenv.cfg": f"home = {sys.base_prefix}/bin\ninclude-system-site-packages = false\nversion = {XY}.0\nexecutable = "
        f"{sys.base_prefix}/bin/python{XY}\ncommand = python -m venv /env\n".encode(),
        "env/bin/alpha": b"#!/env/bin/python\n# -*- coding: utf-8 -*-\nimport sys\n",
        "env/bin/long": b"#!/bin/sh\n'''exec' /env/bin/python \"$0\" \"$@\"\n' '''\nimport sys\n",
        "env/bin/activate": b'VIRTUAL_ENV="/env"\nexport VIRTUAL_ENV\n',
        "env/pip.conf": b"[global]\nindex-url = https://u:p@example.invalid/simple\n[install]\ntarget = /x\n",
        "env/share/jupyter/kernels/k/kernel.json": json.dumps(kernel).encode(),
        "env/conda-meta/old-1.0-0.json": b'{"name": "old", "version": "1.0", "build": "0", "files": ["a"],'
        b'"depends": ["python >=3.8"]}',
        "env/conda-meta/history": b"==> 2024-01-01 00:00:00 <==\n# cmd: conda create\n+defaults::old-1.0-0\n",
        "project/pyproject.toml": b'[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.8"\ndependencies = ["beta>=1"]\n'
        b'[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
        "project/uv.lock": b'version = 1\nrequires-python = ">=3.8"\n\n[[package]]\nname = "beta"\nversion = "1.2"\n',
        "project/environment.yml": b"name: p\nchannels: [c]\nplatforms: [linux-64]\ndependencies:\n"
        b"- python=3.8\n- gcc # [linux]\n- pip:\n  - beta[x]>=1 ; sys_platform == 'linux'\n",
        "project/conda-lock.yml": b"version: 1\nmetadata:\n  content_hash:\n    linux-64: "
        + b"0" * 64
        + b"\n  channels:\n  - url: c\n"
        b"    used_env_vars: []\n  platforms:\n  - linux-64\n  sources:\n  - environment.yml\npackage:\n- name: python\n"
        b"  version: '3.8'\n  manager: conda\n  platform: linux-64\n  dependencies:\n    __glibc: '>=2.17'\n"
        b"  url: https://a.invalid/c/linux-64/python-3.8-0.conda\n  hash:\n    md5: "
        + b"0" * 32
        + b"\n  category: main\n  optional: false\n",
        "project/conda-linux-64.lock": b"# platform: linux-64\n# input_hash: " + b"0" * 64 + b"\n@EXPLICIT\n"
        b"https://a.invalid/c/linux-64/python-3.8-0.conda#"
        + b"0" * 32
        + b"\n# pip beta @ https://a.invalid/beta-1.2-py3-none-any.whl\n",
        "project/pixi.toml": b'[workspace]\nchannels = ["c"]\nplatforms = ["linux-64"]\n[dependencies]\npython = "3.8.*"\n'
        b'[target.unix.pypi-dependencies]\nbeta = { version = ">=1", extras = ["x"] }\n[environments]\nt = []\n',
        "project/pixi.lock": b"version: 6\nenvironments:\n  default:\n    channels:\n    - url: https://a.invalid/c/\n"
        b"    packages:\n      linux-64:\n      - conda: https://a.invalid/c/linux-64/python-3.8-0.conda\n      - pypi: https://a.invalid/beta-1.2.whl\n"
        b"packages:\n- conda: https://a.invalid/c/linux-64/python-3.8-0.conda\n  depends:\n  - __glibc >=2.17\n"
        b"- pypi: https://a.invalid/beta-1.2.whl\n  name: beta\n  version: '1.2'\n  requires_dist:\n  - alpha ; extra == 'x'\n",
        "project/requirements.txt": b"beta>=1 --hash=sha256:00\n-r other.txt\n-e .\n",
        "project/setup.cfg": b"[metadata]\nname = p\n[options]\npython_requires = >=3.8\n",
        "home/.config/pip/pip.conf": b"[global]\nextra-index-url =\n    http://a.invalid\n    http://b.invalid\n"
        b"trusted-host = a.invalid\n",
        "home/.config/uv/uv.toml": b'[[index]]\nurl = "http://a.invalid/simple"\n[pip]\nsystem = true\n',
    }
    return found
