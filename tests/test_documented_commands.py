"""The commands in README and docs exist."""

from __future__ import annotations

import re
import shlex

import pytest
import typer.main

from cvdl.cli.app import app
from helpers.paths import ROOT

PAGES = ["README.md", *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md")))]


def commands(page):
    """Commands in code blocks and between backticks, without comments and option brackets."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [line for line in text.splitlines() if line.startswith("    ")]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL).replace("\n", " ")
    lines += [words for words in re.findall(r"`([^`]+)`", prose) if " --" in words]
    for line in lines:
        line = re.sub(r"\s+#.*", "", line.strip()).replace("[", "").replace("]", "")
        line = re.sub(r"\bN\b", "1", line.removeprefix("ros2 run cvdl "))
        if line.startswith("cvdl ") and len(line.split()) > 2:
            yield line


def complaint(line):
    """What the command line says against it; empty if nothing."""
    command, words = typer.main.get_command(app), shlex.split(line)[1:]
    context = None
    while hasattr(command, "get_command"):
        name = words.pop(0)
        context = command.make_context(command.name, [name], parent=context)
        command = command.get_command(context, name)
        if command is None:
            return f"no command {name}"
    try:
        if "--help" not in words:
            command.make_context(command.name, words)
    except Exception as error:
        return getattr(error, "message", "") or str(error)
    return ""


@pytest.mark.parametrize("page", PAGES)
def test_documented_commands_and_options_exist(page):
    said = {line: complaint(line) for line in commands(page)}
    assert {line: words for line, words in said.items() if words} == {}


def test_commands_are_found():
    assert sum(len(list(commands(page))) for page in PAGES) > 40


def test_wrong_commands_are_detected():
    assert "No such option" in complaint("cvdl info bag --bag")
    assert complaint("cvdl bake cake") == "no command bake"
