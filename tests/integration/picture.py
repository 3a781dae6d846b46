"""All that a store knows of an account, in a form that two stores can be compared by."""

import re
from typing import Any

from gateway.ledger.audit import audit
from tests.conftest import Store
from tests.integration.books import PARTS, Books

Picture = dict[str, object]

# A moment of the store's clock, also within the name of a lot or as the id of an entry; and a
# fingerprint of arguments, which may be of moments.
_MOMENT = re.compile(r"\b(?:\d{13}(?:-\d+)?|[0-9a-f]{40})\b")


async def picture(at: Books) -> Picture:
    """Give all that the store knows of an account, its entries and events too, less the times."""
    redis: Any = at.store.redis
    shard = at.store.store.account(at.account).shard
    read = {
        "hash": redis.hgetall,
        "set": redis.smembers,
        "list": lambda key: redis.lrange(key, 0, -1),
        "zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
    }
    found: Picture = {}
    async for key in redis.scan_iter(match=f"*:{at.account}*"):
        cells = await read[await redis.type(key)](key)
        ordered = sorted(cells.items() if isinstance(cells, dict) else cells)
        found[key] = timeless((ordered, await redis.ttl(key) > 0))
    for stream in (shard.journal, shard.events):
        found[stream] = [timeless(entry) for entry in await entries(at, stream)]
    live = sorted(await redis.smembers(shard.live))
    found[shard.live] = [name for name in live if name.startswith(f"{at.account}/")]
    return found


async def entries(at: Books, stream: str) -> list[dict[str, str]]:
    """Give an account's entries of a stream."""
    redis: Any = at.store.redis
    every = [fields for _, fields in await redis.xrange(stream)]
    return [fields for fields in every if fields["account"] == at.account]


async def differences(store: Store) -> list[str]:
    """Give what an audit of all that is there finds."""
    found = await audit(store.store)
    assert found.accounts
    return found.differences


async def parts(at: Books) -> tuple[int, ...]:
    """Give what there is of each part."""
    statement = await at.statement()
    return tuple(getattr(statement, part) for part in PARTS)


def timeless(value: object) -> str:
    return _MOMENT.sub("T", repr(value))
