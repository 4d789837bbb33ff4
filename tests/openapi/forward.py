"""Lets tools that only know TCP ask an agent on its unix sockets. For tests, on the loopback address only.

    forward.py ROOT PORT-FILE      writes its port to PORT-FILE, goes on until it is ended

One request a connection: what is for snaps goes to the socket for snaps, all else to the main one.
"""

import asyncio
import os
import sys

FOR_SNAPS = (b"/v2/snapctl", b"/v2/internal/join")
LONGEST_HEAD = 1 << 20


async def pipe(reader, writer):
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        try:
            writer.write_eof()
        except (OSError, RuntimeError):
            pass


async def send(reader, writer):
    """As `pipe`, but what nobody takes any more is read to its end: were it left, its sender would lose the answer."""
    taken = True
    try:
        while piece := await reader.read(1 << 16):
            try:
                if taken:
                    writer.write(piece)
                    await writer.drain()
            except ConnectionError:
                taken = False
    except ConnectionError:
        pass
    if taken:
        try:
            writer.write_eof()
        except (OSError, RuntimeError):
            pass


ALIVE = set()  # the loop itself would let go of them


async def serve(root, reader, writer):
    task = asyncio.current_task()
    ALIVE.add(task)
    task.add_done_callback(ALIVE.discard)
    await forward(root, reader, writer)


async def forward(root, reader, writer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        writer.close()
        return
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
    target = lines[0].split(b" ")[1]
    name = "snapd-snap.socket" if target.startswith(FOR_SNAPS) else "snapd.socket"
    try:
        inner, outer = await asyncio.open_unix_connection(f"{root}/run/{name}")
    except OSError:
        writer.close()
        return
    outer.write(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n")
    # The agent may answer before the whole body is there.
    sending = asyncio.create_task(send(reader, outer))
    await pipe(inner, writer)
    await asyncio.wait([sending], timeout=10)
    sending.cancel()
    outer.close()
    writer.close()


async def main(root, port_file):
    server = await asyncio.start_server(
        lambda reader, writer: serve(root, reader, writer), "127.0.0.1", 0, limit=LONGEST_HEAD
    )
    with open(port_file + ".new", "w") as file:
        file.write(str(server.sockets[0].getsockname()[1]))
    os.rename(port_file + ".new", port_file)
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
