"""``/metrics``: what a Prometheus reads of this gateway."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.admin.health import Following
from gateway.calls.authorizer import Allowed, Answer, Emergency
from gateway.calls.ports import CallRequest
from gateway.calls.session import Session, State
from gateway.rating.steps import Reason

Authorize = Callable[[CallRequest], Awaitable[Answer]]

# A PBX waits for the answer, and so does the caller.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics(Collector):
    """What is measured, and what is looked up when it is asked for."""

    def __init__(
        self,
        pbxes: Callable[[], Mapping[str, Following]],
        sessions: Callable[[], Mapping[str, Sequence[Session]]],
    ) -> None:
        """Nothing is measured yet; ``sessions`` are the live calls of each PBX."""
        self._pbxes = pbxes
        self._sessions = sessions
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self._asked = Histogram(
            "coinbox_authorization_seconds",
            "Time to answer a PBX, by the answer: allow, emergency, or why not.",
            ["answer"],
            registry=self.registry,
            buckets=_SECONDS,
        )

    def collect(self) -> Iterator[Metric]:
        """Tell how things are now."""
        followed = GaugeMetricFamily(
            "coinbox_pbx_followed",
            "1 if this gateway follows the PBX over AMI, 0 if it should and cannot.",
            labels=["pbx"],
        )
        for pbx, following in self._pbxes().items():
            if following is not Following.ELSEWHERE:
                followed.add_metric([pbx], following is Following.CONNECTED)
        calls = GaugeMetricFamily(
            "coinbox_live_calls", "Calls that hold money or minutes.", labels=["pbx", "state"]
        )
        for pbx, sessions in self._sessions().items():
            counts = Counter(session.state for session in sessions)
            for state in State:
                calls.add_metric([pbx, state], counts[state])
        return iter((followed, calls))

    def timed(self, authorize: Authorize) -> Authorize:
        """Measure what is answered, and how soon; without the store that is `service_down`."""

        async def ask(request: CallRequest) -> Answer:
            began, told = time.perf_counter(), str(Reason.SERVICE_DOWN)
            try:
                answer = await authorize(request)
                told = _name(answer)
            finally:
                self._asked.labels(told).observe(time.perf_counter() - began)
            return answer

        return ask

    def routes(self) -> web.RouteTableDef:
        """Serve ``/metrics``."""
        table = web.RouteTableDef()
        table.get("/metrics")(make_aiohttp_handler(self.registry))
        return table


def _name(answer: Answer) -> str:
    match answer:
        case Allowed():
            return "allow"
        case Emergency():
            return "emergency"
        case _:
            return answer
