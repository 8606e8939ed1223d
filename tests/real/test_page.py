"""The HTML page in a real browser: it shows what it should, light and dark, copies, and asks for nothing.

The browser is driven over its debugging pipe (Chrome DevTools Protocol), so that nothing but the browser is needed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envdoctor.formats import html
from tests.builders import Env
from tests.formats.test_outputs import tricky
from tests.support import report_of, snapshot_of

pytestmark = pytest.mark.real
BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)


class Browser:
    """One page of a headless browser."""

    def __init__(self, program: str, folder: Path) -> None:
        to_read, self.out = os.pipe()
        self.back, to_write = os.pipe()

        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
        ours = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_read, to_write)]
        places = f"import os, sys; os.dup2({ours[0]}, 3); os.dup2({ours[1]}, 4); os.execv(sys.argv[1], sys.argv[1:])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", places, program, *options, "about:blank"], pass_fds=ours, stderr=subprocess.DEVNULL
        )
        for end in ours:
            os.close(end)
        os.close(to_read)
        os.close(to_write)
        self.rest, self.number, self.session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        target = next(t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def message(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            data = os.read(self.back, 1 << 16)
            assert data, "the browser is gone"
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\0")
        return dict(json.loads(line))

    def ask(self, method: str, **parameters: Any) -> Any:
        self.number += 1
        wish = {"id": self.number, "method": method, "params": parameters}
        os.write(self.out, json.dumps({**wish, "sessionId": self.session} if self.session else wish).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, file: Path) -> None:
        self.ask("Page.navigate", url=file.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self.message())

    def value(self, expression: str) -> Any:
        found = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.back)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip("no browser is here: apt-get install chromium-headless-shell")
    one = Browser(BROWSER, tmp_path / "profile")
    yield one
    one.close()


CONTRAST = """
(() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const linear = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = parts(c).map(linear);
    return .2126 * r + .7152 * g + .0722 * b };
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(c)) return c } return "rgb(255, 255, 255)" };
  const seen = [...document.querySelectorAll("h1,h2,h3,p,li,pre,button,summary,span,td,code")].filter(e => e.textContent.trim());
  return Math.min(...seen.map(e => { const a = light(getComputedStyle(e).color), b = light(behind(e));
    return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) }));
})()
"""


def opened(browser: Browser, page: str, folder: Path) -> None:
    file = folder / "report.html"
    file.write_text(page)
    browser.open(file)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_readable_and_alone(browser: Browser, env: Env, tmp_path: Path, scheme: str) -> None:
    env.dist("alpha", "1.0", requires=["Beta_Lib>=2", "gamma<1"])
    env.dist("gamma", "1.1")
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    opened(browser, html.render(report_of(snapshot_of(env.prefix)), {"alpha": 5_000_000, "gamma": 2_000_000}), tmp_path)
    assert browser.value("document.title").startswith("envdoctor: 2 errors")
    assert browser.value("document.querySelectorAll('article.is-error').length") == 2
    assert browser.value("document.querySelectorAll('svg.graph').length") == 2
    assert browser.value("document.querySelector('svg.sizes').getBoundingClientRect().height") > 100
    assert browser.value(CONTRAST) >= 4.5
    dark = browser.value("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)"
    assert dark is (scheme == "dark")
    assert browser.value("document.documentElement.scrollWidth <= window.innerWidth")
    asked = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert asked == [(tmp_path / "report.html").as_uri()]
    assert [e for e in browser.events if e["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")] == []


def test_labels_do_not_lie_on_boxes(browser: Browser, env: Env, tmp_path: Path) -> None:
    """Texts of a graph stay inside the picture, and none of a box is wider than its box."""
    env.dist("an-unusually-long-name-for-a-distribution", "1.0", requires=["another-quite-long-name>=2,!=2.5,<3"])
    opened(browser, html.render(report_of(snapshot_of(env.prefix))), tmp_path)
    wide = (
        "[...document.querySelectorAll('svg.graph g')].every(g => [...g.querySelectorAll('text')]"
        ".every(t => t.getBBox().width <= g.querySelector('rect').getBBox().width))"
    )
    assert browser.value(wide)


def test_a_command_is_copied(browser: Browser, env: Env, tmp_path: Path) -> None:
    env.dist("alpha", "1.0", requires=["beta-lib>=2"])
    opened(browser, html.render(report_of(snapshot_of(env.prefix))), tmp_path)
    browser.ask("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    browser.value("document.querySelector('button').click()")
    said = "new Promise(r => setTimeout(() => r(document.querySelector('button').textContent), 300))"
    assert browser.value(said) == "copied"
    line = browser.value("document.querySelector('pre').textContent")
    assert "beta-lib>=2" in line


def test_a_hostile_report_runs_nothing(browser: Browser, tmp_path: Path) -> None:
    page = html.render(tricky(), {"<svg onload=document.title='owned'>": 9_000_000})
    opened(browser, page, tmp_path)
    assert browser.value("document.scripts.length") == 1
    assert browser.value("document.images.length") == 0
    assert "owned" not in browser.value("document.title")
    assert [e for e in browser.events if e["method"] in ("Log.entryAdded", "Page.javascriptDialogOpening")] == []
