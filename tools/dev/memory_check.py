#!/usr/bin/python3
"""Runs pg_regress with a server that is watched by a memory checker, and fails for what it finds in the plugin.

    tools/dev/memory_check.py valgrind     on this machine's PostgreSQL
    tools/dev/memory_check.py asan         AddressSanitizer, on PostgreSQL 17 in its root (chroot.py)

First errors are planted in a copy of the sources, and each must be found: else the checker saw nothing. Then all of
pg_regress runs. What counts is a report with a frame of the plugin in its stack. One line a step, "ok" or "FAILED".

Valgrind knows blocks of malloc, and the server's memory contexts hand out parts of those. So the plugin is built to take
its contexts from regress/t/harness/odd_context.c, where every piece is a block; only PostgreSQL 15 takes foreign contexts.
AddressSanitizer sees the C++ side and the stack. Reports are in build/memory_check/<checker>/.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import chroot  # noqa: E402
import matrix  # noqa: E402
from chroot import REPOSITORY, CannotBuild, CannotFetch  # noqa: E402

OUTPUT = REPOSITORY / "build" / "memory_check"
PREPARED = ("setup", "types", "truncate")


@dataclass
class Plant:
    """An error for a file, in the place of what stands there once, and what a report of it, and of it alone, looks like."""

    name: str
    file: str
    good: str
    bad: str
    report: str

    def into(self, sources):
        path = sources / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.good) != 1:
            sys.exit(f"memory_check.py: {self.file} has changed, so \"{self.name}\" must be planted anew")
        path.write_text(text.replace(self.good, self.bad), encoding="utf-8")


IN_A_CONTEXT = Plant("write behind a piece of a context", "plugin/server/callbacks.c",
                     "sizeof(uint32_t) * relation_count);", "sizeof(uint32_t) * relation_count - 1);",
                     r"Invalid write of size \d+\n +at [^\n]* send_truncate ")
AFTER_A_RESET = Plant("read of a piece after the reset of its context", "plugin/server/callbacks.c",
                      "    batch_append_change(session, &record);\n    MemoryContextReset(session->change_context);\n",
                      "    MemoryContextReset(session->change_context);\n    batch_append_change(session, &record);\n",
                      r"Invalid read of size \d+\n.* inside a block of size \d+ free'd")
IN_A_STRING = Plant("read behind a string of C++", "plugin/core/record.cpp",
                    "    uint8_t* at = batch->data + batch->length;\n    PutLengthDelimited(at, batch_field::kRecords,",
                    "    uint8_t* at = batch->data + batch->length;\n"
                    "    if (record.data()[record.capacity() + 1] == '\\x7f')\n        return W2L_INVALID;\n"
                    "    PutLengthDelimited(at, batch_field::kRecords,",
                    r"(Invalid read of size \d+\n +at|heap-buffer-overflow.*\n +#0) [^\n]*AppendRecord")


@dataclass
class Checker:
    version: int
    plants: tuple
    build: str     # arguments of make
    server: str    # what stands before postgres
    use: str       # script that puts what was built in the place of what is installed
    prepare: tuple = field(default=())


def checker(name, work, reports):
    if name == "valgrind":
        # In the checkout the server's user may not be able to read.
        library, suppressions = work / "odd_context.so", shutil.copy(REPOSITORY / "regress/valgrind.supp", work)
        return Checker(
            matrix.HOST, (IN_A_CONTEXT, AFTER_A_RESET, IN_A_STRING),
            "CC='gcc -DAllocSetContextCreateInternal=odd_context_create'",
            f"env LD_PRELOAD={library} valgrind --quiet --error-limit=no --num-callers=40 --fullpath-after= --leak-check=no"
            f" --suppressions={suppressions} --log-file={reports}/%p.log",
            "for f in wal2lake wal2lake_policy; do mount --bind $f.so $($PG_CONFIG --pkglibdir)/$f.so || exit; done",
            ("cc", "-O1", "-g", "-shared", "-fPIC", "-DPGDLLEXPORT=__attribute__((visibility(\"default\")))",
             "-I" + subprocess.check_output([matrix.BINDIR.format(matrix.HOST) + "/pg_config", "--includedir-server"],
                                            text=True).strip(),
             "-o", str(library), str(REPOSITORY / "regress/t/harness/odd_context.c")))
    flags = "-fsanitize=address -fno-omit-frame-pointer"
    return Checker(
        17, (IN_A_STRING,), f"CC='gcc {flags}' CXX='g++ {flags}'",
        f"env LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=log_path={reports}/asan:detect_leaks=0:"
        "detect_stack_use_after_return=0:verify_asan_link_order=0",
        "make install")


class Run:
    """The sources of a version, built for a checker and tested with it."""

    def __init__(self, name, work, root):
        self.name, self.work, self.root = name, work, root
        self.sources, self.reports = work / "sources", work / "reports"
        self.checker = checker(name, work, self.reports)
        self.logs = OUTPUT / name
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        if self.checker.prepare:
            subprocess.run(self.checker.prepare, check=True)

    def planted(self):
        """True if every error that is planted is found."""
        return self._test("planted errors", PREPARED, self.checker.plants, lambda passed, finished, found: [
            f"\"{plant.name}\" was not found" for plant in self.checker.plants
            if not any(re.search(plant.report, report, re.S) for report in found)])

    def clean(self):
        """True if all tests pass and nothing is found."""
        return self._test("pg_regress", (), (), lambda passed, finished, found: [
            *found[:3], *([] if finished and passed > len(PREPARED) else ["pg_regress has failed"])])

    def _test(self, title, tests, plants, wrong_with):
        print(f"{title:<24}", end="", flush=True)
        began = time.monotonic()
        for folder in (self.sources, self.reports):
            matrix.remove(folder)
            folder.mkdir()
        self.reports.chmod(0o777)
        matrix.copy_sources(self.sources)
        for plant in plants:
            plant.into(self.sources)
        name = title.replace(" ", "_")
        log = self.logs / f"{name}.log"
        passed, finished = self._regress(log, tests)
        found = self._of_plugin()
        (self.logs / f"{name}.reports").write_text("\n\n".join(found), encoding="utf-8")
        wrong = wrong_with(passed, finished, found)
        print(("FAILED" if wrong else "ok    ") + f" {passed} tests passed, {len(found)} reports, {time.monotonic() - began:.0f} s",
              flush=True)
        if wrong:
            print("\n\n".join(wrong), *log.read_text(errors="replace").splitlines()[-30:], sep="\n")
        return not wrong

    def _regress(self, log, tests):
        """How many tests passed, and whether all did."""
        enter = ["chroot", self.root] if self.root else []
        script = (f"cd {self.sources} && export LC_ALL=C.UTF-8 PG_CONFIG={matrix.BINDIR.format(self.checker.version)}/pg_config"
                  f" && make -j{os.cpu_count()} all {self.checker.build} && {{ {self.checker.use}; }}"
                  f" && WAL2LAKE_SERVER_UNDER=\"{self.checker.server}\" tools/dev/regress.sh --sql {' '.join(tests)}")
        with open(log, "wb") as output:
            done = subprocess.run(chroot.beside(self.root, [*enter, "/bin/bash", "-c", script]), stdin=subprocess.DEVNULL,
                                  stdout=output, stderr=output, cwd=REPOSITORY, env={**os.environ, "TMPDIR": "/tmp"})
        said = log.read_text(encoding="utf-8", errors="replace")
        return matrix.tests_of(said)[0], done.returncode == 0

    def _of_plugin(self):
        """Reports with a frame of the plugin."""
        found = []
        for path in sorted(self.reports.iterdir()):
            for report in self._split(path.read_text(encoding="utf-8", errors="replace")):
                if re.search(r"/plugin/(server|core|policy)/|\bwal2lake(_policy)?\.so", report):
                    found.append(report)
        return found

    def _split(self, text):
        if self.name == "asan":
            return [text]
        # Several processes may write into one file; blank lines of one part its reports.
        by_process = {}
        for line in text.splitlines():
            match = re.match(r"==(\d+)== ?(.*)", line)
            if match:
                by_process.setdefault(match[1], []).append(match[2])
        return [report for lines in by_process.values() for report in re.split(r"\n\s*\n", "\n".join(lines))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checker", choices=("valgrind", "asan"))
    name = parser.parse_args().checker
    if os.geteuid() != 0:
        matrix.as_root()
    version = 17 if name == "asan" else matrix.HOST
    try:
        with matrix.work_folder(version) as work:
            root = None
            if version != matrix.HOST:
                root = work / "root"
                chroot.unpack(version, root)
            run = Run(name, work, root)
            # A checker that sees nothing proves nothing.
            return 0 if run.planted() and run.clean() else 1
    except CannotBuild as error:
        print(f"memory_check.py: {error}", file=sys.stderr)
        if isinstance(error, CannotFetch):
            print("SKIPPED: the newer server cannot be fetched: the mirror of apt does not give it")
        return matrix.NOT_FETCHED if isinstance(error, CannotFetch) else 1
    finally:
        matrix.give_back()


if __name__ == "__main__":
    sys.exit(main())
