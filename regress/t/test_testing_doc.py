"""docs/testing.md says which test holds each case, docs/security.md which holds each claim: all that they name exist."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "testing.md"
CHAPTER = "## What holds which case"
EXCUSES = ("Refused: ", "Not applicable: ", "PostgreSQL's own: ", "Not yet: ")
LEAST = 100


def cases():
    """The rows of the chapter's tables: the case, and what is said to hold it."""
    chapter = PAGE.read_text(encoding="utf-8").partition(CHAPTER)[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in chapter.splitlines() if line.startswith("| ")]
    return [(case.strip(), held.strip()) for case, held in rows if (case.strip(), held.strip()) != ("case", "held by")]


def text(*parts):
    path = REPOSITORY.joinpath("regress", *parts)
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def listed(schedule, name):
    return re.search(rf"^test: {name}$", text(schedule), re.MULTILINE)


def exists(name):
    """sql/TOPIC, specs/SPEC, fuzz/TARGET, test_FILE.py::FUNCTION, FILE_test.cpp::Suite.Name, or a path of the repository."""
    folder, _, rest = name.partition("/")
    if folder == "sql":
        return text("sql", f"{rest}.sql") and text("expected", f"{rest}.out") and listed("schedule", rest)
    if folder == "specs":
        return text("specs", f"{rest}.spec") and text("expected", f"{rest}.out") and listed("isolation_schedule", rest)
    if folder == "fuzz":
        return text("fuzz", f"{rest}_fuzz.cpp")
    file, separator, function = name.partition("::")
    if file.endswith(".py") and separator:
        return re.search(rf"^def {re.escape(function)}\(", text("t", file), re.MULTILINE)
    if file.endswith(".cpp") and separator:
        suite, _, test = function.partition(".")
        found = list((REPOSITORY / "regress" / "unit").rglob(file))
        return found and re.search(rf"^TEST(_F|_P)?\({suite}, {test}\)", found[0].read_text(encoding="utf-8"), re.MULTILINE)
    return (REPOSITORY / name).is_file()


def missing(rows):
    """What is named and does not exist, and cases for which nothing is named."""
    found = []
    for case, held in rows:
        names = re.findall(r"`([^`]+)`", held)
        found += [f"{case}: {name}" for name in names if not exists(name)]
        if not names and not held.startswith(EXCUSES):
            found.append(f"{case}: nothing holds it, and nobody says why")
    return found


def test_every_test_that_is_named_exists():
    assert missing(cases()) == []


def test_there_are_cases_and_none_is_there_twice():
    names = [case for case, _ in cases()]
    assert len(names) >= LEAST
    assert sorted(names) == sorted(set(names))


def claims():
    """The page of security: rows of claim and command, and of ways out and what holds each."""
    page = REPOSITORY.joinpath("docs", "security.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\| \*\*(\d+)\. .* \| `(.*?)` \|$", page, re.MULTILINE)
    ways = page.partition("## Every way out")[2].partition("\n## ")[0]
    return page, commands, [line.strip("|").split(" | ") for line in ways.splitlines() if line.startswith("| ")][1:]


def run_by(command):
    """What a command of the page runs, as names."""
    sql = re.fullmatch(r"make installcheck TESTS='setup (.*)'", command)
    return [f"sql/{topic}" for topic in sql[1].split()] if sql else command.removeprefix("python3 -m pytest ").split()


def test_each_claim_has_a_command_that_runs_tests():
    """Ten claims, and a page that is read in an hour: four printed pages are some 2,000 words."""
    page, commands, ways = claims()
    assert [int(number) for number, _ in commands] == list(range(1, 11))
    assert [name for _, command in commands for name in run_by(command) if not exists(name)] == []
    assert len(ways) >= 25
    named = [name for *_, held in ways for name in re.findall(r"`([^`]+)`", held)]
    assert [name for name in named if not exists(name if "/" in name else f"regress/t/{name}")] == []
    assert len(page.split()) <= 2000


def test_what_does_not_exist_is_found():
    """Each form of a name, right and wrong."""
    good = ["sql/types", "specs/cic", "fuzz/label", "test_testing_doc.py::test_what_does_not_exist_is_found",
            "options_test.cpp::Options.Origin", "tools/dev/lint.sh"]
    assert missing([("all", " ".join(f"`{name}`" for name in good)), ("none", "Refused: by its name")]) == []
    bad = ["sql/typos", "specs/types", "fuzz/nothing", "test_testing_doc.py::test_what", "test_typos.py::test_x",
           "options_test.cpp::Options.Origi", "typos_test.cpp::Options.Origin", "tools/dev/typos.sh"]
    assert missing([(name, f"`{name}`") for name in bad]) == [f"{name}: {name}" for name in bad]
    assert len(missing([("bare", ""), ("said", "because")])) == 2
