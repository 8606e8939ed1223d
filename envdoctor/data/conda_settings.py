"""What conda takes for each of its settings: kind of value, other names, first release.

Source: ``conda/base/context.py`` (``Context``) and ``conda/common/configuration.py`` of conda 24.7.1, as vendored in the wheel of
conda-lock 4.0.3, against whose own validation ``tests/collect/test_condarc_types.py`` holds this table; settings with ``since``
from later releases up to 26.7.1 (``conda config --show``). Read 2026-11-23.
"""

from __future__ import annotations

from typing import Literal

from envdoctor.tuples import NamedTuple

Kind = Literal[
    "bool", "bool?", "int", "float", "text", "text?", "text|bool", "bool|int", "choice", "list", "map", "map of lists",
    "list of maps",
]  # fmt: skip
"""With ``?``: or nothing."""


class Setting(NamedTuple):
    """A setting of conda."""

    kind: Kind
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    """Of a ``choice``: what it may be; conda also takes the names of its constants (upper case)."""
    constants: tuple[str, ...] = ()
    since: tuple[int, int] | None = None
    """First release that reads it, of those later than 24.7; earlier ones pass it over."""
    expands: bool = False
    """Variables in it are filled in."""


_BOOL = (
    "add_pip_as_python_dependency allow_conda_downgrades allow_cycles allow_non_channel_urls allow_softlinks changeps1 clobber "
    "dev download_only dry_run enable_private_envs envvars_force_uppercase extra_safety_checks force force_32bit force_reinstall "
    "force_remove ignore_pinned json no_lock no_plugins non_admin_enabled notify_outdated_conda offline "
    "override_channels_enabled quiet register_envs repodata_use_zst rollback_enabled separate_format_cache shortcuts "
    "solver_ignore_timestamps unsatisfiable_hints use_index_cache use_local"
)
_LIST = (
    "aggressive_update_packages create_default_packages experimental migrated_channel_aliases pinned_packages repodata_fns "
    "subdirs track_features"
)
SETTINGS: dict[str, Setting] = {
    **{name: Setting("bool") for name in _BOOL.split()},
    **{name: Setting("list") for name in _LIST.split()},
    "add_anaconda_token": Setting("bool", ("add_binstar_token",)),
    "allowlist_channels": Setting("list", ("whitelist_channels",), expands=True),
    "always_copy": Setting("bool", ("copy",)),
    "always_softlink": Setting("bool", ("softlink",)),
    "always_yes": Setting("bool?", ("yes",)),
    "anaconda_upload": Setting("bool?", ("binstar_upload",)),
    "auto_activate": Setting("bool", ("auto_activate_base",)),
    "auto_stack": Setting("int"),
    "auto_update_conda": Setting("bool", ("self_update",)),
    "bld_path": Setting("text"),
    "channel_alias": Setting("text", expands=True),
    "channel_priority": Setting(
        "choice", choices=("strict", "flexible", "disabled"), constants=("STRICT", "FLEXIBLE", "DISABLED")
    ),
    "channel_settings": Setting("list of maps"),
    "channels": Setting("list", ("channel",), expands=True),
    "client_ssl_cert": Setting("text?", ("client_cert",), expands=True),
    "client_ssl_cert_key": Setting("text?", ("client_cert_key",), expands=True),
    "conda_build": Setting("map", ("conda-build",)),
    "console": Setting("text", since=(24, 11)),
    "croot": Setting("text"),
    "custom_channels": Setting("map", expands=True),
    "custom_multichannels": Setting("map of lists", expands=True),
    "debug": Setting("bool"),
    "default_activation_env": Setting("text", since=(25, 3)),
    "default_channels": Setting("list", expands=True),
    "default_python": Setting("text?"),
    "default_threads": Setting("int"),
    "denylist_channels": Setting("list", since=(24, 9), expands=True),
    "deps_modifier": Setting(
        "choice", choices=("not_set", "no_deps", "only_deps"), constants=("NOT_SET", "NO_DEPS", "ONLY_DEPS")
    ),
    "disallowed_packages": Setting("list", ("disallow",)),
    "env_prompt": Setting("text"),
    "environment_specifier": Setting("text?", ("env_spec",), since=(25, 9)),
    "envs_dirs": Setting("list", ("envs_path",), expands=True),
    "error_upload_url": Setting("text"),
    "execute_threads": Setting("int"),
    "export_platforms": Setting("list", ("extra_platforms",), since=(25, 7)),
    "fetch_threads": Setting("int"),
    "list_fields": Setting("list", since=(25, 9)),
    "local_repodata_ttl": Setting("bool|int"),
    "migrated_custom_channels": Setting("map", expands=True),
    "number_channel_notices": Setting("int"),
    "override_virtual_packages": Setting("map", since=(26, 1)),
    "path_conflict": Setting("choice", choices=("clobber", "warn", "prevent")),
    "pip_interop_enabled": Setting("bool", ("prefix_data_interoperability",)),
    "pkgs_dirs": Setting("list", expands=True),
    "preview": Setting("list", since=(26, 3)),
    "protect_frozen_envs": Setting("bool", since=(25, 7)),
    "proxy_servers": Setting("map", expands=True),
    "remote_backoff_factor": Setting("int"),
    "remote_connect_timeout_secs": Setting("float"),
    "remote_max_retries": Setting("int"),
    "remote_read_timeout_secs": Setting("float"),
    "repodata_threads": Setting("int"),
    "repodata_use_shards": Setting("bool", since=(26, 3)),
    "report_errors": Setting("bool?"),
    "root_prefix": Setting("text", ("root_dir",)),
    "safety_checks": Setting("choice", choices=("disabled", "warn", "enabled")),
    "sat_solver": Setting(
        "choice", choices=("pycosat", "pycryptosat", "pysat"), constants=("PYCOSAT", "PYCRYPTOSAT", "PYSAT")
    ),
    "shortcuts_only": Setting("list", expands=True),
    "show_channel_urls": Setting("bool?"),
    "signing_metadata_url_base": Setting("text?"),
    "solver": Setting("text", ("experimental_solver",)),
    "ssl_verify": Setting("text|bool", ("verify_ssl",), expands=True),
    "subdir": Setting("text"),
    "target_prefix_override": Setting("text"),
    "trace": Setting("bool"),
    "unsatisfiable_hints_check_depth": Setting("int"),
    "update_modifier": Setting(
        "choice",
        choices=("specs_satisfied_skip_solve", "freeze_installed", "update_deps", "update_specs", "update_all"),
        constants=("SPECS_SATISFIED_SKIP_SOLVE", "FREEZE_INSTALLED", "UPDATE_DEPS", "UPDATE_SPECS", "UPDATE_ALL"),
    ),
    "use_only_tar_bz2": Setting("bool?"),
    "verbosity": Setting("int", ("verbose",)),
    "verify_threads": Setting("int"),
}  # fmt: skip
CALLED: dict[str, str] = {name: name for name in SETTINGS} | {
    alias: name for name, setting in SETTINGS.items() for alias in setting.aliases
}
"""Each name under which a setting may be written, to its own."""
LATER_PAIRS = frozenset((("auto_activate", "auto_activate_base"), ("pip_interop_enabled", "prefix_data_interoperability")))
"""Names of one setting that are two to releases before they were joined, so that files may well have both."""
_LIBMAMBA = (
    "add_pip_as_python_dependency allow_softlinks always_copy always_softlink always_yes changeps1 channel_alias "
    "channel_priority channels create_default_packages custom_channels custom_multichannels default_channels default_threads "
    "envs_dirs extra_safety_checks json local_repodata_ttl offline override_channels_enabled pinned_packages pkgs_dirs "
    "proxy_servers quiet register_envs remote_backoff_factor remote_connect_timeout_secs remote_max_retries repodata_use_zst "
    "root_prefix safety_checks ssl_verify use_only_tar_bz2 verbosity"
)
LIBMAMBA = frozenset(_LIBMAMBA.split())
"""Those that mamba 2 and micromamba read, too (``libmamba/src/api/configuration.cpp``)."""
