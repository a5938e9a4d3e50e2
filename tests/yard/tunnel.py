"""A ProxyCommand: joins standard input and output to a machine's tunnel, and nothing else.

Uses no other module of the yard, so that it starts as fast as a ProxyCommand should.
"""

import os
import socket
import sys
import threading


def connect(path: str) -> socket.socket:
    """Open a socket file whose path may be longer than an address may be."""
    folder = os.open(os.path.dirname(path), os.O_PATH)  # noqa: PTH120 - pathlib costs start time
    link = socket.socket(socket.AF_UNIX)
    link.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")  # noqa: PTH119
    os.close(folder)
    return link


def pump_out(link: socket.socket) -> None:
    """Carry what the machine says to standard output until it hangs up."""
    while data := link.recv(65536):
        while data:
            data = data[os.write(1, data) :]
    os._exit(0)  # standard input may never end


def main() -> None:
    """Join until either side ends."""
    link = connect(sys.argv[1])
    threading.Thread(target=pump_out, args=(link,), daemon=True).start()
    while data := os.read(0, 65536):
        link.sendall(data)
    link.shutdown(socket.SHUT_WR)
    threading.Event().wait()


if __name__ == "__main__":
    main()
