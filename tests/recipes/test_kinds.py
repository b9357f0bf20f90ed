"""Every task says of itself what kind it is."""

import pytest

from emmental.recipes.kinds import Kind
from emmental.recipes.table import RECIPES, SENTENCE_TASKS, kind_of
from emmental.tasks import glue, squad
from emmental.tasks.sentence_task import with_words


def test_kinds_of_the_recipes():
    others = {"stsb": Kind.VALUE, "squad": Kind.SPAN}
    assert {task: recipe.kind for task, recipe in RECIPES.items()} == dict.fromkeys(RECIPES, Kind.LABEL) | others
    assert kind_of("squad_v2") is Kind.SPAN
    assert {kind_of(task) for task in SENTENCE_TASKS} == {Kind.LABEL, Kind.VALUE}
    with pytest.raises(KeyError):
        kind_of("squadron")


def test_tasks_have_their_recipe_s_kind():
    assert {task.kind for task in squad.TASKS.values()} == {Kind.SPAN}
    assert {name: task.kind for name, task in glue.TASKS.items()} == {name: kind_of(name) for name in glue.TASKS}
    assert with_words(glue.TASKS["stsb"], {"score": "no"}).kind is Kind.VALUE
