#!/usr/bin/python3
"""Runs clang-tidy or cppcheck over our sources and prints what they find; nothing where all is well.

    tools/dev/tidy.py product     clang-tidy over plugin/ and tools/
    tools/dev/tidy.py tests       clang-tidy over the tests and the bench
    tools/dev/tidy.py cppcheck    cppcheck over plugin/ and tools/

clang's analyzer, which takes most of the time, sees the C++ of the product only with
WAL2LAKE_LONG=1; the C of plugin/ it sees always. What was found good is remembered in build/lint:
a file is looked at again when it, anything that it includes, the configuration or
the tool has changed. What cannot be parsed is a finding, never passed over.
"""
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATABASE = ROOT / "build/release/compile_commands.json"
STAMPS = ROOT / "build/lint"
PRODUCT = ("plugin/", "tools/")
TESTS = ("regress/unit/", "regress/bench/")
LONG = bool(os.environ.get("WAL2LAKE_LONG"))
JOBS = len(os.sched_getaffinity(0))

# As the Makefile has them, in clang's words. PGXS's own flags are gcc's.
C_FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-sign-compare",
           "-Wno-missing-field-initializers", "-Iplugin"]

# cppcheck reads our headers alone. What it cannot know of the server: ereport(ERROR) does
# not return, and foreach is a loop.
CPPCHECK = ["cppcheck", "--quiet", "--enable=warning,performance,portability", "--inline-suppr", "--error-exitcode=1",
            "--template={file}:{line}: {severity}: {message} [{id}]", "-Iplugin", "-Itools/wal2lake",
            "--library=tools/dev/cppcheck.cfg"]


def run(command):
    """The exit code of a command and all that it says."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return done.returncode, done.stdout


def ask(command):
    """The answer of a command that must succeed."""
    code, said = run(command)
    if code != 0:
        sys.exit(f"{shlex.join(command)} failed:\n{said}")
    return said.strip()


@functools.cache
def digest(path):
    """The hash of a file's content, '' for one that is not there."""
    try:
        return hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
    except OSError:
        return ""


