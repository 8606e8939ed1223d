"""What package indexes have: the simple API as JSON (PEP 691) or HTML (PEP 503), asked with eight threads, answers kept.

A file's name stands for one content for ever, so a file that was found once is not looked up again.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import html.parser
import io
import json
import os
import re
import ssl
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from envdoctor.lock.document import public
from envdoctor.tuples import NamedTuple

THREADS = 8
MAX_PAGE = 96 << 20
"""Bytes of one project's page, unpacked."""
MAX_FILE = 8 << 30
"""Bytes of a file that is fetched for its hash."""
MAX_WHOLE = 64 << 20
"""Bytes of a wheel that is fetched whole for its RECORD, where its server gives no parts."""
TIMEOUT = 60
"""Seconds that a server may be silent."""
TRIES = 3
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_DIGEST = re.compile(r"[0-9a-f]{32,128}")


class File(NamedTuple):
    """A file of an index."""

    name: str
    url: str
    """Without credentials."""
    origin: str
    """The index, without credentials."""
    hashes: tuple[tuple[str, str], ...] = ()
    """(algorithm, hex), sorted."""
    size: int | None = None
    metadata: str | None = None
    """sha256 of a wheel's METADATA, where the index tells."""


class Trouble(Exception):
    """An index could not be asked. ``str()`` is one line without credentials."""


class Index:
    """One package index."""

    def __init__(self, url: str) -> None:
        self.raw = url.rstrip("/")
        self.url = public(self.raw)

    def page(self, project: str) -> str:
        """The URL of a project's page."""
        return f"{self.raw}/{quote(project)}/"


