"""Renders mails: one template a kind, and a layout for each form."""

import textwrap

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.notices.notice import Notice

_WIDTH = 76


def render(notice: Notice) -> tuple[str, str, str]:
    """Give subject, text and HTML."""
    name, words = f"{notice.kind}.jinja", notice.words
    of_text = _TEXT.get_template(name)
    subject = "".join(of_text.blocks["subject"](of_text.new_context(words)))
    html = _HTML.get_template(name).render(words, layout="layout.html")
    return " ".join(subject.split()), of_text.render(words, layout="layout.txt"), html


def _environment(*, is_html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("gateway.notices"),
        autoescape=is_html,  # noqa: S701 - text has nothing to escape
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        filled=_filled, words=lambda code: code.replace("_", " "), minutes=_minutes
    )
    return environment


def _filled(text: str) -> str:
    """Break a paragraph into lines, but no name or number."""
    line = " ".join(text.split())
    return textwrap.fill(line, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _minutes(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


_TEXT, _HTML = _environment(is_html=False), _environment(is_html=True)
