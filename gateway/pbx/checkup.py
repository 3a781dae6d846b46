"""Check what a PBX has for the gateway; see ``coinbox doctor``.

It logs in beside the gateway, as the same user. It only asks, and has the PBX run what the dialplan
has for it, so that it is nothing to live calls, to the ledger, or to a gateway that runs.
"""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.metadata import version

from panoramisk.message import Message

from gateway import config
from gateway.calls.ports import PbxUnavailableError
from gateway.config import Settings
from gateway.pbx import findings, variables
from gateway.pbx.ami import LOGIN_SECONDS_MAX
from gateway.pbx.ami_session import AmiSession, open_session
from gateway.pbx.findings import Finding, Login

MODULES = (
    *("pbx_config.so", "res_speech.so", "res_agi.so"),
    *("app_chanspy.so", "app_confbridge.so", "app_dial.so", "app_exec.so", "app_originate.so"),
    *("app_playback.so", "app_read.so", "app_stack.so", "app_userevent.so"),
    *("func_callerid.so", "func_channel.so", "func_cut.so", "func_db.so", "func_dialplan.so"),
    *("func_global.so", "func_groupcount.so", "func_logic.so", "func_strings.so"),
    "func_timeout.so",
)
"""What the contexts of ``dialplan/`` are made of."""

# Longer than the dialplan waits for a gateway.
_RUN_SECONDS_MAX = 8.0


async def check_up(settings: Settings, name: str) -> list[Finding]:
    """Check a PBX of the settings, as far as it lets us."""
    pbx = settings.pbx[name]
    secret = config.known_ami_secret(settings, pbx)
    kept = f"pbx.{name}.secret" if pbx.secret else str(config.ami_secret_file(settings))
    login = Login(name, f"{pbx.host}:{pbx.port}", pbx.username, kept)
    if not secret:
        return [login.unknown_secret(config.ami_secret_file(settings).absolute())]
    found: list[Finding] = []
    try:
        async with open_session(pbx.host, pbx.port) as session:
            async for finding in _Checkup(session, login, secret).run():
                found.append(finding)  # noqa: PERF401 - what was found before a failure is kept
    except OSError as error:
        found.append(login.unreachable(str(error) or f"no answer within {LOGIN_SECONDS_MAX:g} s"))
    except PbxUnavailableError as error:
        found.append(login.silent(str(error)))
    return found


@dataclass(slots=True)
class _Checkup:
    """The checks on one session, in their order: what is wrong with one may explain the next."""

    session: AmiSession
    login: Login
    secret: str
    # What the user may do, as the PBX lists it.
    actions: Message = field(default_factory=lambda: Message({}))

    async def run(self) -> AsyncIterator[Finding]:
        """Log in, and go on if that is allowed."""
        action = {"Action": "Login", "Username": self.login.user, "Secret": self.secret}
        [reply] = await self.session.ask(action, LOGIN_SECONDS_MAX)
        if not reply.success:
            yield self.login.refused(reply.message, self.session.own_address)
            return
        booted = await self.session.heard(lambda event: event.event == "FullyBooted")
        yield self.login.boot(told=booted is not None)
        [self.actions] = await self.session.ask({"Action": "ListCommands"})
        yield self.login.rights(self.actions)
        yield await self._clock()
        yield await self._modules()
        async for finding in self._dialplan():
            yield finding

    async def _clock(self) -> Finding:
        sent = time.time()
        [reply] = await self.session.ask({"Action": "Ping"})
        told = float(reply.timestamp)
        # It was told between the two.
        return findings.clock(min(max(told - time.time(), 0.0), told - sent))

    async def _modules(self) -> Finding:
        if "ModuleCheck" not in self.actions:
            return findings.not_checked("modules", "ModuleCheck")
        states = {}
        for module in MODULES:
            [reply] = await self.session.ask({"Action": "ModuleCheck", "Module": module})
            states[module] = bool(reply.success)
        return findings.modules(states)

    async def _dialplan(self) -> AsyncIterator[Finding]:
        """Check what the dialplan tells of itself, and what it names."""
        if "Originate" not in self.actions:
            yield findings.not_checked("dialplan", "Originate")
            return
        if not await self._runs():
            yield findings.not_loaded()
            return
        told = await self._told()
        if told is None:
            yield self.login.untold(f"the dialplan's {variables.LEG_EVENT} does not arrive")
            return
        events = tuple(self.session.events)
        yield findings.dialplan(told.version, version("coinbox"))
        yield self.login.name_there(told.pbx)
        yield findings.emergency(told.country, is_known=told.emergency == "1")
        async for finding in self._gateways(told.gateways):
            yield finding
        yield await self._trunk(told.trunk)
        yield findings.times(told.timestamp)
        # Last, as it changes what this session hears.
        yield self.login.events(events, hears_of_calls=await self._hears_of_calls())

    async def _runs(self, gateway: str = "") -> bool:
        """Let the PBX run its checkup, or ask a gateway there; tell whether it came to its end."""
        self.session.events.clear()
        action = {
            "Action": "Originate",
            "Channel": f"Local/{'gateway' if gateway else 's'}@{variables.DOCTOR}/n",
            "Application": "Hangup",
            "Variable": f"{variables.GATEWAY}={gateway}",
            # So the reply comes when the channel is answered, or is gone.
            "Async": "false",
            "Timeout": f"{_RUN_SECONDS_MAX * 1000:.0f}",
        }
        [reply] = await self.session.ask(action, _RUN_SECONDS_MAX + 1)
        return bool(reply.success)

    async def _told(self, gateway: str = "") -> Message | None:
        """Wait for what the dialplan tells in this."""
        return await self.session.heard(
            lambda event: (
                event.userevent == variables.LEG_EVENT
                and event.state == variables.DOCTOR_STATE
                and event.gateway == gateway
            )
        )

    async def _gateways(self, listed: str) -> AsyncIterator[Finding]:
        """Let the PBX ask each of its gateways."""
        told = {
            url: await self._told(url) if await self._runs(url) else None
            for url in listed.split("&")
            if url
        }
        if not told:
            yield findings.no_gateways()
        answering = {url for url, tells in told.items() if tells and tells.answer}
        for url, tells in told.items():
            yield findings.gateway(url, tells, others_answer=bool(answering - {url}))

    async def _trunk(self, name: str) -> Finding:
        if "PJSIPShowEndpoint" not in self.actions:
            return findings.not_checked("trunk", "PJSIPShowEndpoint")
        replies = await self.session.ask({"Action": "PJSIPShowEndpoint", "Endpoint": name})
        endpoints = (reply for reply in replies if reply.event == "EndpointDetail")
        return findings.trunk(name, next(endpoints, None))

    async def _hears_of_calls(self) -> bool:
        """Tell whether the class of events that transfers are of is read, where that can be tried.

        No transfer can be; but this session alone may ask to hear of a new channel.
        """
        if "Filter" not in self.actions:
            return True
        one = "Newchannel"
        await self.session.ask({"Action": "Filter", "Operation": "Add", "Filter": f"Event: {one}"})
        await self._runs()
        return await self.session.heard(lambda event: event.event == one) is not None
