"""The README and the pages on the project: commands and Python are tried page by page in the order they stand, on a
tiny backbone; links and pictures exist; the README stays a door. The guide's pages have a file of their own.
"""

import re
import subprocess

import pytest

from emmental.recipes import table
from tests.helpers.pages import GUIDE, PAGES, commands, run_page
from tests.helpers.tiny import ROOT


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GUIDE and commands(page)])
def test_commands_run(page, workplace, tiny_bert):
    run_page(page, workplace, tiny_bert)


def test_the_guide_has_commands():
    assert len(GUIDE) >= 8
    for page in GUIDE:
        assert commands(page), page


def test_make_knows_the_readme_s_targets():
    for command in ("make demo", "make test"):
        assert command in commands("README.md")
        assert subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True).returncode == 0


def test_recipes_are_as_the_code_has_them():
    assert table.overview() in (ROOT / "docs" / "guide" / "glue.md").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\(([^)#:]+)\)|^\[[^]]+\]: ([^#:\s]+)$", text, re.MULTILINE)
    for link in filter(None, (part for pair in links for part in pair)):
        assert ((ROOT / page).parent / link).exists(), link


def test_the_readme_is_a_door():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 200
    assert len(text.split()) <= 1450
    assert max(map(len, text.splitlines())) <= 120


def test_every_room_is_drawn():
    """docs/design.md has a line for every folder of the package, and each of them says what it is for."""
    drawn = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE))
    for folder in (ROOT / "emmental").iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert folder.name in drawn
            docstring = (folder / "__init__.py").read_text().split('"""')[1]
            assert "must not" in docstring.lower() or "Knows nothing" in docstring, folder


def test_every_conclusion_points_to_a_row():
    """Each sentence of a list names rows by their first cells, each in the section of the results that it links to."""
    sections = by_anchor((ROOT / "docs" / "results.md").read_text())
    page = (ROOT / "docs" / "conclusions.md").read_text()
    anchors = dict(re.findall(r"^\[(.+)\]: results\.md#(.+)$", page, re.MULTILINE))
    sentences = [" ".join(found.split()) for found in re.findall(r"^\* .*(?:\n  .*)*", page, re.MULTILINE)]
    assert len(sentences) > 10
    for sentence in sentences:
        assert ". " not in sentence, f"more than one sentence: {sentence}"
        rows = re.findall(r"\[([^]]+)\]\[(\w+)\]", sentence)
        assert rows, sentence
        for row, section in rows:
            assert f"\n| {row} |" in sections[anchors[section]], f"no row {row} in {section}"


def by_anchor(page: str) -> dict[str, str]:
    """The text below each heading, up to the next heading, by the name that links give it."""
    parts = re.split(r"^#+ (.+)$", page, flags=re.MULTILINE)[1:]
    names = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in parts[::2]]
    return dict(zip(names, parts[1::2], strict=True))
