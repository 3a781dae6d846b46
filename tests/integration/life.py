"""The life of a gateway that is killed at a step that is chosen."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import ParamSpec, TypeVar, cast

T = TypeVar("T")
P = ParamSpec("P")

POLLED = "lease"  # is asked over and over, though there is nothing to do


@dataclass
class Life:
    """So many steps: the moments before its parts ask something of a peer, and after it."""

    steps: float = math.inf
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, part: T) -> T:
        """Give a part whose every question takes two steps."""
        return cast("T", _Mortal(part, self))

    async def step(self) -> None:
        """Take a step; after the last there is none, and it never returns."""
        if not self.steps:
            self.over.set()
            await asyncio.Event().wait()
        self.steps -= 1


@dataclass
class _Mortal:
    part: object
    life: Life

    def __getattr__(self, name: str) -> object:
        method = getattr(self.part, name)
        if name == POLLED or not iscoroutinefunction(method):
            return method
        return self._limited(method)

    def _limited(self, ask: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        async def limited(*arguments: P.args, **options: P.kwargs) -> T:
            await self.life.step()
            answer = await ask(*arguments, **options)
            await self.life.step()
            return answer

        return limited
