"""Facts and reports that can be sent to strangers: no user names, host names, tokens or home folders. Pure.

Every text is looked at, not only those that are known to hold such things. The same name is replaced by the same word everywhere,
so that paths still lead to each other and a shared snapshot gives the same findings: ``/home/alice/env`` becomes
``/home/user/env``. Keys, numbers and the names of distributions stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from envdoctor.rules.pip.pip004_index_unsafe import KNOWN_EXTRA, PUBLIC

T = TypeVar("T", bound=msgspec.Struct)

_COMMON = frozenset(
    (
        "root", "user", "users", "admin", "administrator", "ubuntu", "debian", "centos", "runner", "vagrant", "docker",
        "jovyan", "conda", "mambauser", "python", "nobody", "guest", "test", "build", "builder", "ec2-user", "linuxbrew",
        "shared", "public", "default", "app", "work", "home", "opt", "usr", "lib", "bin", "tmp", "data", "site-packages",
    )
)  # fmt: skip
"""Names that tell nothing of a person, and those that are names of folders everywhere."""
_HOMES = re.compile(
    r"(?P<head>(?:^|(?<=[^\w.-]))(?:/home/|/Users/|/export/home/|[A-Za-z]:[\\/]+Users[\\/]+))(?P<name>[^/\\:;\s'\"<>|]+)"
)
_URL_HOST = re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]{1,20}://(?:[^/@\s'\"]*@)?)(?P<host>\[[0-9a-fA-F:]+\]|[^/:\s'\"?#,;)\]]+)")
_USER_OF_URL = re.compile(r"(?<=://)[^/@\s'\"]+@")
_SCP = re.compile(r"\b(?P<user>[\w.-]{1,64})@(?P<host>[\w-]{1,63}(?:\.[\w-]{1,63}){0,9}\.[A-Za-z]{2,24})\b")
_UNC = re.compile(r"(?<![\\\w])\\\\(?P<host>[\w.-]+)\\")
_QUERY = re.compile(r"(?<=[?&])([\w.-]*(?:token|key|sig|password|secret|credential)[\w.-]*)=[^&\s'\"]+", re.IGNORECASE)
_TOKENS = re.compile(
    r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_\w{16,}|pypi-[\w-]{40,}|sk-[\w-]{20,}|xox[abprs]-[\w-]{10,}"
    r"|AKIA[0-9A-Z]{12,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)|(?<=/t/)[\w-]{8,}(?=/)"
)
_PERSONAL = re.compile(r"SLURM_\w*(?:USER|ACCOUNT|HOST|NODELIST|NODENAME|PARTITION|NAME)|(?:USER|LOGNAME|USERNAME|HOSTNAME)$")
"""Variables that speak of people and machines."""
_PUBLIC = (
    "anaconda.org",
    "anaconda.com",
    "prefix.dev",
    "conda.io",
    "github.com",
    "githubusercontent.com",
    "gitlab.com",
    "bitbucket.org",
    "pythonhosted.org",
    "pytorch.org",
    "nvidia.com",
    "huggingface.co",
    "python.org",
    "readthedocs.io",
    "json-schema.org",
    "example.com",
    "example.org",
    "example",
    "localhost",
    "127.0.0.1",
)
"""Hosts that everybody uses; rules tell channels and indexes by them."""


class Cleaner:
    """Replaces what identifies people and machines, the same by the same.

    `homes` are home folders, `users` user names, `hosts` names of machines; in usual places they are found without being named.
    """

    def __init__(self, homes: Iterable[str] = (), users: Iterable[str] = (), hosts: Iterable[str] = ()) -> None:
        self.names: dict[str, str] = {}
        """Replaced user names."""
        self.hosts: dict[str, str] = {}
        """Replaced host names."""
        self.homes = sorted({home.rstrip("/\\") for home in homes if len(home.rstrip("/\\")) > 3}, key=len, reverse=True)
        self._home_patterns = {home: re.compile(rf"{re.escape(home)}(?=$|[/\\:;\s'\",)\]])") for home in self.homes}
        self.users = [user for user in dict.fromkeys(users) if len(user) > 1 and user.lower() not in _COMMON]
        for user in self.users:
            self._user(user)
        words = [re.escape(user) for user in self.users]
        self.user_words = re.compile(rf"(?<![\w])(?:{'|'.join(words)})(?![\w])") if words else None
        own = {part for host in hosts for part in (host, host.partition(".")[0]) if len(part) > 2 and part.lower() != "localhost"}
        ordered = sorted((part for part in own if part.lower() not in _COMMON and not part.isdigit()), key=len, reverse=True)
        for host in ordered:
            self._host(host)
        names = "|".join(map(re.escape, ordered))
        self.host_words = re.compile(rf"(?<![\w])(?:{names})(?![\w-])", re.IGNORECASE) if ordered else None

    # ------------------------------------------------------------------------------------------------------------ texts
    def text(self, value: str) -> str:
        """`value` without what identifies."""
        if len(value) < 3:
            return value
        if "/" in value or "\\" in value or "@" in value:
            value = self._paths(value)
        if self.host_words is not None:
            value = self.host_words.sub(lambda match: self._host(match[0]), value)
        return _TOKENS.sub("****", value)

    def _paths(self, value: str) -> str:
        if "://" in value:
            value = _QUERY.sub(r"\1=****", _USER_OF_URL.sub(lambda m: m[0] if m[0] in ("git@", "****@") else "****@", value))
            value = _URL_HOST.sub(lambda match: match["head"] + self._public(match["host"]), value)
        for home in self.homes:
            if home in value:
                value = self._home_patterns[home].sub(self._home(home).replace("\\", r"\\"), value)
        value = _HOMES.sub(lambda match: match["head"] + self._user(match["name"]), value)
        if "@" in value and "://" not in value:
            value = _SCP.sub(self._mail, value)
        value = _UNC.sub(lambda match: f"\\\\{self._host(match['host'])}\\", value)
        return value if self.user_words is None else self.user_words.sub(lambda match: self._user(match[0]), value)

    def _mail(self, match: re.Match[str]) -> str:
        user = "git" if match["user"] == "git" else self._user(match["user"])
        return f"{user}@{self._public(match['host'])}"

    def _home(self, home: str) -> str:
        """Another home folder in the place of one, of the same system."""
        if re.match(r"[A-Za-z]:|\\", home):
            return "C:\\Users\\user"
        return "/Users/user" if home.startswith("/Users/") else "/root" if home == "/root" else "/home/user"

    def _user(self, name: str) -> str:
        if name.lower() in _COMMON or name in self.names.values():
            return name
        if name not in self.names:
            self.names[name] = f"user{len(self.names) + 1}" if self.names else "user"
        return self.names[name]

    def _public(self, host: str) -> str:
        plain = host.lower()
        if plain in PUBLIC or plain in KNOWN_EXTRA or plain.endswith(".example") or plain == "****":
            return host
        if any(plain == known or plain.endswith(f".{known}") for known in _PUBLIC):
            return host
        return self._host(host)

    def _host(self, host: str) -> str:
        key = host.lower()
        if key not in self.hosts:
            self.hosts[key] = f"host{len(self.hosts) + 1}.example"
        return self.hosts[key]

    # ----------------------------------------------------------------------------------------------------------- values
    def value(self, value: Any) -> Any:
        """Plain values (of JSON), every text in them cleaned; keys stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.value(one) if key != "variables" else self._variables(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(one) for one in value]
        return value

    def _variables(self, variables: Any) -> Any:
        if not isinstance(variables, dict):
            return self.value(variables)
        found = {}
        for name, value in variables.items():
            found[name] = "****" if _PERSONAL.match(name) and value else self.value(value)
        return found

    def struct(self, value: T) -> T:
        """A snapshot, machine or report with its texts cleaned."""
        plain = self.value(msgspec.to_builtins(value))
        return msgspec.convert(plain, type(value))


def cleaner(variables: Iterable[dict[str, str]], homes: Iterable[str | None] = (), hosts: Iterable[str] = ()) -> Cleaner:
    """A cleaner for the user whose variables and home folder these are, and for machines of these names."""
    found = [home for home in homes if home]
    users: list[str] = []
    for one in variables:
        found += [one[name] for name in ("HOME", "USERPROFILE") if one.get(name)]
        users += [one[name] for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER") if one.get(name) and one[name] != "****"]
    # the last part of a home folder is a name, wherever homes are
    users += [last for home in found if (last := home.replace("\\", "/").rstrip("/").rpartition("/")[2])]
    return Cleaner(found, users, hosts)
