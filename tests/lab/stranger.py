"""A foreign server: listens, and answers whoever connects as some program of the world would.

As a program: `python stranger.py ADDRESS PORT ANSWER`; it says `ready` and serves until its stdin
ends. ANSWER is `close` (hangs up after the first bytes), or the text that it greets with.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading


def serve(listener: socket.socket, answer: str) -> None:
    """Answer every connection in turn."""
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError), connection:
            if answer == "close":
                connection.recv(200)
            else:
                connection.sendall(answer.encode())


def main(address: str, port: int, answer: str) -> None:
    """Listen, say so, and serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for who started us, and ends stdin
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(16)
    os.write(1, b"ready\n")
    threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
