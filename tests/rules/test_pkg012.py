"""PKG012 removed-api-needed. Every case is also run: what is reported fails to import, what is not reported works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from envdoctor.finding import Finding
from tests.builders import Env, interpreters, venv
from tests.support import diagnose, only

OTHER = {"other/__init__.py": "def kept():\n    pass\n", "other/sub.py": "x = 1\n"}
Files = Mapping[str, str]


def run(env: Env, files: Files, other: Files = OTHER) -> list[Finding]:
    """Findings with `alpha` and `other` installed."""
    env.dist("other", "2.0", files=other)
    env.dist("alpha", files=files)
    return diagnose(env.prefix, "PKG012")


def broken(env: Env, files: Files, other: Files = OTHER, module: str = "alpha") -> Finding:
    """The one finding, where the import really fails."""
    findings = run(env, files, other)
    assert not env.imports(module)
    finding = only(findings, "PKG012")
    assert finding.severity == "error"
    assert finding.subjects[0].name == "alpha"
    return finding


def fine(env: Env, files: Files, other: Files = OTHER) -> None:
    """No finding, and the import really works."""
    findings = run(env, files, other)
    done = env.run("-c", "import alpha")
    assert done.returncode == 0, done.stderr
    assert findings == [], [f.message for f in findings]


# ------------------------------------------------------------------------------------------------------------- triggers
def test_a_name_that_the_other_no_longer_has(env: Env) -> None:
    finding = broken(env, {"alpha/__init__.py": "from other import kept, gone\n"})
    assert "alpha 1.0 needs gone from other, which other 2.0 does not have" in finding.message
    assert finding.subjects[1].name == "other"
    assert "alpha/__init__.py:1: from other import kept, gone" in finding.evidence[0]
    assert len(finding.fixes) >= 2


def test_a_name_needed_by_a_module_deep_inside(env: Env) -> None:
    finding = broken(
        env,
        {
            "alpha/__init__.py": "import os\nfrom alpha.one import f\n",
            "alpha/one.py": "from .two import f\n",
            "alpha/two/__init__.py": "from . import three\nf = 1\n",
            "alpha/two/three.py": "import json\nfrom other import (\n    kept,  # (still there)\n    gone as went,\n)\n",
        },
    )
    assert "alpha > alpha.one > alpha.two > alpha.two.three" in " ".join(finding.evidence)


def test_a_module_that_the_other_no_longer_has(env: Env) -> None:
    assert "the module other.gone" in broken(env, {"alpha/__init__.py": "import other.gone\n"}).message


def test_names_of_a_module_that_is_gone(env: Env) -> None:
    assert "the module other.gone" in broken(env, {"alpha/__init__.py": "from other.gone import x\n"}).message


def test_a_single_file_module(env: Env) -> None:
    broken(env, {"alpha.py": "from other import gone\n"})


def test_class_bodies_and_blocks_that_run(env: Env) -> None:
    code = (
        "import sys, warnings\n"
        "class A:\n"
        "    if sys.version_info >= (3, 8) and not sys.platform == 'plan9':\n"
        "        with warnings.catch_warnings():\n"
        "            import pkg_resources as _x\n"
    )
    assert "the module pkg_resources" in broken(env, {"alpha/__init__.py": code}).message


def test_a_guard_that_only_words_the_error(env: Env) -> None:
    code = "try:\n    import pkg_resources\nexcept ImportError as e:\n    raise ImportError('please install setuptools') from e\n"
    assert "pkg_resources" in broken(env, {"alpha/__init__.py": code}).message


def test_a_lazy_table_without_the_name(env: Env) -> None:
    other = {
        "other/__init__.py": (
            "import importlib\n_NAMES = {'kept': 'sub', 'x': 'sub'}\n"
            "def __getattr__(name):\n"
            "    if name in _NAMES:\n"
            "        return getattr(importlib.import_module('other.' + _NAMES[name]), name)\n"
            "    raise AttributeError(name)\n"
        ),
        "other/sub.py": "kept = x = 1\n",
    }
    broken(env, {"alpha/__init__.py": "from other import kept, gone\n"}, other)


def test_star_imports_that_can_be_followed(env: Env) -> None:
    other = {
        "other/__init__.py": "from .sub import *\nfrom ._more import *\n",
        "other/sub.py": "kept = 1\n",
        "other/_more.py": "more = 1\n",
    }
    broken(env, {"alpha/__init__.py": "from other import kept, more, gone\n"}, other)


def test_pkg_resources_after_setuptools_82(env: Env) -> None:
    env.dist("setuptools", "82.0.0", files={"setuptools/__init__.py": "", "_distutils_hack/__init__.py": ""})
    env.dist("alpha", files={"alpha/__init__.py": "import pkg_resources\n"})
    assert not env.imports("alpha")
    finding = only(diagnose(env.prefix, "PKG012"), "PKG012")
    assert [s.name for s in finding.subjects[:2]] == ["alpha", "setuptools"]
    assert any("setuptools<82" in command for fix in finding.fixes for command in fix.commands)


@pytest.mark.parametrize(
    "code",
    ["__import__('pkg_resources').declare_namespace(__name__)\n", "if True:\n    from pkg_resources import parse_version\n"],
)
def test_pkg_resources_without_setuptools(env: Env, code: str) -> None:
    broken(env, {"alpha/__init__.py": code})


def test_pkg_resources_with_setuptools_81(env: Env) -> None:
    env.dist(
        "setuptools",
        "81.0.0",
        files={"setuptools/__init__.py": "", "pkg_resources/__init__.py": "def parse_version(v):\n    pass\n"},
    )
    fine(env, {"alpha/__init__.py": "import pkg_resources\nfrom pkg_resources import parse_version\n"})


@pytest.mark.parametrize(
    "statement", ["from collections import Mapping", "from inspect import getargspec", "from base64 import encodestring"]
)
def test_names_that_the_standard_library_lost(env: Env, statement: str) -> None:
    if env.run("-c", statement).returncode == 0:
        pytest.skip("this Python still has it")
    finding = broken(env, {"alpha/__init__.py": f"{statement}\n"})
    assert "Python 3." in finding.message and finding.subjects[1].kind == "interpreter"


def test_python_2_modules(env: Env) -> None:
    broken(env, {"alpha/__init__.py": "import urllib2\n"})


NEW = sorted((v for v in interpreters() if int(v.split(".")[1]) >= 12), key=lambda v: int(v.split(".")[1]))
needs_312 = pytest.mark.skipif(not NEW, reason="no Python 3.12 or later here")


@needs_312
@pytest.mark.parametrize("module", ["distutils", "imp", "asyncore", "cgi", "telnetlib"])
def test_modules_that_newer_pythons_lost(tmp_path: Path, module: str) -> None:
    new = venv(tmp_path / "new", python=interpreters()[NEW[-1]])
    new.dist("alpha", files={"alpha/__init__.py": "from . import a\n", "alpha/a.py": f"import os, {module}\n"})
    new.dist("beta", files={"beta/__init__.py": f"try:\n    import {module}\nexcept ImportError:\n    {module} = None\n"})
    new.dist("gamma", files={"gamma/__init__.py": f"def f():\n    import {module}\n"})
    there = new.run("-c", f"import {module}").returncode == 0
    assert new.imports("alpha") is there
    assert new.imports("beta") and new.imports("gamma")
    findings = diagnose(new.prefix, "PKG012")
    assert [f.subjects[0].name for f in findings] == ([] if there else ["alpha"])


@needs_312
def test_distutils_of_setuptools(tmp_path: Path) -> None:
    new = venv(tmp_path / "new", python=interpreters()[NEW[0]])
    hack = "import sys, types\nsys.modules['distutils'] = types.ModuleType('distutils')\n"
    files = {
        "setuptools/__init__.py": "",
        "_distutils_hack/__init__.py": hack,
        "distutils-precedence.pth": "import _distutils_hack\n",
    }
    new.dist("setuptools", "75.0", files=files)
    new.dist("alpha", files={"alpha/__init__.py": "import distutils\n"})
    assert new.imports("alpha")
    assert diagnose(new.prefix, "PKG012") == []
    assert diagnose(new.prefix, "PKG012", environ={"PATH": "/none", "SETUPTOOLS_USE_DISTUTILS": "stdlib"}) != []


def test_a_side_module_is_a_warning(env: Env) -> None:
    findings = run(
        env, {"alpha/__init__.py": "", "alpha_tool/__init__.py": "import pkg_resources\n", "alpha_py2.py": "import urllib2\n"}
    )
    assert env.imports("alpha") and not env.imports("alpha_tool")
    assert [(f.code, f.severity) for f in findings] == [("PKG012", "warning")]


def test_a_module_that_only_another_distribution_imports(env: Env) -> None:
    env.dist("beta", files={"beta/__init__.py": "", "beta/extra.py": "import pkg_resources\n"})
    assert run(env, {"alpha/__init__.py": ""}) == []
    env.dist("gamma", files={"gamma/__init__.py": "import beta.extra\n"})
    assert env.imports("beta") and not env.imports("gamma")
    finding = only(diagnose(env.prefix, "PKG012"), "PKG012")
    assert finding.severity == "error"
    assert "import gamma fails: beta 1.0 needs the module pkg_resources" in finding.message


@pytest.mark.real
@pytest.mark.skipif(shutil.which("uv") is None, reason="no uv")
def test_real_releases_that_do_not_fit(env: Env) -> None:
    wheels = [
        "jinja2==2.11.3",
        "markupsafe==2.1.5",
        "flask==2.2.2",
        "werkzeug==3.0.6",
        "click",
        "itsdangerous",
        "blinker",
        "fs==2.4.16",
    ]
    more = ["apscheduler==3.6.0", "six", "pytz", "tzlocal", "appdirs", "setuptools==82.0.0"]
    subprocess.run(["uv", "pip", "install", "-q", "--no-deps", "--python", str(env.python), *wheels, *more], check=True)
    found = {f.subjects[0].name for f in diagnose(env.prefix, "PKG012")}
    assert found == {"jinja2", "flask", "fs", "apscheduler"}
    assert not any(env.imports(name) for name in found)
    assert env.imports("werkzeug") and env.imports("markupsafe") and env.imports("six")


# ---------------------------------------------------------------------------------------------------------- look-alikes
GUARDED = {
    "try": "try:\n    from other import gone\nexcept ImportError:\n    gone = None\n",
    "try any": "try:\n    from other import gone\nexcept:\n    gone = None\n",
    "try tuple": "try:\n    from other import gone\nexcept (ImportError, KeyError):\n    gone = None\n",
    "try in handler": (
        "try:\n    import nothing_at_all\nexcept ImportError:\n"
        "    try:\n        import pkg_resources\n    except ImportError:\n        pass\n"
    ),
    "handler that may raise": (
        "try:\n    import pkg_resources\nexcept ImportError as e:\n"
        "    if 'xyz' in str(e):\n        raise\n    pkg_resources = None\n"
    ),
    "fallback": "try:\n    from other import kept\nexcept ImportError:\n    import pkg_resources\n",
    "suppress": "import contextlib\nwith contextlib.suppress(ImportError):\n    from other import gone\n",
    "function": "def f():\n    from other import gone\n",
    "async function": "async def f():\n    import pkg_resources\n",
    "method": "class A:\n    def f(self):\n        import pkg_resources\n",
    "type checking": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from other import gone\n",
    "typing.type checking": "import typing\nif typing.TYPE_CHECKING:\n    import pkg_resources\n",
    "old version": "import sys\nif sys.version_info < (3, 5):\n    import pkg_resources\nelse:\n    import json\n",
    "python 2": "import sys\nPY2 = sys.version_info[0] == 2\nif PY2:\n    import pkg_resources\n",
    "platform": "import sys\nif sys.platform == 'plan9':\n    import pkg_resources\n",
    "os name": "import os\nif os.name == 'ce':\n    import pkg_resources\n",
    "unknown condition": "import os\nif os.environ.get('ALPHA_TOOLS'):\n    import pkg_resources\n",
    "main": "if __name__ == '__main__':\n    import pkg_resources\n",
    "docstring": '"""Use it:\n\nimport pkg_resources\nfrom other import gone\n"""\n',
    "not followed": "import json\n",
    "loop": "for _ in ():\n    import pkg_resources\n",
    "absent distribution": "try:\n    import zeta\nexcept ImportError:\n    pass\n",
    "submodule": "from other import sub\nimport other.sub\nfrom other.sub import x\n",
}


@pytest.mark.parametrize("case", GUARDED)
def test_imports_that_do_not_run_or_are_guarded(env: Env, case: str) -> None:
    fine(env, {"alpha/__init__.py": GUARDED[case], "alpha/plugin.py": "import pkg_resources\nfrom other import gone\n"})


DYNAMIC = {
    "getattr": "def __getattr__(name):\n    return 1\n",
    "getattr that asks another": (
        "import sys\ndef __getattr__(name):\n"
        "    if name in dir(sys) or not name.startswith('__'):\n        return 1\n    raise AttributeError\n"
    ),
    "globals": "globals().update(gone=1)\n",
    "globals in a loop": "for n in ['go' + 'ne']:\n    globals()[n] = 1\n",
    "exec": "exec('go' 'ne = 1')\n",
    "setattr": "import sys\nsetattr(sys.modules[__name__], 'go' + 'ne', 1)\n",
    "vars": "vars()['go' + 'ne'] = 1\n",
    "module replaced": (
        "import sys, types\nm = types.ModuleType('other')\nsetattr(m, 'go' + 'ne', 1)\nsys.modules[__name__] = m\n"
    ),
    "star": "from .sub import *\n",
    "star of the standard library": "from os import *\ngone = getcwd\n",
    "conditional": "import os\nif os.environ.get('X') is None:\n    gone = 1\n",
    "tuple": "(kept, gone), *rest = (1, 2), 3\n",
    "for target": "for gone in range(2):\n    pass\n",
    "with target": "import io\nwith io.StringIO() as gone:\n    pass\n",
    "walrus": "print((gone := 1))\n",
    "import as": "import os as gone\n",
    "global in a function": "def f():\n    global gone\n    gone = 1\nf()\n",
    "try else": "try:\n    import nothing_at_all\nexcept ImportError:\n    def gone(): pass\n",
    "multiple": "a = b = gone = 1\n",
    "set from elsewhere": "from . import setter\n",
}


@pytest.mark.parametrize("case", DYNAMIC)
def test_modules_that_have_the_name_after_all(env: Env, case: str) -> None:
    other = {
        "other/__init__.py": DYNAMIC[case],
        "other/sub.py": "gone = 1\n",
        "other/setter.py": "import other\nother.gone = 1\n",
    }
    fine(env, {"alpha/__init__.py": "from other import gone\n"}, other)


def test_modules_that_appear_at_run_time(env: Env) -> None:
    other = {
        "other/__init__.py": "import sys, types\nsys.modules['other.gone'] = types.ModuleType('other.gone')\n",
    }
    fine(env, {"alpha/__init__.py": "import other.gone\n"}, other)


def test_a_changed_path(env: Env, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/gone.py").write_text("x = 1\n")
    other = {"other/__init__.py": f"__path__.append({str(tmp_path / 'more')!r})\n"}
    fine(env, {"alpha/__init__.py": "import other.gone\nfrom other import gone\n"}, other)


def test_namespace_packages_over_two_folders(env: Env, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    env.dist("ns-two", files={"ns/two.py": "y = 1\n"}, site=more)
    (env.site / "more.pth").write_text(f"{more}\n")
    fine(env, {"alpha/__init__.py": "from ns.two import y\nimport ns.one\n"}, {"ns/one.py": "x = 1\n"})


def test_vendored_copies(env: Env) -> None:
    files = {
        "alpha/__init__.py": "from alpha._vendor import pkg_resources\nfrom ._vendor.six.moves import urllib2\n",
        "alpha/_vendor/__init__.py": "",
        "alpha/_vendor/pkg_resources.py": "",
        "alpha/_vendor/six.py": (
            "import sys, types\nm = types.ModuleType('moves')\nm.urllib2 = 1\nsys.modules[__name__ + '.moves'] = m\n"
        ),
    }
    fine(env, files)


def test_a_native_module_is_not_judged(env: Env) -> None:
    env.dist("other", "2.0", files={"other/__init__.py": "", "other/fast.cpython-311-x86_64-linux-gnu.so": "ELF"})
    env.dist("alpha", files={"alpha/__init__.py": "from other.fast import gone\n"})
    assert diagnose(env.prefix, "PKG012") == []


def test_a_file_that_is_recorded_and_gone_is_another_matter(env: Env) -> None:
    env.dist("other", "2.0", files=OTHER)
    env.dist("alpha", files={"alpha/__init__.py": "import other.sub\n"})
    (env.site / "other/sub.py").unlink()
    assert [f.code for f in diagnose(env.prefix, "PKG006", "PKG012")] == ["PKG006"]


def test_a_stub_beside_it_names_it(env: Env) -> None:
    other = {"other/__init__.py": "import lazy_thing\n", "other/__init__.pyi": "gone: int\n", "lazy_thing.py": ""}
    env.dist("other", "2.0", files=other)
    env.dist("alpha", files={"alpha/__init__.py": "from other import gone\n"})
    assert diagnose(env.prefix, "PKG012") == []


def test_hostile_files_end(env: Env) -> None:
    import os

    env.dist("other", "2.0", files=OTHER)
    deep = "(" * 5000 + ")" * 5000
    files = {
        "alpha/__init__.py": "from . import a, b, c, d\nfrom other import gone\n",
        "alpha/a.py": b"\xff\xfe\x00import other\nfrom other import \xe9\n",
        "alpha/b.py": f"from other import gone\nx = {deep}\n",
        "alpha/c.py": "from other import (" + "gone, " * 20_000 + ")\n",
        "alpha/d.py": "from .....other import gone\nfrom . import d, a\nimport alpha.d.e.f\nfrom other import\nimport\n",
    }
    env.dist("alpha", files=files)
    (env.site / "alpha/d.py").unlink()
    os.mkfifo(env.site / "alpha/d.py")
    diagnose(env.prefix, "PKG012")


def test_deep_follows_what_default_does_not(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    from envdoctor.collect import imports

    monkeypatch.setattr(imports, "SHARE", 2)
    monkeypatch.setattr(imports, "MODULES", 2)
    files = {
        "alpha/__init__.py": "from . import one\n",
        "alpha/one.py": "from . import two\n",
        "alpha/two.py": "from . import three\n",
        "alpha/three.py": "from other import gone\n",
    }
    assert run(env, files) == []
    only(diagnose(env.prefix, "PKG012", deep=True), "PKG012")


def test_an_import_far_down_in_the_file_needs_deep(env: Env) -> None:
    files = {"alpha/__init__.py": "from . import one\n", "alpha/one.py": "# long\n" * 3000 + "from other import gone\n"}
    assert run(env, files) == []
    only(diagnose(env.prefix, "PKG012", deep=True), "PKG012")


def test_this_test_environment_is_healthy() -> None:
    assert diagnose(sys.prefix, "PKG012") == []
