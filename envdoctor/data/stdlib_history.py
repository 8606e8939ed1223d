"""Modules and names that left Python's standard library, with the version without them.

Source: "Removed" sections of https://docs.python.org/3/whatsnew/ up to 3.15, and PEP 594, 632. Read 2026-11. A row here
makes a candidate only: where the target's own standard library can be read, it decides.
"""

from __future__ import annotations

MODULES: dict[str, tuple[int, int]] = {
    # Python 2 names
    **dict.fromkeys(
        [
            "BaseHTTPServer",
            "CGIHTTPServer",
            "ConfigParser",
            "Cookie",
            "HTMLParser",
            "Queue",
            "SimpleHTTPServer",
            "SocketServer",
            "StringIO",
            "Tkinter",
            "UserDict",
            "UserList",
            "UserString",
            "__builtin__",
            "anydbm",
            "cPickle",
            "cStringIO",
            "commands",
            "cookielib",
            "copy_reg",
            "dummy_thread",
            "exceptions",
            "htmlentitydefs",
            "httplib",
            "md5",
            "popen2",
            "robotparser",
            "sets",
            "sha",
            "tkMessageBox",
            "urllib2",
            "urlparse",
            "whichdb",
            "xmlrpclib",
        ],
        (3, 0),
    ),
    # 3.8 to 3.11
    "macpath": (3, 8),
    "dummy_threading": (3, 9),
    "_dummy_thread": (3, 9),
    "formatter": (3, 10),
    "macurl2path": (3, 10),
    "parser": (3, 10),
    "symbol": (3, 10),
    "binhex": (3, 11),
    # 3.12
    "asynchat": (3, 12),
    "asyncore": (3, 12),
    "distutils": (3, 12),
    "imp": (3, 12),
    "smtpd": (3, 12),
    # 3.13: PEP 594 and lib2to3
    **dict.fromkeys(
        [
            "aifc",
            "audioop",
            "cgi",
            "cgitb",
            "chunk",
            "crypt",
            "imghdr",
            "lib2to3",
            "mailcap",
            "msilib",
            "nis",
            "nntplib",
            "ossaudiodev",
            "pipes",
            "sndhdr",
            "spwd",
            "sunau",
            "telnetlib",
            "uu",
            "xdrlib",
        ],
        (3, 13),
    ),
}
"""Top-level module to the first X.Y without it."""

REPLACEMENTS: dict[str, str] = {
    "aifc": "standard-aifc",
    "asynchat": "pyasynchat",
    "asyncore": "pyasyncore",
    "audioop": "audioop-lts",
    "cgi": "legacy-cgi",
    "cgitb": "legacy-cgi",
    "chunk": "standard-chunk",
    "distutils": "setuptools",
    "imghdr": "standard-imghdr",
    "imp": "zombie-imp",
    "mailcap": "standard-mailcap",
    "nntplib": "standard-nntplib",
    "pipes": "standard-pipes",
    "sndhdr": "standard-sndhdr",
    "sunau": "standard-sunau",
    "telnetlib": "standard-telnetlib",
    "uu": "standard-uu",
    "xdrlib": "standard-xdrlib",
}
"""Module to a distribution that provides it again under the same import name."""

_ABSTRACT = (
    "AsyncGenerator AsyncIterable AsyncIterator Awaitable ByteString Callable Collection Container Coroutine "
    "Generator Hashable ItemsView Iterable Iterator KeysView Mapping MappingView MutableMapping MutableSequence "
    "MutableSet Reversible Sequence Set Sized ValuesView "
)

NAMES: dict[str, dict[str, tuple[int, int]]] = {
    "ast": dict.fromkeys(["Num", "Str", "Bytes", "NameConstant", "Ellipsis"], (3, 14)),
    "asyncio": {
        "coroutine": (3, 11),
        **dict.fromkeys(
            [
                "AbstractChildWatcher",
                "SafeChildWatcher",
                "FastChildWatcher",
                "MultiLoopChildWatcher",
                "ThreadedChildWatcher",
                "PidfdChildWatcher",
                "get_child_watcher",
                "set_child_watcher",
            ],
            (3, 14),
        ),
    },
    "base64": dict.fromkeys(["encodestring", "decodestring"], (3, 9)),
    "binascii": dict.fromkeys(["a2b_hqx", "b2a_hqx", "rlecode_hqx", "rledecode_hqx"], (3, 11)),
    "cgi": dict.fromkeys(["escape", "parse_qs", "parse_qsl"], (3, 8)),
    "collections": dict.fromkeys(_ABSTRACT.split(), (3, 10)),
    "configparser": {"SafeConfigParser": (3, 12)},
    "fractions": {"gcd": (3, 9)},
    "gettext": dict.fromkeys(["lgettext", "ldgettext", "lngettext", "ldngettext", "bind_textdomain_codeset"], (3, 11)),
    "importlib": {"find_loader": (3, 12)},
    "importlib.abc": {"Finder": (3, 12), "ResourceReader": (3, 14), "Traversable": (3, 14), "TraversableResources": (3, 14)},
    "inspect": {"getargspec": (3, 11), "formatargspec": (3, 11), "getmoduleinfo": (3, 6)},
    "itertools": dict.fromkeys(["izip", "imap", "ifilter", "izip_longest", "ifilterfalse"], (3, 0)),
    "locale": {"format": (3, 12), "resetlocale": (3, 13)},
    "os": {"errno": (3, 7), "getcwdu": (3, 0)},
    "pkgutil": {"ImpImporter": (3, 12), "ImpLoader": (3, 12), "find_loader": (3, 14), "get_loader": (3, 14)},
    "platform": dict.fromkeys(["linux_distribution", "dist", "popen"], (3, 8)),
    "re": dict.fromkeys(["template", "TEMPLATE"], (3, 13)),
    "sqlite3": {"OptimizedUnicode": (3, 11), "enable_shared_cache": (3, 12)},
    "ssl": dict.fromkeys(["wrap_socket", "match_hostname", "RAND_pseudo_bytes"], (3, 12)),
    "string": dict.fromkeys(["maketrans", "letters", "lowercase", "uppercase", "joinfields"], (3, 0)),
    "time": {"clock": (3, 8)},
    "typing": {"io": (3, 13), "re": (3, 13)},
    "unittest": dict.fromkeys(["_TextTestResult", "makeSuite", "findTestCases", "getTestCaseNames"], (3, 13)),
    "urllib": dict.fromkeys(
        ["urlencode", "quote", "quote_plus", "unquote", "unquote_plus", "urlopen", "urlretrieve", "pathname2url"], (3, 0)
    ),
    "xml.etree": {"cElementTree": (3, 9)},
}
"""Module to names that it lost, with the first X.Y without them."""

SUBMODULES: dict[str, tuple[int, int]] = {
    "xml.etree.cElementTree": (3, 9),
    "asyncio.compat": (3, 7),
    "lib2to3": (3, 13),
}
"""Dotted modules that are gone though their package is there."""
