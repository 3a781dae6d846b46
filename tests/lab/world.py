import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from tests.lab import sipp
from tests.lab.asterisk import Pbx
from tests.lab.gateway import Client
from tests.lab.ports import Ports
from tests.lab.provider import Charge, Orders
from tests.lab.sipp import Caller, Calls, FarEnd


class Bank(Protocol):
    """What scenes need of a payment provider."""

    async def order(self, orders: Orders) -> None:
        """Say what to do with the charges to come."""

    async def charges_of(self, account: str) -> list[Charge]: ...


class World:
    """A telephone world: a PBX, callers, a far end, a payment provider, a gateway.

    What it has started ends with it, also when it is killed.
    Its folder is kept when it fails, until a later world takes its ports.
    """

    asterisk: Pbx
    far_end: FarEnd
    provider: Bank
    gateway: Client
    folder: Path

    def __init__(self, *, port_blocks: int = 1) -> None:
        self._port_blocks = port_blocks
        self._stack = AsyncExitStack()
        self._groups = 0
        self._sip_port = 0

    async def __aenter__(self) -> Self:
        try:
            self._ports = Ports.claim(self._port_blocks)
            self._stack.callback(self._ports.release)
            self.folder = self._ports.folder
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    async def call(
        self,
        number: str,
        caller: Caller | None = None,
        *,
        count: int = 1,
        rate: int = sipp.AT_ONCE,
    ) -> Calls:
        """Let callers dial a number, all at once or so many a second."""
        self._groups += 1
        calls = await sipp.call(
            number,
            caller or Caller(),
            count=count,
            rate=rate,
            sip_port=self._sip_port,
            own_port=self._ports.take(),
            media_port=self._ports.take(),
            folder=self.folder / f"calls-{self._groups}",
        )
        self._stack.push_async_callback(calls.stop)
        return calls

    async def dial_out(
        self, number: str, *, room: str, account: str, user: str, country: str = ""
    ) -> None:
        """Add a number to a conference, as its organizer does."""
        await self.asterisk.originate(
            f"Local/{number}@coinbox-conf-out/n",
            room=room,
            variables={
                "COINBOX_ACCOUNT": account,
                "COINBOX_USER": user,
                "COINBOX_COUNTRY": country,
            },
        )

    async def _start(self) -> None:
        """Start its parts, and say where the PBX takes calls."""
        raise NotImplementedError
