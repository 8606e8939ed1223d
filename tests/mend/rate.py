"""``make fix-rate``: how many planted faults ``envdoctor fix --apply --yes`` really mends.

For each: the rule finds it and what it breaks fails; then the fix; then the finding is gone, there is no new error, and what
failed works. Every report on the way is valid JSON, SARIF and JUnit by its schema.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.command import command
from tests.mend.faults import FAULTS, Fault
from tests.mend.shelf import Shelf

ROOT = Path(__file__).resolve().parents[2]


class Row(NamedTuple):
    """What came of one fault."""

    fault: Fault
    options: str
    found: bool
    gone: bool
    no_new: bool
    works: bool
    seconds: float
    note: str = ""

    @property
    def mended(self) -> bool:
        """All that is asked for."""
        return self.found and self.gone and self.no_new and self.works


def valid(folder: Path) -> dict[str, Any]:
    """The JSON report; raises where one of the three is not valid by its schema."""
    import jsonschema
    import xmlschema

    made: dict[str, Any] = json.loads((folder / "report.json").read_text())
    jsonschema.validate(made, json.loads((ROOT / "envdoctor/data/report.schema.json").read_text()))
    sarif = json.loads((ROOT / "fixtures/schemas/sarif-2.1.0-rtm.5.json").read_text())
    jsonschema.Draft4Validator(sarif).validate(json.loads((folder / "report.sarif").read_text()))
    xmlschema.XMLSchema(str(ROOT / "fixtures/schemas/junit-10.xsd")).validate((folder / "report.xml").read_text())
    return made


def one(fault: Fault, folder: Path) -> Row:
    """Plants, mends, looks."""
    folder.mkdir(parents=True)
    shelf = Shelf(folder / "shelf")
    try:
        planted = fault.plant(shelf, folder)
    except LookupError as error:
        return Row(fault, "", False, False, False, False, 0, f"not here: {error}")
    work = folder / "work"
    work.mkdir()
    options = " ".join(planted.options)
    shell = shelf.shell(**planted.variables)

    def envdoctor(*words: object) -> subprocess.CompletedProcess[str]:
        argv = [*command(folder), *map(str, words)]
        return subprocess.run(argv, capture_output=True, text=True, env=shell, cwd=planted.cwd or work, timeout=300, check=False)

    def check() -> dict[str, Any]:
        files = [f"--format={name}={work}/report.{end}" for name, end in (("json", "json"), ("sarif", "sarif"), ("junit", "xml"))]
        done = envdoctor("check", "-p", planted.prefix, *files)
        assert done.returncode in (0, 1), done.stderr
        return valid(work)

    def errors(report: dict[str, Any]) -> set[str]:
        return {f["fingerprint"] for f in report["findings"] if f["severity"] == "error"}

    before = check()
    found = any(f["code"] == fault.code for f in before["findings"]) and (planted.healthy or not planted.works())
    if not found:
        codes = ", ".join(sorted({f["code"] for f in before["findings"]})) or "nothing"
        return Row(fault, options, False, False, False, False, 0, f"found: {codes}; works: {planted.works()}")
    start = time.monotonic()
    done = envdoctor("fix", "--apply", "--yes", *planted.options, "-p", planted.prefix)
    seconds = time.monotonic() - start
    after = check()
    gone = not any(f["code"] == fault.code and f["severity"] != "info" for f in after["findings"])
    row = Row(fault, options, True, gone, errors(after) <= errors(before), planted.works(), seconds)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return row if row.mended else row._replace(note=" | ".join(lines[-6:])[:600])


def main(argv: list[str] | None = None) -> int:
    """Prints the table; exit code 1 below 95 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only faults whose name or code has one of these words")
    parser.add_argument("--keep", action="store_true", help="keep the environments of those that are not mended")
    given = parser.parse_args(argv)
    chosen = [f for f in FAULTS if not given.words or any(word in f"{f.code} {f.name}" for word in given.words)]
    folder = Path(tempfile.mkdtemp(prefix="fix-rate-"))
    rows: list[Row] = []
    print(
        "| fault | rule | options | found | gone | no new error | works | s |\n| --- | --- | --- | --- | --- | --- | --- | ---: |"
    )
    for number, fault in enumerate(chosen):
        place = folder / str(number)
        row = one(fault, place)
        rows.append(row)
        marks = " | ".join("yes" if value else "NO" for value in (row.found, row.gone, row.no_new, row.works))
        print(f"| {fault.name} | {fault.code} | {row.options} | {marks} | {row.seconds:.1f} |", flush=True)
        if row.note:
            print(f"    {row.note}", file=sys.stderr, flush=True)
        if row.mended or not given.keep:
            shutil.rmtree(place, ignore_errors=True)
    asked = [row for row in rows if not row.note.startswith("not here")]
    mended = sum(row.mended for row in asked)
    share = mended / len(asked) if asked else 0
    print(
        f"\n{mended} of {len(asked)} faults mended: {share:.1%}; families: {', '.join(sorted({r.fault.code[:3] for r in asked}))}"
    )
    if not given.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if share >= 0.95 else 1


if __name__ == "__main__":
    sys.exit(main())
