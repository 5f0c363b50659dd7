"""What turns docs/ and docstrings into the pages of the site: a hook of mkdocs, and an extension of griffe."""

from __future__ import annotations

import re
from typing import Any

import griffe

_OUTSIDE = re.compile(r"(!?)\[([^\]]+)\]\((?:\.\./)+([^)#]+)(?:#[^)]*)?\)")
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`~?([^`]+)`")
_SETTINGS = "<!-- settings -->"
_ESCAPED = str.maketrans({"|": "\\|", "<": "&lt;"})


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page as mkdocs is to have it.

    Files outside docs/ are on no page: links to them become their names. The settings are filled in from the one place
    that has them.
    """
    depth = page.file.src_uri.count("/")
    outside = "../" * (depth + 1)

    def named(link: re.Match[str]) -> str:
        is_outside = link[0].partition("](")[2].startswith(outside)
        return f"{link[2]} (`{link[3]}` in the repository)" if is_outside and not link[1] else link[0]

    markdown = _OUTSIDE.sub(named, markdown)
    return markdown.replace(_SETTINGS, _settings()) if _SETTINGS in markdown else markdown


def _settings() -> str:
    from impasto.request import options

    rows = ["| setting | type | default | range | engine | what |", "|---|---|---|---|---|---|"]
    for option in options():
        bounds = ", ".join(option.choices)
        if option.minimum is not None and option.maximum is not None:
            bounds = f"{option.minimum:g} to {option.maximum:g} {option.unit}".strip()
        default = "" if option.default is None else f"`{option.default}`"
        cells = (f"`{option.name}`", option.type.__name__, default, bounds, option.group or "every", option.help)
        rows.append(f"| {' | '.join(str(cell).translate(_ESCAPED) for cell in cells)} |")
    return "\n".join(rows)


class Docstrings(griffe.Extension):
    """Docstrings name classes and functions by roles and show sessions as they are; the site is in Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = _markdown(obj.docstring.value)

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        # A setting's default is what signatures show, not its bounds and help.
        if isinstance(attr.value, griffe.ExprCall) and attr.value.canonical_name == "option":
            attr.value = attr.value.arguments[1]  # type: ignore[assignment]


def _markdown(text: str) -> str:
    lines: list[str] = []
    is_session = False
    # What is indented after "::" is shown as it is, which Markdown does by the indentation alone.
    for line in _ROLE.sub(r"`\1`", text).replace("\n::\n", "\n").splitlines():
        if line.startswith(">>> ") and not is_session:
            lines += ["", "```pycon"]
            is_session = True
        elif is_session and not line.strip():
            lines.append("```")
            is_session = False
        lines.append(line)
    return "\n".join([*lines, "```"] if is_session else lines)
