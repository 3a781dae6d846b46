"""Who is told, and of what: as it is set for an account, and for the operator."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway import names
from gateway.notices.kinds import Kind

RECIPIENTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address or a URL, and the kinds that it wants."""

    to: str
    kinds: AbstractSet[Kind]


def parse_recipients(text: str) -> tuple[Recipient, ...]:
    """Read ``ops@contoso.example, https://contoso.example/hook low exhausted``.

    Each entry is an address or a URL, and then the kinds that it wants; without any, it wants all.
    Raises ValueError that says what is wrong.
    """
    entries = [entry.split() for entry in text.split(",")] if text.strip() else []
    if len(entries) > RECIPIENTS_MAX:
        raise ValueError(f"{len(entries)} recipients are more than {RECIPIENTS_MAX}")
    return tuple(_recipient(words) for words in entries)


def wanting(recipients: Iterable[Recipient], kinds: AbstractSet[Kind]) -> list[str]:
    """Give those who want any of these kinds, each once."""
    return list(dict.fromkeys(one.to for one in recipients if one.kinds & kinds))


def is_url(to: str) -> bool:
    """Tell a URL from an address."""
    return to.startswith(("http://", "https://"))


def _recipient(words: list[str]) -> Recipient:
    if not words:
        raise ValueError("a recipient is missing beside a comma")
    to, *kinds = words
    if is_url(to):
        _check_url(to)
    elif not names.ADDRESS.fullmatch(to):
        raise ValueError(f"{to!r} is neither a mail address nor an http(s) URL")
    for kind in kinds:
        if kind not in set(Kind):
            raise ValueError(f"{kind!r} is none of the kinds {', '.join(Kind)}")
    return Recipient(to, frozenset(map(Kind, kinds)) or frozenset(Kind))


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise ValueError(f"{url!r} is no URL: {error}") from error
    if not has_host or not url.isascii() or not url.isprintable():
        raise ValueError(f"{url!r} is no URL that can be called")
    if parts.username is not None or parts.fragment:
        raise ValueError(f"{url!r} must have neither login nor fragment")
