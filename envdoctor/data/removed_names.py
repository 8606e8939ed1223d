"""Names that well-known distributions removed, with the first version without them: only used to word a fix.

Source: the projects' changelogs, read 2026-11. Keys are (distribution, module, name); name None is the module itself.
"""

from __future__ import annotations

REMOVED: dict[tuple[str, str, str | None], str] = {
    ("setuptools", "pkg_resources", None): "82",
    ("huggingface-hub", "huggingface_hub", "cached_download"): "0.26",
    ("markupsafe", "markupsafe", "soft_unicode"): "2.1",
    ("jinja2", "jinja2", "Markup"): "3.1",
    ("jinja2", "jinja2", "escape"): "3.1",
    ("jinja2", "jinja2", "contextfilter"): "3.1",
    ("jinja2", "jinja2", "contextfunction"): "3.1",
    ("jinja2", "jinja2", "environmentfilter"): "3.1",
    ("jinja2", "jinja2", "evalcontextfilter"): "3.1",
    ("werkzeug", "werkzeug.urls", "url_quote"): "3.0",
    ("werkzeug", "werkzeug.urls", "url_encode"): "3.0",
    ("werkzeug", "werkzeug.urls", "url_decode"): "3.0",
    ("werkzeug", "werkzeug.urls", "url_parse"): "3.0",
    ("werkzeug", "werkzeug.urls", "url_join"): "3.0",
    ("flask", "flask", "_app_ctx_stack"): "2.3",
    ("flask", "flask", "_request_ctx_stack"): "2.3",
    ("flask", "flask", "Markup"): "3.0",
    ("flask", "flask", "escape"): "3.0",
    ("itsdangerous", "itsdangerous", "json"): "2.1",
    ("itsdangerous", "itsdangerous", "TimedJSONWebSignatureSerializer"): "2.1",
}
