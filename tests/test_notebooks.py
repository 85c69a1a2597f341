"""The notebooks run from top to bottom, and are kept without outputs."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.paths import ROOT

FOLDER = ROOT / "notebooks"
NOTEBOOKS = [path.relative_to(FOLDER).as_posix() for path in sorted(FOLDER.rglob("*.ipynb"))]


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("CVDL_SMALL", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(FOLDER / name, as_version=4)
    folder = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=folder).execute()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_kept_without_outputs(name):
    notebook = nbformat.read(FOLDER / name, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_links_of_notebook_exist(name):
    notebook = nbformat.read(FOLDER / name, as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert [link for link in links if not (FOLDER / name).parent.joinpath(link).is_file()] == []


def test_each_notebook_has_solutions():
    parts = [[path.name for path in FOLDER.glob(some)] for some in ("*.ipynb", "solutions/*.ipynb")]
    assert len(parts[0]) == 4
    assert sorted(parts[0]) == sorted(parts[1])
