"""What whole calls cost on a real Asterisk, when they are cut, and that nothing is overspent.

The limit is the same Asterisk with the same dialplan, in which one line is another: the answer is
set there, and no gateway runs.
"""

import asyncio
from dataclasses import dataclass
from statistics import median, quantiles

from rich.console import Console
from rich.table import Table

from gateway.ledger import embedded
from gateway.ledger.connection import connect
from tests.bench.ledger import Bench
from tests.lab.lab import Lab
from tests.lab.scenes import GERMANY, SETTINGS, Talk, overspend, settled
from tests.lab.sipp import Caller, CallResult, FarCall

RING_SECONDS = 0.001
TALK_SECONDS = 0.5
PATIENCE_SECONDS = 8.0
WAIT_SECONDS_MAX = 20.0

RUN_SECONDS = 4
# Offered rates rise by the first step until one is not clean; from there on the steps are halved.
STEP_FIRST = 100
STEP_LAST = 25
RATE_MAX = 600  # what the lab's ports for media carry
RATE_KEPT = 0.95  # of the calls offered a second, or the callers were too slow
ANSWER_MS_MAX = 500  # when SIP asks again

ASKS = r"AGI\(\$\{CUT\(gateways,&,1\)\}/\$\{ARG1\}\)"
IS_TOLD = "Set(COINBOX_ANSWER=ALLOW,60,${COINBOX_DIALED},${COINBOX_ACCOUNT})"

CROWD = "crowd"
CROWD_MICROS = 10**12

CUT_CALLS = 60
CUT_SECONDS = range(4, 13)
BRITAIN_MICROS_A_MINUTE = 11_500  # by the second
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Run:
    """Calls offered at one rate: how fast they came, and how long their answers took."""

    name: str
    rate: int
    offered: float
    median_ms: float
    p99_ms: float
    failed: int

    @property
    def is_clean(self) -> bool:
        return (
            not self.failed and self.p99_ms < ANSWER_MS_MAX and self.offered > self.rate * RATE_KEPT
        )


@dataclass(frozen=True)
class Cut:
    """A call on credit for some seconds, and how far from its ends it was cut."""

    talk: Talk
    after_paid_until_ms: float
    after_paid_seconds_ms: float


async def report(out: Console) -> int:
    """Print what was measured; give the exit code."""
    out.print("calls on a real Asterisk ...")
    async with Lab(settings=SETTINGS, ring_seconds=RING_SECONDS, port_blocks=2) as lab:
        store = lab.gateway.data / "store"
        async with connect(embedded.url(store)) as redis:
            bench = Bench(redis, store / "store.sock")
            await bench.open(CROWD, CROWD_MICROS)
            cuts = await _cut(lab, bench)
        asked = await _highest(lab, "coinbox, held in the store, synced to disk")
        crowd = [Talk(call.number, call.ended - call.answered) for call in _paid(lab, GERMANY)]
        over = overspend(await settled(lab, CROWD), crowd)
        for cut in cuts:
            over += overspend(await settled(lab, _account(cut.talk.number)), [cut.talk])
        await lab.gateway.stop()
        await lab.asterisk.change_dialplan(ASKS, IS_TOLD)
        told = await _highest(lab, "same dialplan, its AGI line taken out, no gateway")
    _report_rates(out, told, asked)
    _report_cuts(out, cuts)
    out.print(f"bench: overspend {over} in {len(crowd) + len(cuts)} calls, aim 0")
    return 1 if over or len(cuts) < CUT_CALLS else 0


async def _highest(lab: Lab, name: str) -> list[Run]:
    """Look for the highest rate that is clean, and give every run on the way."""
    runs: list[Run] = []
    clean, step = 0, STEP_FIRST
    while step >= STEP_LAST and clean + step <= RATE_MAX:
        run = await _offer(lab, name, clean + step)
        if not run.is_clean:
            # Once more: what else this machine does for a moment is no limit.
            run = await _offer(lab, name, clean + step)
        runs.append(run)
        if run.is_clean:
            clean = run.rate
        if not all(run.is_clean for run in runs):
            step //= 2
    return runs


async def _offer(lab: Lab, name: str, rate: int) -> Run:
    count = rate * RUN_SECONDS
    who = Caller(CROWD, "ana", talk_seconds=TALK_SECONDS, patience_seconds=PATIENCE_SECONDS)
    calls = await lab.call(GERMANY, who, count=count, rate=rate)
    await calls.until_answered()
    try:
        await calls.finished(WAIT_SECONDS_MAX)
    except TimeoutError:
        await calls.stop()
    seen = calls.results()
    await lab.asterisk.until_idle()
    return _run(name, rate, count, seen)


