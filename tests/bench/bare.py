"""The limit to measure against: a server that speaks the same FastAGI dialogue and decides nothing.

``python -m tests.bench.bare PORT``
"""

import asyncio
import sys


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\n\n")
    writer.write(b'SET VARIABLE COINBOX_ANSWER "ALLOW,60,+4930123456"\n')
    await reader.readline()
    writer.close()


async def main(port: int) -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
