"""What the operator publishes: rate cards and plans, read at the start and whenever it is asked."""

import asyncio
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog

from gateway.config import Settings
from gateway.errors import BadInputError, Fault
from gateway.rating.case import Rules
from gateway.rating.number import read_country
from gateway.rating.plan import Plans, read_plans
from gateway.rating.ratecard import RateCard, read_cards

T = TypeVar("T")

_log = structlog.get_logger()


def load_rules(settings: Settings) -> Rules:
    """Read cards and plans. Raises BadInputError."""
    faults: list[Fault] = []
    cards = _read(faults, load_cards, *settings.rates.cards)
    plans = _read(faults, load_plans, settings.rates.plans)
    dialing = settings.dialing
    try:
        if dialing.country:
            read_country(dialing.country)
    except ValueError as error:
        faults.append(Fault("settings", "dialing.country", dialing.country, str(error)))
    if faults or cards is None or plans is None:
        raise BadInputError(faults)
    return Rules(
        cards=cards,
        plans=plans,
        country=dialing.country,
        international=dialing.international,
        slice_seconds=settings.calls.slice_seconds,
        free_on_fault=settings.calls.on_rating_fault == "free",
    )


def _read(faults: list[Fault], load: Callable[..., T], *files: Path) -> T | None:
    """Load files, or note what is wrong with them."""
    try:
        return load(*files)
    except BadInputError as error:
        faults += error.faults
        return None


def load_plans(file: Path) -> Plans:
    """Read plans. Raises BadInputError."""
    return read_plans(str(file), read_text(file))


def load_cards(*files: Path) -> RateCard:
    """Read cards that hold together. Raises BadInputError."""
    return read_cards(*((str(file), read_text(file)) for file in files))


def read_text(file: Path, encoding: str = "utf-8-sig") -> str:
    """Read a file, in UTF-8 if no other encoding is named. Raises BadInputError."""
    try:
        return file.read_text(encoding)
    except (OSError, UnicodeError) as error:
        raise BadInputError([Fault(str(file), "file", "", str(error))]) from error


def versions_folder(settings: Settings) -> Path:
    """Give the folder of every version of a card that was ever in use."""
    return settings.data_dir / "ratecards"


def keep_versions(cards: RateCard, folder: Path) -> None:
    """Keep each version, so that what a charge names can be read for ever (rule M8)."""
    folder.mkdir(parents=True, exist_ok=True)
    for version, text in cards.versions.items():
        file = folder / f"{version}.csv"
        if not file.exists() or file.stat().st_size != len(text.encode()):
            # Written aside: one that is half written, on a full disk, must not stay.
            aside = file.with_suffix(f".{os.getpid()}")
            aside.write_text(text, encoding="utf-8", newline="")
            aside.rename(file)


async def reload(settings: Settings, use: Callable[[Rules], None]) -> bool:
    """Read all anew, and tell whether it is used; what is wrong is said, and changes nothing.

    Calls that live go on by what they were allowed on.
    """
    try:
        rules = await asyncio.to_thread(load_rules, settings)
        await asyncio.to_thread(keep_versions, rules.cards, versions_folder(settings))
    except BadInputError as error:
        _log.error("rules.refused", faults=[str(fault) for fault in error.faults])
        return False
    except Exception as error:  # noqa: BLE001 - what is published must not end the calls
        _log.exception("rules.refused", faults=[str(error)])
        return False
    use(rules)
    gc.freeze()  # as at the start: no collection is to walk the cards
    versions, plans = sorted(rules.cards.versions), sorted(rules.plans.plans)
    _log.info("rules.loaded", versions=versions, plans=plans)
    return True