def _run(name: str, rate: int, count: int, seen: list[CallResult]) -> Run:
    called = sorted(call.called for call in seen)
    answers = [call.answered - call.called for call in seen if call.answered]
    return Run(
        name=name,
        rate=rate,
        offered=len(called) / (called[-1] - called[0]),
        median_ms=median(answers) * 1000,
        p99_ms=_p99(answers) * 1000,
        failed=count - sum(call.ended_by == "caller" for call in seen),
    )


async def _cut(lab: Lab, bench: Bench) -> list[Cut]:
    """Let callers talk for longer than their credit lasts, all at the same time."""
    seconds = [CUT_SECONDS[place % len(CUT_SECONDS)] for place in range(CUT_CALLS)]
    numbers = [f"+442071{place:04}00" for place in range(CUT_CALLS)]
    for number, paid in zip(numbers, seconds, strict=True):
        # Rounded up to a micro-unit, as a charge is.
        await bench.open(_account(number), -(-BRITAIN_MICROS_A_MINUTE * paid // 60))
    promised = await _paid_until(lab, numbers)
    far = {call.number: call for call in lab.far_end.calls()}
    return [
        _as_cut(far[number], paid, promised[number])
        for number, paid in zip(numbers, seconds, strict=True)
        if number in promised
    ]


async def _paid_until(lab: Lab, numbers: list[str]) -> dict[str, float]:
    """Have each number called by an account of its own.

    Give what the gateway last said of the end of what is paid for, in epoch seconds.
    """
    promised: dict[str, float] = {}
    groups = [
        await lab.call(number, Caller(_account(number), "ana", talk_seconds=CUT_SECONDS.stop * 2))
        for number in numbers
    ]
    async with asyncio.TaskGroup() as tasks:
        calling = [tasks.create_task(calls.finished()) for calls in groups]
        while not all(task.done() for task in calling):
            for call in await lab.gateway.calls():
                if call["paid_until_ms"]:
                    promised[str(call["number"])] = float(str(call["paid_until_ms"])) / 1000
            await asyncio.sleep(POLL_SECONDS)
    return promised


def _as_cut(far: FarCall, paid_seconds: int, paid_until: float) -> Cut:
    talked = far.ended - far.answered
    return Cut(
        talk=Talk(far.number, talked),
        after_paid_until_ms=(far.ended - paid_until) * 1000,
        after_paid_seconds_ms=(talked - paid_seconds) * 1000,
    )


def _account(number: str) -> str:
    """Name the account that calls a number."""
    return number.removeprefix("+")


def _paid(lab: Lab, number: str) -> list[FarCall]:
    """Give the calls to a number that were answered and have ended."""
    return [call for call in lab.far_end.calls(number) if call.answered and call.ended]


def _p99(sizes: list[float]) -> float:
    return quantiles(sizes, n=100, method="inclusive")[98]


def _report_rates(out: Console, told: list[Run], asked: list[Run]) -> None:
    table = Table("authorization, answer, hangup", "calls/s", "median ms", "p99 ms", "failed", "")
    for runs in (told, asked):
        table.add_section()
        for run in sorted(runs, key=lambda run: run.rate):
            table.add_row(
                run.name,
                f"{run.offered:.0f}",
                f"{run.median_ms:.0f}",
                f"{run.p99_ms:.0f}",
                str(run.failed),
                "clean" if run.is_clean else "",
            )
    out.print(table)
    out.print(
        f"{RUN_SECONDS} s of calls at each rate, {TALK_SECONDS} s of talk; ms from INVITE to"
        f" answer; clean: none failed, p99 below {ANSWER_MS_MAX} ms"
    )
    limit, highest = (
        max((run.rate for run in runs if run.is_clean), default=0) for runs in (told, asked)
    )
    ratio = f"{highest / limit:.2f}" if limit else "none"
    out.print(f"bench: {highest} of {limit} calls a second are clean, ratio {ratio}")


def _report_cuts(out: Console, cuts: list[Cut]) -> None:
    table = Table("hang-up at the far end", "median ms", "p99 ms", "worst ms", "early", "late")
    for name, errors in (
        ("against paid_until", [cut.after_paid_until_ms for cut in cuts]),
        (
            "against its own answer and the seconds paid",
            [cut.after_paid_seconds_ms for cut in cuts],
        ),
    ):
        sizes = [abs(error) for error in errors]
        table.add_row(
            name,
            f"{median(sizes):.1f}",
            f"{_p99(sizes):.1f}",
            f"{max(sizes):.1f}",
            str(sum(error < 0 for error in errors)),
            str(sum(error > 0 for error in errors)),
        )
    out.print(table)
    out.print(
        f"{len(cuts)} of {CUT_CALLS} calls at once, on credit for {CUT_SECONDS[0]} to"
        f" {CUT_SECONDS[-1]} s, in slices of {SETTINGS['calls']['slice_seconds']} s"
    )
