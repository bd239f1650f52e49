#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Do the netlink specifications say what the headers say?

    check-spec.py SPEC...

Names and numbers are compared by the compiler, which has the headers. What of a header in uapi/
is described has to be described whole, and with the types that its comments name. Prints what
does not agree; exit status 0 if everything does. Run it in the root of the tree.
"""
import os
import re
import subprocess
import sys

import yaml

SIZES = {"u8": 1, "u16": 2, "u32": 4, "s32": 4}


def constant(prefix, name):
    """The name in C"""
    return (prefix + name).upper().replace("-", "_")


def numbered(entries, first):
    """(name, number) of each: one more than the last, if nothing is said"""
    number = first - 1
    for entry in entries:
        entry = {"name": entry} if isinstance(entry, str) else entry
        number = entry.get("value", number + 1)
        yield entry["name"], number


def is_ours(what):
    """Does its header lie in uapi/?"""
    return os.path.exists(os.path.join("uapi", what["header"]))


def end(what, count):
    """The constant after the last, where everything has to be there"""
    if is_ours(what):
        yield what["header"], "__" + constant(what["name-prefix"], "max"), count


def operations(spec):
    """(constant, number) of each request"""
    prefix = spec["operations"]["name-prefix"]
    for operation in spec["operations"]["list"]:
        yield constant(prefix, operation["name"]), operation["do"]["request"]["value"]


def constants(spec):
    """(header, constant in C, number) of all that is in the specification"""
    for what in spec["definitions"]:
        if what["type"] == "enum":
            for name, number in numbered(what["entries"], 0):
                yield what["header"], constant(what["name-prefix"], name), number
            yield from end(what, len(what["entries"]))
        else:
            size = sum(SIZES.get(member["type"]) or member["len"] for member in what["members"])
            yield what["header"], f"sizeof(struct {what['name']})", size
    for what in spec["attribute-sets"]:
        for name, number in numbered(what["attributes"], 1):
            yield what["header"], constant(what["name-prefix"], name), number
        yield from end(what, len(what["attributes"]) + 1)
    for name, number in operations(spec):
        yield "linux/rtnetlink.h", name, number


def types(what):
    """What does not agree of the types of an attribute set of ours"""
    path = os.path.join("uapi", what["header"])
    with open(path, encoding="utf-8") as file:
        said = dict(re.findall(r"^ \* @(\w+): (u\d+),", file.read(), re.M))
    for attribute in what["attributes"]:
        name = constant(what["name-prefix"], attribute["name"])
        if said.get(name) != attribute["type"]:
            yield f"{name} is {attribute['type']}, and {said.get(name)} in {path}"


def check(path):
    """What does not agree in one specification"""
    with open(path, encoding="utf-8") as file:
        spec = yaml.safe_load(file)
    found = list(constants(spec))
    code = [f"#include <{header}>" for header in sorted({header for header, _, _ in found})]
    for _, name, number in found:
        code.append(f'_Static_assert({name} == {number}, "{path}: {name} is not {number}");')
    answer = subprocess.run(["cc", "-fsyntax-only", "-Iuapi", "-x", "c", "-"], text=True, check=False,
                            input="\n".join(code) + "\n", capture_output=True)
    yield from re.findall(r"error: (.*)", answer.stderr)
    if answer.returncode and "error: " not in answer.stderr:
        yield f"{path}: {answer.stderr}"
    for what in spec["attribute-sets"]:
        if is_ours(what):
            yield from (f"{path}: {trouble}" for trouble in types(what))


def main():
    """See above."""
    bad = [trouble for path in sys.argv[1:] for trouble in check(path)]
    for trouble in bad:
        print(trouble)
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
