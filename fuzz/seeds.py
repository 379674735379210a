#!/usr/bin/env python3
"""Where fuzzing begins: the log files of tests/data/logs as they are, and their text.  seeds.py FOLDER"""
import gzip, os, sys

logs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../tests/data/logs")
out = sys.argv[1]
LARGEST = 64 * 1024
number = 0
for target in ("records", "gzip"):
    os.makedirs(f"{out}/{target}", exist_ok=True)
for folder in ("odd", "records", "generated"):
    for path, _, files in sorted(os.walk(f"{logs}/{folder}")):
        for name in sorted(files):
            with open(os.path.join(path, name), "rb") as file:
                data = file.read()
            try:
                text = gzip.decompress(data)
            except (OSError, EOFError):
                text = data
            # The first byte is the size of the pieces.
            piece = bytes([(0, 1, 13, 200)[number % 4]])
            for target, seed in (("records", text), ("gzip", data)):
                if len(seed) < LARGEST:
                    with open(f"{out}/{target}/{number:04}", "wb") as file:
                        file.write(piece + seed)
            number += 1
