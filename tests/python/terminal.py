"""A terminal of 80 by 24 with one program in it: python terminal.py <program> <argument>...

Takes {"keys": text} and types it, {"screen": true} and answers {"screen": [line, ...], "alternate": bool}. Says {"ended": code}
when the program has ended. Knows as much of a terminal as a full-screen table needs.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios

ROWS, COLUMNS = 24, 80
CONTROL = re.compile(r"\x1b\[([?]?)([0-9;]*)([A-Za-z])|\x1b[=>78]|\x1b\][^\x07]*\x07")


class Screen:
    """What is on the glass."""

    def __init__(self):
        self.cells = [[" "] * COLUMNS for _ in range(ROWS)]
        self.row = self.column = 0
        self.alternate = False
        self.rest = ""

    def feed(self, text):
        text, at = self.rest + text, 0
        self.rest = ""
        while at < len(text):
            if text[at] == "\x1b":
                found = CONTROL.match(text, at)
                if not found:
                    self.rest = text[at:]
                    return
                self.control(*found.groups())
                at = found.end()
                continue
            self.put(text[at])
            at += 1

    def put(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row = min(self.row + 1, ROWS - 1)
        elif char >= " " and self.column < COLUMNS:
            self.cells[self.row][self.column] = char
            self.column += 1

    def control(self, private, numbers, final):
        given = [int(n) if n else 1 for n in (numbers or "").split(";")]
        if final == "H":
            self.row, self.column = given[0] - 1, (given[1] if len(given) > 1 else 1) - 1
        elif final == "J":
            self.cells = [[" "] * COLUMNS for _ in range(ROWS)]
        elif private and given[0] == 1049:
            self.alternate = final == "h"

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]


def say(value):
    print(json.dumps(value), flush=True)


pid, terminal = pty.fork()
if pid == 0:
    # The size must be there before the program asks for it.
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])

screen, typed = Screen(), b""
say({"pid": pid})
while True:
    ready, _, _ = select.select([terminal, 0], [], [])
    if terminal in ready:
        try:
            read = os.read(terminal, 65536)
        except OSError:
            read = b""
        if not read:
            break
        screen.feed(read.decode("utf-8", "replace"))
    if 0 in ready:
        read = os.read(0, 65536)
        if not read:
            os.kill(pid, 9)
            break
        *lines, typed = (typed + read).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "keys" in request:
                os.write(terminal, request["keys"].encode())
            else:
                say({"screen": screen.lines(), "alternate": screen.alternate})
_, status = os.waitpid(pid, 0)
say({"ended": os.waitstatus_to_exitcode(status), "alternate": screen.alternate})