def sources(folders, endings):
    """What git knows below the folders, and what is new and not ignored."""
    listed = ask(["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]).splitlines()
    return sorted(file for file in listed if file.endswith(endings) and (ROOT / file).exists())


def commands():
    """From file to flags, as CMake compiles it; of a file that is compiled several times, the first.

    Without what is included before it, which is gcc's precompiled form: a file must name what it uses."""
    if not DATABASE.exists():
        sys.exit(f"{DATABASE.relative_to(ROOT)} is not there: make command")
    flags = {}
    for entry in json.loads(DATABASE.read_text()):
        words = shlex.split(entry["command"])[1:]
        kept, skip = [], False
        for word in words:
            if skip or word in ("-c", "-o", "-include", "-Winvalid-pch") or word == entry["file"]:
                skip = not skip and word in ("-o", "-include")
                continue
            kept.append(word)
        flags.setdefault(os.path.relpath(entry["file"], ROOT), kept)
    return flags


def units(folders):
    """Each file with its flags. A C++ file that CMake does not compile is a finding."""
    known, found, lost = commands(), [], []
    server = ask([os.environ.get("PG_CONFIG", "pg_config"), "--includedir-server"])
    for file in sources(folders, (".c", ".cpp")):
        if file.endswith(".c"):
            found.append((file, C_FLAGS + ["-isystem", server]))
        elif file in known:
            found.append((file, known[file]))
        else:
            lost.append(f"{file} is in no CMakeLists.txt, so nothing is known of its flags")
    return found, lost


def tidy_key(file, flags, deep):
    """All that decides what clang-tidy says beside the sources."""
    configurations = [str(folder / ".clang-tidy") for folder in pathlib.PurePath(file).parents]
    parts = [file, *flags, str(deep), tool_version("clang-tidy"), *map(digest, configurations)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def tool_version(tool):
    return ask([tool, "--version"])


def stamp_holds(stamp, key):
    try:
        saved = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return False
    return saved["key"] == key and all(digest(path) == known for path, known in saved["read"].items())


def tidy(file, flags):
    """'' where a file is good or was so before; what clang-tidy says otherwise."""
    deep = file.endswith(".c") or (LONG and file.startswith(PRODUCT))
    stamps = {depth: STAMPS / ("deep" if depth else "plain") / (file + ".json") for depth in (True, False)}
    # Whoever passed with the analyzer has passed without.
    for depth in (True,) if deep else (True, False):
        if stamp_holds(stamps[depth], tidy_key(file, flags, depth)):
            return ""
    stamp, began = stamps[deep], time.time()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    rule = stamp.with_suffix(".d")
    rule.unlink(missing_ok=True)
    # clang-tidy takes -MD away; through -Wp it comes to write what it read.
    code, said = run(["clang-tidy", "--quiet", *([] if deep else ["--checks=-clang-analyzer-*"]), file, "--", *flags,
                      f"-Wp,-MD,{rule.relative_to(ROOT)}"])
    said = re.sub(r"^\d+ warnings?( and \d+ errors?)? generated\.\n", "", said, flags=re.MULTILINE).replace(f"{ROOT}/", "")
    if code != 0 or said.strip():
        return said.strip() or f"clang-tidy failed on {file}, exit code {code}"
    read = {path: digest(path) for path in shlex.split(rule.read_text().replace("\\\n", " "))[1:]}
    # Not of a file that was saved meanwhile: it is looked at again.
    if all((ROOT / path).stat().st_mtime < began for path in read):
        stamp.write_text(json.dumps({"key": tidy_key(file, flags, deep), "read": read}))
    return ""


def tidy_all(folders):
    found, findings = units(folders)
    if not found:
        findings.append("no sources found")
    print("\n".join(findings), end="\n" if findings else "")
    # The slow ones first, lest one be left alone at the end; main.cpp has CLI11.
    found.sort(key=lambda unit: (not unit[0].endswith("main.cpp"), unit[0]))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for done in concurrent.futures.as_completed([pool.submit(tidy, *unit) for unit in found]):
            # At once: who loses patience has seen what there was.
            if done.result():
                findings.append(done.result())
                print(findings[-1], flush=True)
    return findings


def cppcheck():
    files = sources(PRODUCT, (".c", ".cpp"))
    read = sources(PRODUCT, (".c", ".cpp", ".h")) + ["tools/dev/cppcheck.cfg"]
    key = hashlib.sha256("\0".join([*CPPCHECK, tool_version("cppcheck")]).encode()).hexdigest()
    stamp = STAMPS / "cppcheck.json"
    saved = {path: digest(path) for path in read}
    # Also a file that is new: what was read must be the same list.
    if stamp_holds(stamp, key) and json.loads(stamp.read_text())["read"] == saved:
        return []
    cache = STAMPS / "cppcheck"
    cache.mkdir(parents=True, exist_ok=True)
    findings = []
    for ending, standard in ((".c", "c11"), (".cpp", "c++20")):
        ours = [file for file in files if file.endswith(ending)]
        code, said = run([*CPPCHECK, f"--std={standard}", "-j", str(JOBS), f"--cppcheck-build-dir={cache}", *ours])
        if code != 0 or said.strip() or not ours:
            findings.append(said.strip() or f"cppcheck failed on the {ending} files, exit code {code}")
    if not findings:
        stamp.write_text(json.dumps({"key": key, "read": saved}))
    print("\n".join(findings), end="\n" if findings else "")
    return findings


def main():
    what = sys.argv[1:]
    if what == ["product"]:
        findings = tidy_all(PRODUCT)
    elif what == ["tests"]:
        findings = tidy_all(TESTS)
    elif what == ["cppcheck"]:
        findings = cppcheck()
    else:
        sys.exit(__doc__)
    sys.exit(1 if findings else 0)


main()
