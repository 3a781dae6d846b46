"""``/v1/notices``: what could not be told yet, and what nobody wanted to hear."""

from collections.abc import Sequence
from enum import StrEnum

from aiohttp import web

from gateway.ledger.jobs import Job, Jobs
from gateway.notices.notice import iso, notice_of


class State(StrEnum):
    """Whether a notice will be tried again."""

    DUE = "due"
    DEAD = "dead"


def routes(jobs: Jobs) -> web.RouteTableDef:
    """Serve the notices that are not sent."""
    table = web.RouteTableDef()

    @table.get("/v1/notices")
    async def notices(request: web.Request) -> web.Response:
        wanted = request.query.get("state")
        if wanted not in (None, *State):
            return web.json_response({"error": f"state: one of {', '.join(State)}"}, status=400)
        return web.json_response({"notices": notice_bodies(await jobs.every(), wanted)})

    @table.post("/v1/notices/{id}/send")
    async def send(request: web.Request) -> web.Response:
        notice_id = request.match_info["id"]
        if not await send_again(jobs, notice_id):
            return _missing(notice_id)
        return web.json_response({"id": notice_id}, status=202)

    @table.delete("/v1/notices/{id}")
    async def drop_one(request: web.Request) -> web.Response:
        notice_id = request.match_info["id"]
        if not await drop(jobs, notice_id):
            return _missing(notice_id)
        return web.Response(status=204)

    return table


async def send_again(jobs: Jobs, notice_id: str) -> bool:
    """Let a notice be sent now, though it is dead, or say that there is none."""
    job = await _named(jobs, notice_id)
    return job is not None and await jobs.again(job)


async def drop(jobs: Jobs, notice_id: str) -> bool:
    """Let a notice never be sent, or say that there is none."""
    job = await _named(jobs, notice_id)
    return job is not None and await jobs.drop(job)


async def _named(jobs: Jobs, notice_id: str) -> Job | None:
    return next((job for job in await jobs.every() if job.job_id == notice_id), None)


def _missing(notice_id: str) -> web.Response:
    return web.json_response({"error": f"no notice {notice_id!r}"}, status=404)


def notice_bodies(jobs: Sequence[Job], wanted: str | None) -> list[dict[str, object]]:
    """Write the notices of a state, or of any, for people and programs."""
    return [_body(job) for job in jobs if wanted in (None, _state(job))]


def _state(job: Job) -> State:
    return State.DEAD if job.is_dead else State.DUE


def _body(job: Job) -> dict[str, object]:
    notice = notice_of(job)
    return {
        "id": notice.notice_id,
        "account": notice.account,
        "kind": notice.kind,
        "to": notice.to,
        "at": iso(notice.at_ms),
        "state": _state(job),
        "tries": job.tries,
        "error": job.error or None,
    }
