"""Threads that meet a type at the same moment: msgspec alone crashes then, nine times of ten."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import appliance

_MANY = """
import sys, threading, types
import msgspec
from appliance.decoding import from_json, from_msgpack

module = types.ModuleType("deep")
sys.modules["deep"] = module
lines = ["import msgspec", "__name__ = 'deep'"]
for number in range(40):
    inner = f"    inner: 'C{number - 1}'" if number else "    inner: None"
    lines += [f"class C{number}(msgspec.Struct):", "    a: int", "    b: list[str]", inner]
exec("\\n".join(lines), module.__dict__)
value = None
for number in range(40):
    value = getattr(module, f"C{number}")(1, ["x"], value)
sys.setswitchinterval(1e-6)
ready = threading.Barrier(4)
data, packed, told = msgspec.json.encode(value), msgspec.msgpack.encode(value), []

def run(number):
    ready.wait()
    told.append(from_json(data, module.C39) if number % 2 else from_msgpack(packed, module.C39))

threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
for one in threads:
    one.start()
for one in threads:
    one.join()
assert told == [value] * 4
"""
_BARE = re.compile(r"msgspec\.(json|msgpack)\.decode\(.*type=")


def test_one_thread_at_a_time_learns_a_type() -> None:
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", _MANY], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()


def test_nobody_decodes_past_it() -> None:
    root = Path(appliance.__file__).parent
    for file in root.rglob("*.py"):
        assert not _BARE.search(file.read_text(encoding="utf-8")), file