class Indexes:
    """Several indexes that are asked together. `cache` maps ``index\\nproject`` to what was found there before."""

    def __init__(
        self,
        urls: Iterable[str],
        *,
        environ: Mapping[str, str],
        home: str | None = None,
        certificate: str | None = None,
        offline: bool = False,
    ) -> None:
        self.indexes = [Index(url) for url in dict.fromkeys(urls)]
        self.offline = offline
        self._fetch = _Fetcher([index.raw for index in self.indexes], environ, home, certificate)
        self._pages: dict[tuple[str, str], list[File]] = {}
        self._troubles: dict[str, str] = {}
        self._lock = threading.Lock()

    @property
    def troubles(self) -> dict[str, str]:
        """Indexes (public URL) that could not be asked for something, and why."""
        return dict(sorted(self._troubles.items()))

    def ask(self, projects: Iterable[str], done: Callable[[int, int], None] | None = None) -> dict[str, list[File]]:
        """The files of each project (PEP 503 names), of all indexes in their order. An index that has no such project has no
        files; one that cannot be asked is noted in :attr:`troubles`. `done` hears how many of how many are answered."""
        wanted = sorted(set(projects))
        tasks = [(index, project) for project in wanted for index in self.indexes]
        pool = ThreadPoolExecutor(THREADS)
        try:
            for number, _ in enumerate(pool.map(self._one, tasks), 1):
                if done is not None:
                    done(number, len(tasks))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return {project: [file for index in self.indexes for file in self._pages[index.raw, project]] for project in wanted}

    def _one(self, task: tuple[Index, str]) -> None:
        index, project = task
        found: list[File] = []
        try:
            if self.offline:
                raise Trouble("--offline: it is not asked")
            found = parse(*self._fetch.page(index.page(project)), index=index.url)
        except Trouble as trouble:
            with self._lock:
                self._troubles.setdefault(index.url, str(trouble))
        except LookupError:
            pass
        self._pages[index.raw, project] = found

    def pages(self, urls: Iterable[str]) -> list[File]:
        """The files that plain pages link to (``find-links``)."""
        found: list[File] = []
        for url in urls if not self.offline else ():
            try:
                found += parse(*self._fetch.page(url), index=public(url))
            except Trouble as trouble:
                self._troubles.setdefault(public(url), str(trouble))
            except LookupError:
                self._troubles.setdefault(public(url), "there is no such page")
        return found

    def record(self, file: File) -> dict[str, str]:
        """RECORD of a wheel, path to hash, of which only the end is fetched where the server can do that. Raises Trouble."""
        if self.offline:
            raise Trouble("--offline: the file is not fetched")
        try:
            with zipfile.ZipFile(_Remote(self._fetch, file.url)) as archive:
                name = next(one for one in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/RECORD", one))
                if archive.getinfo(name).file_size > MAX_PAGE:
                    raise Trouble("its RECORD is too large")
                rows = csv.reader(archive.read(name).decode("utf-8", "replace").splitlines())
                return {row[0]: row[1] for row in rows if len(row) == 3 and row[1]}
        except (zipfile.BadZipFile, StopIteration, zlib.error, NotImplementedError, RuntimeError, csv.Error, EOFError) as error:
            raise Trouble(f"no wheel: {error}") from None
        except LookupError:
            raise Trouble("the file is gone") from None

    def digest(self, file: File) -> str:
        """sha256 of a file's content, which is fetched for that. Raises Trouble."""
        if self.offline:
            raise Trouble("--offline: the file is not fetched")
        return self._fetch.digest(file.url)


# ------------------------------------------------------------------------------------------------------------------- pages


def parse(url: str, kind: str, data: bytes, *, index: str) -> list[File]:
    """The files on a project's page. Raises Trouble for what is no page."""
    bare = public(url)
    if "json" in kind:
        return _json(bare, data, index)
    return _html(bare, data.decode("utf-8", "replace"), index)


def _json(url: str, data: bytes, index: str) -> list[File]:
    try:
        document = json.loads(data)
        rows = document["files"]
        found = []
        for row in rows:
            hashes = row.get("hashes") or {}
            core = row.get("core-metadata", row.get("dist-info-metadata"))
            size = row.get("size")
            found.append(
                _file(
                    row["filename"],
                    urljoin(url, row["url"]),
                    index,
                    {str(key): str(value) for key, value in hashes.items()},
                    size if type(size) is int else None,
                    core.get("sha256") if isinstance(core, dict) else None,
                )
            )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Trouble("its answer is no page of a package index") from None
    return [one for one in found if one is not None]


class _Links(html.parser.HTMLParser):
    """``<a>`` of a page (PEP 503, PEP 714)."""

    def __init__(self) -> None:
        super().__init__()
        self.base: str | None = None
        self.links: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if tag == "base" and self.base is None:
            self.base = values.get("href")
        elif tag == "a" and "href" in values:
            self.links.append(values)


def _html(url: str, source: str, index: str) -> list[File]:
    links = _Links()
    links.feed(source)
    found = []
    for link in links.links:
        try:
            full = urljoin(urljoin(url, links.base or ""), link["href"])
            parts = urlsplit(full)
        except ValueError:
            continue
        algorithm, _, digest = parts.fragment.partition("=")
        core = link.get("data-core-metadata", link.get("data-dist-info-metadata", ""))
        name = unquote(parts.path.rpartition("/")[2])
        found.append(_file(name, full.partition("#")[0], index, {algorithm: digest}, None, core.removeprefix("sha256=") or None))
    return [one for one in found if one is not None]


def _file(name: str, url: str, index: str, hashes: Mapping[str, str], size: int | None, metadata: str | None) -> File | None:
    """A file, without what is no hash; None for a name that no file has, or a URL that is none."""
    if not name or "/" in name or "\\" in name or urlsplit(url).scheme not in ("http", "https"):
        return None
    kept = tuple(
        sorted(
            (key.lower(), value.lower())
            for key, value in hashes.items()
            if _DIGEST.fullmatch(value.lower()) and key.lower() in hashlib.algorithms_available
        )
    )
    sha = metadata.lower() if isinstance(metadata, str) and re.fullmatch(r"[0-9a-fA-F]{64}", metadata) else None
    return File(name, public(url), index, kept, size if size is not None and size >= 0 else None, sha)


# ----------------------------------------------------------------------------------------------------------------- network


class _Redirects(HTTPRedirectHandler):
    """Credentials follow to the same host alone."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is None:
            return None
        if urlsplit(new.full_url).scheme not in ("http", "https"):
            raise URLError("a redirect to what is no web address")
        authorization = req.unredirected_hdrs.get("Authorization")
        if authorization and urlsplit(new.full_url)[:2] == urlsplit(req.full_url)[:2]:
            new.add_unredirected_header("Authorization", authorization)
        return new


class _Fetcher:
    """GET requests, with the credentials of the indexes' URLs or of netrc."""

    def __init__(self, urls: Iterable[str], environ: Mapping[str, str], home: str | None, certificate: str | None) -> None:
        self._users: dict[str, str] = {}
        for url in urls:
            parts = urlsplit(url)
            user, at, host = parts.netloc.rpartition("@")
            if at:
                self._users.setdefault(host, _expanded(unquote(user), environ))
        self._environ, self._home = environ, home
        self._netrc: Any = None
        self._netrc_read = False
        self._lock = threading.Lock()
        self._opener = self._made(certificate)

    def _made(self, certificate: str | None) -> OpenerDirector:
        environ = self._environ
        names = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
        files = [path for path in (certificate, *(environ.get(name) for name in names)) if path and os.path.exists(path)]
        context = ssl.create_default_context()
        if files:
            try:
                if os.path.isdir(files[0]):
                    context.load_verify_locations(capath=files[0])
                else:
                    context.load_verify_locations(cafile=files[0])
            except (OSError, ssl.SSLError):
                pass
        return build_opener(HTTPSHandler(context=context), ProxyHandler(), _Redirects())

    def _authorization(self, host: str) -> str | None:
        user = self._users.get(host)
        if user is None:
            with self._lock:
                if not self._netrc_read:
                    self._netrc, self._netrc_read = _netrc(self._environ, self._home), True
            found = self._netrc.authenticators(host.partition(":")[0]) if self._netrc is not None else None
            if not found:
                return None
            user = f"{found[0]}:{found[2]}"
        return "Basic " + base64.b64encode((user if ":" in user else f"{user}:").encode()).decode()

    def _open(self, url: str, **headers: str) -> Any:
        """An open answer. Raises LookupError where there is nothing, Trouble for everything else."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        request = Request(parts._replace(netloc=host).geturl(), headers=headers)
        request.add_header("User-Agent", "envdoctor")
        authorization = self._authorization(host)
        if authorization is not None:
            request.add_unredirected_header("Authorization", authorization)
        problem = ""
        for _ in range(TRIES):
            try:
                return self._opener.open(request, timeout=TIMEOUT)
            except HTTPError as error:
                error.close()
                if error.code in (404, 410):
                    raise LookupError(url) from None
                problem = f"{error.code} {error.reason}".strip()
                if error.code in (401, 403):
                    raise Trouble(f"{problem}: it asks for credentials") from None
                if error.code < 500 and error.code != 429:
                    break
            except (URLError, HTTPException, OSError, ValueError) as error:
                reason = getattr(error, "reason", None) or error
                problem = public(" ".join(str(getattr(reason, "strerror", None) or reason).split()))[:200]
                if isinstance(reason, ssl.SSLCertVerificationError):
                    problem = f"its certificate is not trusted: {reason.verify_message}"
                    break
        raise Trouble(problem or "no answer")

    def page(self, url: str) -> tuple[str, str, bytes]:
        """URL, media type and content of a page. Raises LookupError, Trouble."""
        try:
            with self._open(url, Accept=_ACCEPT, **{"Accept-Encoding": "gzip"}) as answer:
                data = _unpacked(answer, answer.headers)
                return answer.geturl(), answer.headers.get_content_type(), data
        except (HTTPException, OSError, zlib.error) as error:
            raise Trouble(f"its answer broke off: {error}") from None

    def digest(self, url: str) -> str:
        """sha256 of what a URL gives. Raises Trouble."""
        value, size = hashlib.sha256(), 0
        try:
            with self._open(url) as answer:
                while block := answer.read(1 << 20):
                    value.update(block)
                    size += len(block)
                    if size > MAX_FILE:
                        raise Trouble(f"larger than {MAX_FILE >> 30} GiB")
        except LookupError:
            raise Trouble("the file is gone") from None
        except (HTTPException, OSError) as error:
            raise Trouble(f"its answer broke off: {error}") from None
        return value.hexdigest()


class _Remote(io.RawIOBase):
    """A file of the web that is read in pieces, from a server that knows ranges; at most MAX_WHOLE bytes of one that does not.

    Raises Trouble, and LookupError where there is no such file.
    """

    PIECE = 1 << 17

    def __init__(self, fetcher: _Fetcher, url: str) -> None:
        super().__init__()
        self._fetcher, self._url = fetcher, url
        self._place = 0
        self._held: list[tuple[int, bytes]] = []
        self._size = self._first()

    def _first(self) -> int:
        """Fetches the end; the size of the file."""
        with self._fetcher._open(self._url, Range=f"bytes=-{self.PIECE}") as answer:
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
            data = answer.read(MAX_WHOLE + 1) if found is None or answer.status != 206 else answer.read(self.PIECE)
            if found is None or answer.status != 206:
                if len(data) > MAX_WHOLE:
                    raise Trouble("its server gives no parts of files, and it is large")
                self._held.append((0, data))
                return len(data)
        self._held.append((int(found[1]), data))
        return int(found[2])

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._size, self._place + size)
        if end <= self._place:
            return b""
        for start, data in self._held:
            if start <= self._place and end <= start + len(data):
                break
        else:
            start = self._place
            last = min(self._size, max(end, start + self.PIECE)) - 1
            if last - start > MAX_PAGE:
                raise Trouble("too much of it is needed")
            with self._fetcher._open(self._url, Range=f"bytes={start}-{last}") as answer:
                data = answer.read(last - start + 1)
            if answer.status != 206 or len(data) < end - start:
                raise Trouble("its answer broke off")
            self._held.append((start, data))
        found = data[self._place - start : end - start]
        self._place = end
        return found


def _unpacked(answer: Any, headers: Message) -> bytes:
    """The whole answer, bounded, gzip undone."""
    packed = headers.get("Content-Encoding", "").lower() == "gzip"
    worker = zlib.decompressobj(31) if packed else None
    parts: list[bytes] = []
    size = 0
    while block := answer.read(1 << 18):
        if worker is not None:
            block = worker.decompress(block, MAX_PAGE - size + 1)
        parts.append(block)
        size += len(block)
        if size > MAX_PAGE:
            raise Trouble(f"a page of more than {MAX_PAGE >> 20} MiB")
    return b"".join(parts)


def _netrc(environ: Mapping[str, str], home: str | None) -> Any:
    """The user's netrc, None where there is none that can be read."""
    import netrc

    places = [environ["NETRC"]] if environ.get("NETRC") else [f"{home}/.netrc", f"{home}/_netrc"] if home else []
    for path in places:
        try:
            return netrc.netrc(path)
        except (OSError, netrc.NetrcParseError, ValueError):
            continue
    return None


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    """``${NAME}`` replaced by the variable, as pip does."""
    return re.sub(r"\$\{([A-Z0-9_]+)\}", lambda match: environ.get(match[1], match[0]), text)
