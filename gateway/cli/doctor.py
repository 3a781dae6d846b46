"""``coinbox doctor``: what a PBX lacks for the gateway, and what to change there."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from gateway import config
from gateway.cli.terminal import ConfigOption, out
from gateway.pbx.checkup import check_up
from gateway.pbx.findings import Finding, Verdict

_INDENT = " " * 17


def doctor(
    pbx: Annotated[str, typer.Argument(help="Its name in the settings; without, all.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    config_file: ConfigOption = None,
) -> None:
    """Check what PBXes have for the gateway, and say what to change; nothing is changed by it.

    The gateway may run or not. Ends with 0 if nothing is wrong, and with 1 else.
    """
    settings = config.load(config_file)
    if pbx and pbx not in settings.pbx:
        known = ", ".join(settings.pbx)
        raise typer.BadParameter(f"{pbx!r} is not in the settings, which have: {known}")
    found = {}
    for name in [pbx] if pbx else settings.pbx:
        found[name] = asyncio.run(check_up(settings, name))
        if not as_json:
            of = settings.pbx[name]
            out.print(f"{name}: AMI {of.username}@{of.host}:{of.port}")
            _print(found[name])
    verdicts = [finding.verdict for findings in found.values() for finding in findings]
    if as_json:
        out.print_json(data={name: [asdict(one) for one in of] for name, of in found.items()})
    else:
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict)
        out.print(f"doctor: {len(found)} PBX checked, {counts}")
    if Verdict.WRONG in verdicts:
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        out.print(f"{finding.verdict:5}  {finding.check:9} {finding.says}")
        for line in finding.change:
            out.print(f"{_INDENT}> {line}")
