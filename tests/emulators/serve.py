#!/usr/bin/env python3
"""Run one emulator in this process, on a free port of 127.0.0.1:  serve.py moto | ministack

Prints "listening on http://127.0.0.1:PORT" and serves until standard input ends, so that a server never
outlives the test process that holds the other end, however that process dies.
"""
import os
import signal
import socket
import sys
import threading


def end_with_stdin():
    def watch():
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def listening(port):
    print(f"listening on http://127.0.0.1:{port}", flush=True)


def moto():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    listening(server.get_host_and_port()[1])
    threading.Event().wait()


def ministack():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    os.environ.update(BIND_HOST="127.0.0.1", GATEWAY_PORT=str(port), LOG_LEVEL="WARNING",
                      IOT_MTLS_ENABLED="0", SFTP_ENABLED="0")  # these would listen on every interface

    def announce():
        while True:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return listening(port)
            threading.Event().wait(0.02)

    threading.Thread(target=announce, daemon=True).start()
    from ministack.app import main

    sys.argv = ["ministack"]
    main()


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ("moto", "ministack"):
        sys.exit(__doc__)
    end_with_stdin()
    {"moto": moto, "ministack": ministack}[sys.argv[1]]()
