"""Send operations that come at the same time together: one write, one reply, one sync to disk."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import NoScriptError

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

    async def run(self, command: Command) -> Any:  # noqa: ANN401 - as wide as the client's own type
        """Run one operation and give its answer. Raises RedisError and OSError.

        The first of a batch sends it for all.
        """
        batch = self._filling
        if batch is not None:
            place = len(batch.commands)
            batch.commands.append(command)
            answers = await asyncio.shield(batch.answers)
        else:
            place = 0
            answers = await self._lead(command)
        answer = answers[place]
        if isinstance(answer, NoScriptError):
            script, keys, arguments = command
            answer = await self._redis.eval(script.text, len(keys), *keys, *arguments)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def _lead(self, command: Command) -> list[Any]:
        batch = self._filling = _Batch()
        batch.commands.append(command)
        try:
            async with self._turns:
                self._filling = None
                answers = await self._send(batch.commands)
        except BaseException as error:
            # Whether the store did what was sent is unknown: each asks again by itself.
            unknown = StoreConnectionError(f"the batch was broken off: {error!r}")
            batch.answers.set_result([unknown] * len(batch.commands))
            raise
        finally:
            if self._filling is batch:
                self._filling = None
        batch.answers.set_result(answers)
        return answers

    async def _send(self, commands: list[Command]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for script, keys, arguments in commands:
                pipe.evalsha(script.digest, len(keys), *keys, *arguments)
            return list(await pipe.execute(raise_on_error=False))
