import base64
import secrets
from collections.abc import Mapping

from tests.lab.asterisk import Asterisk, Settings
from tests.lab.gateway import Gateway, Section
from tests.lab.provider import Provider
from tests.lab.proxy import Proxy
from tests.lab.sipp import FarEnd
from tests.lab.steps import Step
from tests.lab.world import World


class Lab(World):
    """A world on loopback, all of which is started here. Several can run at once."""

    asterisk: Asterisk
    phone: FarEnd  # of the endpoint alice
    provider: Provider
    ami: Proxy
    gateway: Gateway
    other_gateway: Gateway  # whom Asterisk asks if the first is gone; not started

    def __init__(
        self,
        *,
        ring_seconds: float = 0.5,
        long_ring_seconds: float = 15.0,
        talk_seconds: float = 2.0,
        phone_steps: Mapping[str, tuple[Step, ...]] | None = None,
        settings: Mapping[str, Section] | None = None,
        with_gateway: bool = True,
        asterisk_environment: Mapping[str, str] | None = None,
        port_blocks: int = 1,
        name: str = "lab",
    ) -> None:
        super().__init__(port_blocks=port_blocks)
        self._ring_seconds = ring_seconds
        self._long_ring_seconds = long_ring_seconds
        self._talk_seconds = talk_seconds
        self._phone_steps = phone_steps
        self._settings = settings or {}
        self._with_gateway = with_gateway
        self._asterisk_environment = asterisk_environment
        self._name = name

    @property
    def pbx(self) -> Section:
        """Where a gateway finds this lab's Asterisk."""
        return {"port": self.ami.port, "secret": self._ami_secret}

    async def _start(self) -> None:
        self._sip_port = self._ports.take()
        await self._start_world()
        self.gateway = self._make_gateway("gateway", self._agi_port, self._http_port)
        other_http_port = self._ports.take()
        self.other_gateway = self._make_gateway("other", self._other_agi_port, other_http_port)
        if self._with_gateway:
            await self.gateway.start()

    async def _start_world(self) -> None:
        ports = self._ports
        trunk_port, phone_port, ami_port = ports.take(), ports.take(), ports.take()
        self._agi_port, self._http_port = ports.take(), ports.take()
        self._other_agi_port = ports.take()
        self._ami_secret = secrets.token_hex()
        self.far_end = self._make_far_end("far-end", trunk_port)
        self.phone = self._make_far_end("phone", phone_port, self._phone_steps)
        self.asterisk = Asterisk(
            self.folder / "asterisk",
            ports,
            Settings(
                name=self._name,
                sip_port=self._sip_port,
                trunk_port=trunk_port,
                phone_port=phone_port,
                ami_port=ami_port,
                ami_secret=self._ami_secret,
                gateways=f"agi://127.0.0.1:{self._agi_port}&agi://127.0.0.1:{self._other_agi_port}",
            ),
            self._asterisk_environment,
        )
        self.ami = Proxy(ports.take(), ami_port)
        self.provider = Provider(
            port=ports.take(),
            secret="whsec_" + base64.b64encode(secrets.token_bytes(24)).decode(),
            webhook_url=f"http://127.0.0.1:{self._http_port}/webhooks/payments",
        )
        for part in (self.far_end, self.phone, self.asterisk, self.ami, self.provider):
            self._stack.push_async_callback(part.stop)
            await part.start()

    def _make_far_end(
        self, name: str, port: int, steps: Mapping[str, tuple[Step, ...]] | None = None
    ) -> FarEnd:
        return FarEnd(
            self.folder / name,
            port=port,
            media_port=self._ports.take(),
            sip_port=self._sip_port,
            ring_seconds=self._ring_seconds,
            long_ring_seconds=self._long_ring_seconds,
            talk_seconds=self._talk_seconds,
            steps=steps,
        )

    def _make_gateway(self, name: str, agi_port: int, http_port: int) -> Gateway:
        settings: dict[str, Section] = {
            "agi": {"port": agi_port},
            f"pbx.{self._name}": self.pbx,
            "http": {"port": http_port, "token": secrets.token_hex()},
            "payments": {"url": self.provider.url, "webhook_secret": self.provider.secret},
            "log": {"format": "json"},
        }
        for key, section in self._settings.items():
            settings[key] = {**settings.get(key, {}), **section}
        gateway = Gateway(self.folder / name, settings)
        self._stack.push_async_callback(gateway.stop)
        return gateway
