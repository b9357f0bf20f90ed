"""A set of sentences with persons, places and companies whose names alone do not tell what they are: Jordan, Paris and
Austin are all three, and what stands around them decides. For trying token classification without the Hub.

python -m benchmarks.experiments.named_entities names      # writes names/train.conll and names/validation.conll

Validation has names and sentences of its own beside those that training knows.
"""

import random
import sys
from pathlib import Path

from emmental.tasks.conll import write_conll

FIRST = "Mary John Linda Peter Susan Robert Karen Thomas Nancy Daniel Laura Kevin Emma Oliver Alice Henry".split()
LAST = "Smith Miller Brown Wilson Taylor Clark Lewis Walker Hall Young King Wright Hill Green Baker Adams".split()
CITIES = "London Berlin Madrid Chicago Boston Rome Vienna Toronto Dublin Oslo Prague Moscow Tokyo Delhi".split()
COMPANIES = "Siemens Toyota Boeing Intel Oracle Nokia Philips Bayer Shell Nestle Samsung Honda".split()
AMBIGUOUS = """
    Jordan Paris Austin Charlotte Madison Florence Sydney Washington Lincoln Georgia Houston Jackson Victoria Dallas
    Lancaster Ford Chester Wells Santiago Carolina Virginia Cleveland Hamilton Orlando Savannah Brooklyn
""".split()
SUFFIXES = "Group Industries Bank Airlines Systems Motors".split()
# {person}, {place}, {company}: a name of that type, tagged; all else is O.
KNOWN = """
    {person} was born in {place} and moved to {place} last year .
    The president of {company} , {person} , said that sales fell .
    She asked {person} about the weather in {place} .
    Shares of {company} rose by four percent on Monday .
    The river runs through {place} into the sea .
    {company} hired {person} as its new director .
    My sister {person} likes to read in the evening .
    The flight from {place} to {place} was late again .
    Workers at {company} went on strike in {place} .
    " I am tired , " {person} told the reporters .
    The mayor of {place} met {person} , who works for {company} .
    He flew to {place} with {person} and {person} .
    {company} and {company} signed a contract .
    The old streets of {place} are full of tourists .
    {person} smiled and closed the door .
    In {place} it rained all day .
    The engineers of {company} built a new plant near {place} .
    It was {person} who called , not {person} .
""".strip().splitlines()
NEW = """
    {person} laughed when she heard the news from {place} .
    Profits at {company} doubled , its chairman {person} said .
    They drove to {place} to visit {person} .
    The bridge in {place} was closed for repairs .
    {company} will sell its factory in {place} .
    Doctor {person} wrote a book about {place} .
    Nobody at {company} wanted to talk .
    Uncle {person} cooked dinner for {person} .
""".strip().splitlines()


def main() -> None:
    """Write both files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_conll(folder / "train.conll", sentences(4000, seed=0, validation=False))
    write_conll(folder / "validation.conll", sentences(1000, seed=1, validation=True))


def sentences(count: int, seed: int, validation: bool) -> list[tuple[list[str], list[str]]]:
    """So many sentences as words and tags."""
    draw = random.Random(seed)
    forms = [*KNOWN, *NEW] if validation else KNOWN
    return [sentence(draw, draw.choice(forms).split(), validation) for _ in range(count)]


def sentence(draw: random.Random, form: list[str], validation: bool) -> tuple[list[str], list[str]]:
    """A sentence of this form as words and tags."""
    words, tags = [], []
    for word in form:
        kind = word.strip("{}") if word.startswith("{") else None
        name = name_of(draw, kind, validation) if kind else [word]
        words += name
        tags += ["O"] if not kind else [f"{'I' if number else 'B'}-{TYPES[kind]}" for number in range(len(name))]
    return words, tags


TYPES = {"person": "PER", "place": "LOC", "company": "ORG"}


def name_of(draw: random.Random, kind: str, validation: bool) -> list[str]:
    """The words of a name of this kind: half of them could be of another kind, too."""
    own = {"person": FIRST, "place": CITIES, "company": COMPANIES}[kind]
    first = draw.choice(share(AMBIGUOUS if draw.random() < 0.5 else own, validation))
    if kind == "person" and draw.random() < 0.5:
        return [first, draw.choice(share(LAST, validation))]
    if kind == "company" and draw.random() < 0.3:
        return [first, draw.choice(SUFFIXES)]
    return [first]


def share(names: list[str], validation: bool) -> list[str]:
    """The names that training knows; validation has all."""
    return names if validation else names[: 2 * len(names) // 3]


if __name__ == "__main__":
    main()
