"""Runs images/postgres/holdfast-postgres as test/support/pod-program.ts says: <program> judge, with looks on stdin; or <program> run
<directory> <constants>, where it sees, as its volume, what disk.json in that directory says, and prints "look" each time.
"""

import json
import os
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from types import SimpleNamespace

loader = SourceFileLoader("holdfast_postgres", sys.argv[1])
program = module_from_spec(spec_from_loader(loader.name, loader))
loader.exec_module(program)


def judge():
    verdicts = []
    for looks in json.load(sys.stdin):
        seen, full = program.NOTHING_SEEN, []
        for now, disk in looks:
            seen = program.judge(seen, SimpleNamespace(**disk), now)
            full.append(seen[0])
        verdicts.append(full)
    pauses = [0]
    while len(pauses) < 10:
        pauses.append(program.longer(pauses[-1]))
    json.dump({"verdicts": verdicts, "pauses": pauses}, sys.stdout)


def run(directory, constants):
    fork = os.fork

    def world():
        with open(f"{directory}/disk.json", encoding="utf8") as file:
            return json.load(file)

    def statvfs(_):
        print("look", flush=True)
        now = world()
        if "errno" in now:
            raise OSError(now["errno"], os.strerror(now["errno"]))
        return SimpleNamespace(**now["disk"])

    def fork_if_it_can():
        if "forkErrno" in world():
            raise OSError(world()["forkErrno"], os.strerror(world()["forkErrno"]))
        return fork()

    os.statvfs, os.fork = statvfs, fork_if_it_can
    for name, value in json.loads(constants).items():
        assert hasattr(program, name), name
        setattr(program, name, value)
    sys.argv = ["holdfast-postgres", "patroni.yml"]
    program.main()


if sys.argv[2] == "judge":
    judge()
else:
    run(*sys.argv[3:])
