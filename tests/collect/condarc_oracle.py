"""Asks conda itself which values of settings it takes: the answers are kept in ``condarc_answers.json``.

``python tests/collect/condarc_oracle.py PYTHON > tests/collect/condarc_answers.json``, where PYTHON is one with conda-lock
installed, whose wheel vendors conda. Each answer is ``[the text of a .condarc, conda refuses it]``.
"""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys

ASK = """
import json, logging, os, pathlib, sys, tempfile
logging.disable(logging.CRITICAL)
for name in [name for name in os.environ if name.startswith("CONDA")]:
    del os.environ[name]
from conda_lock._vendor.conda.base.context import Context
file = pathlib.Path(tempfile.mkdtemp()) / ".condarc"
answers = []
for source in json.load(sys.stdin):
    file.write_text(source)
    try:
        Context(search_path=(str(file),)).validate_configuration()
        answers.append([source, False])
    except Exception:
        answers.append([source, True])
sys.__stderr__.write(json.dumps(answers))
"""
_SCALARS = (
    "true False TRUE yes no on y none null ~ 0 1 -1 1.5 1e3 0x10 07 1_000 abc 'true' '1' '1.5' '' 2001-01-01 strict STRICT "
    "Strict warn prevent pycosat update_deps https://x.example /etc /nonexistent truststore 3.10 '3.10' 3.12.1 .5 .inf $NOPE "
    "1:30 '1e5' nan"
)
SCALARS = _SCALARS.split()


def documents() -> list[str]:
    """Each setting with some values of each kind, under each of its names; some with two settings."""
    from envdoctor.data.conda_settings import LATER_PAIRS, SETTINGS

    rnd = random.Random(20261123)
    later = {name for pair in LATER_PAIRS for name in pair if name not in ("auto_activate_base", "pip_interop_enabled")}
    names = {name: [n for n in (name, *s.aliases) if n not in later] for name, s in SETTINGS.items() if not s.since}
    shapes = ("", "[]", "{}", "[a, 1, ~]", "{a: b, c: 1, d: ~}", "[[a]]", "[{a: b}]", "{a: [b]}", "{a: {b: c}}", "[{a: [b]}]")
    found = []
    for called in names.values():
        found += [f"{called[0]}: {value}\n" for value in (*shapes, *rnd.sample(SCALARS, 10))]
        found += [f"{alias}: {rnd.choice((*shapes, *SCALARS))}\n" for alias in called[1:] for _ in range(3)]
        found += [f"{one}: [a]\n{two}: [b]\n" for one, two in itertools.pairwise(called)]
    for value in SCALARS:
        found += [
            f"{name}: {value}\n" for name in ("always_yes", "auto_stack", "ssl_verify", "channel_priority", "channel_alias")
        ]
    found += ["always_copy: yes\nsoftlink: true\n", "always_copy: no\nsoftlink: true\n", "client_cert_key: a\n"]
    found += ["client_cert_key: a\nclient_ssl_cert: b\n", "offline: maybe\nquiet: true\n", "nobody_knows: {a: [b]}\n"]
    return list(dict.fromkeys(found))


def main() -> None:
    """Prints the answers, a line each."""
    done = subprocess.run([sys.argv[1], "-c", ASK], input=json.dumps(documents()), capture_output=True, text=True, check=True)
    answers = json.loads(done.stderr[done.stderr.index('[["') :])
    print("[\n" + ",\n".join(json.dumps(answer) for answer in answers) + "\n]")


if __name__ == "__main__":
    main()
