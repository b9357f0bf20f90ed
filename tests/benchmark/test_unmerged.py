"""benchmarks.inference.unmerged: what it compares. How fast anything is, is no test."""

from benchmarks.inference import unmerged
from emmental import masks
from tests.helpers.tiny import random_mask


def test_each_rank_and_each_mask_has_a_row(tiny_bert, tmp_path, monkeypatch, capsys):
    files = [tmp_path / f"{density}.safetensors" for density in (0.1, 0.03)]
    for file in files:
        masks.save(random_mask(tiny_bert, density=float(file.stem)), file)
    monkeypatch.setattr(unmerged, "SECONDS", 0.0)
    monkeypatch.setattr(unmerged, "SETTINGS", ((1, 8), (2, 16)))
    monkeypatch.setattr(unmerged, "VOCABULARY", 30)
    unmerged.main(files)
    _, head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["texts", "x", "tokens", "1x8", "2x16", "weights"]
    names = ["dense fp32", "LoRA, rank 8, not merged", "LoRA, rank 16, not merged"]
    for row, name in zip(rows, [*names, "mask of 10 %, sparse", "mask of 3 %, sparse"], strict=True):
        assert row.startswith(name)
        assert row.count("±") == 2


def test_a_lora_that_is_not_merged_holds_two_more_matrices_for_each_query_and_value(tiny_bert):
    dense, lora = unmerged.classifier("", tiny_bert), unmerged.classifier("", tiny_bert, "lora8")
    layers, width, fp32 = 2, 16, 4
    assert lora.memory - dense.memory == fp32 * layers * 2 * 2 * 8 * width
