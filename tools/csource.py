# SPDX-License-Identifier: MIT
"""What the check- tools know about C: where comments are, and what the public
headers export.  Regular expressions over text without comments and strings:
enough for one tree in one style, and there is nothing to install."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.S | re.X,
)


class Source:
    """A file: `code` is its text with comments and the contents of strings
    blanked, character by character, so that positions and lines stay."""

    def __init__(self, text, path="?"):
        self.path = path
        self.text = text
        self.comments = []  # (first line, last line, text)
        self.code = TOKEN.sub(self._blank, text)

    def _blank(self, match):
        token = match.group(0)
        if match.group("comment"):
            first = self.line(match.start())
            self.comments.append((first, first + token.count("\n"), token))
            return re.sub(r"[^\n]", " ", token)
        before = self.text.rfind("\n", 0, match.start()) + 1
        if re.match(r"\s*#\s*include", self.text[before : match.start()]):
            return token  # a file name, not a string
        return token[0] + " " * (len(token) - 2) + token[-1]

    def line(self, position):
        return self.text.count("\n", 0, position) + 1


def read(path, root=ROOT):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return Source(file.read(), path)


def files(folder, endings, root=ROOT):
    """Paths below root/folder, relative to root, sorted."""
    found = []
    for where, _, names in os.walk(os.path.join(root, folder)):
        for name in names:
            if name.endswith(endings):
                found.append(os.path.relpath(os.path.join(where, name), root))
    return sorted(found)


def without_directives(code):
    """The code with preprocessor lines (and their continuations) blanked."""
    return re.sub(
        r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
        lambda match: re.sub(r"[^\n]", " ", match.group(0)),
        code,
        flags=re.M,
    )


def exported(source):
    """The functions that a header declares with PAWL_API: [(name, line)]."""
    code = without_directives(source.code)
    found = []
    for match in re.finditer(r"\bPAWL_API\b([^;{]*)", code):
        name = re.search(r"\b(pawl_\w+)\s*\(", match.group(1))
        if name:
            found.append((name.group(1), source.line(match.start())))
    return found


def all_exported(root=ROOT):
    """{name: header} of everything the public headers declare."""
    names = {}
    for path in files("include", (".h",), root):
        for name, _ in exported(read(path, root)):
            names[name] = path
    return names


def mapped(root=ROOT):
    """The names in cmake/pawl.map, as a list, so that doubles show."""
    with open(os.path.join(root, "cmake/pawl.map"), encoding="utf-8") as file:
        code = Source(file.read()).code
    code = re.sub(r"#[^\n]*", "", code)
    return re.findall(r"\b(pawl_\w+)\s*;", code)


def finish(tool, complaints):
    """Print what is wrong, in the manner of compilers, and exit."""
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"{tool}: {len(complaints)} found")
    sys.exit(1 if complaints else 0)


def self_test(tool, check, good, bad):
    """Show that a check bites.  `good` is a tree, {path: text}, in which `check`
    must find nothing; each of `bad` is (files to add or replace, text that a
    complaint must contain)."""
    import tempfile

    def complaints(tree):
        with tempfile.TemporaryDirectory() as root:
            for path, text in tree.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return check(root)

    failures = [f"the good tree: {c}" for c in complaints(good)]
    for change, want in bad:
        got = complaints({**good, **change})
        if not any(want in complaint for complaint in got):
            failures.append(f"missed in {list(change)}: {want}; found: {got}")
    for failure in failures:
        print(failure)
    print(f"{tool}: self-test of {len(bad)} cases, {len(failures)} failed")
    sys.exit(1 if failures else 0)
