"""The Lua operations, loaded from their files, and run by their digest."""

from hashlib import sha1
from importlib.resources import files

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

_FOLDER = files("gateway.ledger") / "lua"
_PRELUDE = (_FOLDER / "prelude.lua").read_text()


class Script:
    """One operation: the prelude and its own file."""

    def __init__(self, name: str) -> None:
        """Read the operation's file."""
        self.text = f"{_PRELUDE}\n{(_FOLDER / f'{name}.lua').read_text()}"
        # The digest is the name that Redis gives a script, not a safeguard.
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: list[str], arguments: list[str | int]) -> str:
        """Run it; a server that does not know it (new, or flushed) is given its text."""
        try:
            answer = await redis.evalsha(self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            answer = await redis.eval(self.text, len(keys), *keys, *arguments)
        return str(answer)


OPEN_ACCOUNT = Script("open_account")
GRANT = Script("grant")
HOLD = Script("hold")
EXTEND = Script("extend")
SETTLE = Script("settle")
VOID = Script("void")
FAIL_RECHARGE = Script("fail_recharge")
