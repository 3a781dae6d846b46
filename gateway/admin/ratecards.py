"""``/v1/ratecards``: every version of a card that priced a call (rule M8)."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from aiohttp import web

PATH = "/v1/ratecards"


def routes(folder: Path, in_use: Callable[[], Iterable[str]]) -> web.RouteTableDef:
    """Serve the versions kept in a folder."""
    table = web.RouteTableDef()

    @table.get(PATH)
    async def ratecards(_request: web.Request) -> web.Response:
        used, kept = set(in_use()), await asyncio.to_thread(_versions, folder)
        return web.json_response(
            {"ratecards": [{"version": one, "in_use": one in used} for one in kept]}
        )

    @table.get(PATH + "/{version}")
    async def ratecard(request: web.Request) -> web.StreamResponse:
        version = request.match_info["version"]
        if version not in await asyncio.to_thread(_versions, folder):
            return web.json_response({"error": f"no rate card {version!r}"}, status=404)
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        return web.FileResponse(folder / f"{version}.csv", headers=headers)

    return table


def _versions(folder: Path) -> list[str]:
    return sorted(file.stem for file in folder.glob("*@*.csv"))
