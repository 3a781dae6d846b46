"""What is asked for in a request's body: read whole, or refused with every fault named."""

from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.errors import BadInputError, Fault

T = TypeVar("T", bound=BaseModel)


async def read(request: web.Request, model: type[T]) -> T:
    """Read a JSON object; an empty body asks for nothing in particular. Raises BadInputError."""
    try:
        return model.model_validate_json(await request.read() or b"{}")
    except ValidationError as error:
        faults = [
            Fault("body", ".".join(map(str, of["loc"])) or "body", str(of["input"]), of["msg"])
            for of in error.errors()
        ]
        raise BadInputError(faults) from error
