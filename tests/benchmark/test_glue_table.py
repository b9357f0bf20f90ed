"""The table of several tasks' comparisons, of results as runs leave them."""

import json

from benchmarks.experiments import glue_table
from emmental.launch.compare_report import TRACE


def leave(folder, task, asked, seconds, **measured):
    run = {"task": task, "model": "minilm", "density": asked or 1.0, "seed": 42, "trained_parameters": 1}
    folder.mkdir(parents=True)
    about = run | {"global_step": 300, "seconds": seconds, "majority_eval_accuracy": 0.5} | dict.fromkeys(TRACE, "")
    (folder / "all_results.json").write_text(json.dumps(about | measured))


def test_a_row_per_method_and_density(tmp_path, monkeypatch, capsys):
    sst2, rte = tmp_path / "sst2", tmp_path / "rte"
    leave(sst2 / "finetune" / "seed_42", "sst2", None, 60.2, eval_accuracy=0.87)
    leave(sst2 / "smp-s+magnitude_init_0.1" / "seed_42", "sst2", 0.1, 90.0, eval_accuracy=0.8, last_eval_accuracy=0.79)
    leave(sst2 / "smp-s+magnitude_init_0.2" / "seed_42", "sst2", 0.2, 90.0, eval_accuracy=0.1)  # not asked for
    leave(rte / "finetune" / "seed_42", "rte", None, 30.0, eval_accuracy=0.6)
    monkeypatch.setattr("sys.argv", ["glue_table", str(tmp_path)])
    glue_table.main()
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["", "sst2 (accuracy)", "rte (accuracy)"]
    rows = {line[0]: line[1:] for line in lines[2:5]}
    assert rows["majority class"] == ["50.0", "50.0"]
    assert sorted(rows.values()) == [["50.0", "50.0"], ["79.0", "–"], ["87.0", "60.0"]]
    assert ["60 s", "30 s"] in [line[1:] for line in lines[5:]]
