"""benchmarks.inference.many_tasks: what it compares. How fast anything is, is no test."""

import numpy as np
import pytest
from torch import nn

from benchmarks.inference import many_tasks
from emmental import masks
from emmental.benchmark.contenders import weights_in_memory
from tests.helpers.tiny import random_mask


@pytest.fixture
def mask_files(tiny_bert, tmp_path):
    files = [tmp_path / f"{number}.smp" for number in range(3)]
    for number, file in enumerate(files):
        masks.save(random_mask(tiny_bert, seed=number), file)
    return files


def test_sparse_models_share_the_embeddings_and_nothing_else(mask_files):
    models = [answering.model for answering in many_tasks.sparse(mask_files).values()]
    embeddings = models[0].form.embeddings.word_embeddings.weight
    together = weights_in_memory(nn.ModuleList(models))
    apart = sum(weights_in_memory(model) for model in models)
    assert apart - together == 2 * embeddings.untyped_storage().nbytes()


def test_each_way_answers_each_request_by_its_own_task(mask_files):
    requests = [("1", "a good film"), ("0", "a good film"), ("1", "bad"), ("2", "a good film"), ("0", "bad")]
    right = many_tasks.one_by_one(many_tasks.folded(mask_files), requests)
    assert len(np.unique(right.round(4), axis=0)) == 5
    for way in (many_tasks.folded, many_tasks.sparse, many_tasks.switched):
        for send in (many_tasks.one_by_one, many_tasks.in_batches):
            np.testing.assert_allclose(send(way(mask_files), requests), right, atol=1e-5)


def test_the_table_has_one_task_and_all(mask_files, monkeypatch, capsys):
    monkeypatch.setattr(many_tasks, "SECONDS", 0.0)
    monkeypatch.setattr(many_tasks, "REQUESTS", 4)
    many_tasks.main(mask_files)
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == [[count, way] for count in ("1", "3") for way in ("folded", "sparse", "switched")]
