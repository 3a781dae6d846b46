"""Send operations that come at the same time together: one write, one reply, one sync to disk."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import NoScriptError, RedisError

from gateway.ledger.scripts import Script

# One that the store works on, and one that is written or read here.
UNDER_WAY_MAX = 2

Command = tuple[Script, Sequence[str], Sequence[str | int]]


class _Batch:
    """Commands, and their answers in the same order; an error may stand for an answer."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.answers: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()


class Batches:
    """Two batches are under way at most; what comes meanwhile makes up the next."""

    def __init__(self, redis: Redis) -> None:
        """Use a client that does not repeat commands."""
        self._redis = redis
        self._turns = asyncio.Semaphore(UNDER_WAY_MAX)
        self._filling: _Batch | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, command: Command) -> Any:  # noqa: ANN401 - as wide as the client's own type
        """Run one operation and give its answer. Raises RedisError and OSError."""
        batch = self._filling
        if batch is None:
            batch = self._filling = _Batch()
            # A batch belongs to all who wait for it: if one of them carried it, his giving up would
            # break it off for the others, and a store that is slow would never be heard again. It
            # ends by itself, within the client's time-outs.
            task = asyncio.create_task(self._carry(batch))  # noqa: TID251 - as said above
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        place = len(batch.commands)
        batch.commands.append(command)
        answer = (await asyncio.shield(batch.answers))[place]
        if isinstance(answer, NoScriptError):
            script, keys, arguments = command
            answer = await self._redis.eval(script.text, len(keys), *keys, *arguments)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def _carry(self, batch: _Batch) -> None:
        """Send a batch in its turn, and give out the answers."""
        answers: list[Any] | None = None
        try:
            async with self._turns:
                self._filling = None
                answers = await self._send(batch.commands)
        except (RedisError, OSError) as error:
            answers = [error] * len(batch.commands)
        finally:
            if self._filling is batch:
                self._filling = None
            # Whether the store did what was sent is unknown: each asks again by itself.
            unknown = StoreConnectionError("the batch was broken off")
            batch.answers.set_result(answers or [unknown] * len(batch.commands))

    async def _send(self, commands: list[Command]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for script, keys, arguments in commands:
                pipe.evalsha(script.digest, len(keys), *keys, *arguments)
            return list(await pipe.execute(raise_on_error=False))
