#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Are functions of two kernel modules the same machine code? same_code.py MODULE MODULE FUNCTION...
Addresses of what they call may differ, but not its name. Exit code 0: all the same; 1: not; 77: other compilers made the modules."""

import struct
import sys

R_X86_64_PLT32 = 4
CALL, JUMP = 0xE8, 0xE9  # with a distance of 4 bytes
STT_SECTION = 3


class Module:
    """What is needed of an ELF file: symbols, relocations of .text, section contents."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        offset, size, count, names = struct.unpack_from("<40xQ10xHHH", self.data)
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, offset + i * size) for i in range(count)]
        self.names = [self.string(names, section[0]) for section in self.sections]
        self.symbols = list(self.read_symbols())
        self.functions = {name: (at, size) for name, kind, section, at, size in self.symbols if section == self.names.index(".text")}
        self.starts = {at: name for name, (at, size) in self.functions.items() if name}
        self.relocations = {at: (kind, self.target(symbol), addend) for at, kind, symbol, addend in self.read_relocations()}

    def string(self, section, at):
        start = self.sections[section][4] + at
        return self.data[start : self.data.index(b"\0", start)].decode()

    def contents(self, name):
        _, _, _, _, offset, size, *_ = self.sections[self.names.index(name)]
        return self.data[offset : offset + size]

    def read_symbols(self):
        strings = self.sections[self.names.index(".symtab")][6]
        for name, info, _, section, value, size in struct.iter_unpack("<IBBHQQ", self.contents(".symtab")):
            yield self.string(strings, name), info & 15, section, value, size

    def read_relocations(self):
        for at, info, addend in struct.iter_unpack("<QQq", self.contents(".rela.text")):
            yield at, info & 0xFFFFFFFF, self.symbols[info >> 32], addend

    def target(self, symbol):
        name, kind, section, *_ = symbol
        return self.names[section] if kind == STT_SECTION else name

    def code(self, function):
        """Bytes, with what is relocated and what is called set apart."""
        start, size = self.functions[function]
        code = bytearray(self.contents(".text")[start : start + size])
        targets = {}
        for i in range(size):
            if start + i in self.relocations:
                kind, name, addend = self.relocations[start + i]
                # Within a section of constants only the linker knows the place.
                targets[i] = (kind, name, None if name.startswith(".") else addend)
                code[i : i + 4] = bytes(4)
            elif i + 5 <= size and code[i] in (CALL, JUMP):
                called = self.starts.get(start + i + 5 + int.from_bytes(code[i + 1 : i + 5], "little", signed=True))
                if called and start + i + 1 not in self.relocations:
                    targets[i + 1] = (R_X86_64_PLT32, called, -4)
                    code[i + 1 : i + 5] = bytes(4)
        return bytes(code), targets


def main():
    first, second = Module(sys.argv[1]), Module(sys.argv[2])
    if set(first.contents(".comment").split(b"\0")) != set(second.contents(".comment").split(b"\0")):
        print("the modules were made by different compilers")
        return 77
    differing = [name for name in sys.argv[3:] if first.code(name) != second.code(name)]
    for name in differing:
        print(f"{name} is not the same")
    return 1 if differing or len(sys.argv) < 4 else 0


if __name__ == "__main__":
    sys.exit(main())
