"""Files that are written from the code."""

from __future__ import annotations

import generate
import pytest

from helpers.paths import ROOT


def test_the_parameter_file_is_up_to_date():
    assert generate.PARAMETER_FILE.read_text(encoding="utf-8") == generate.parameter_file()


@pytest.mark.parametrize("path", generate.PAGES, ids=lambda path: path.name)
def test_tables_are_up_to_date(path):
    text = path.read_text(encoding="utf-8")
    assert text == generate.page(text), "run: make generate"


def test_a_stale_table_is_written_again():
    docs = (ROOT / "docs/ros.md").read_text(encoding="utf-8")
    stale = docs.replace("| `grasp.max_opening` |", "| `grasp.old_name` |")
    stale = stale.replace("| `overlay` | sensor_msgs/Image |", "| `overlay` | sensor_msgs/Old |")
    assert stale != docs
    assert generate.page(stale) == docs


def test_a_table_of_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="no table of 'topic'"):
        generate.page("<!-- table of topic -->\n<!-- end -->\n")
