"""Cancellations that the client of the store loses."""

import asyncio


def heed() -> None:
    """End the task if it was cancelled in the call to the store that has just returned.

    The client writes inside asyncio.wait_for, which on Python 3.11 drops a cancellation that comes
    as the write is done: a task that loops would then outlive the gateway's stop.
    https://github.com/python/cpython/issues/86296
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
