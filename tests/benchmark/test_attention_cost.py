"""benchmarks.training.attention: what it compares. How fast anything is, is no test."""

from benchmarks.training import attention


def test_each_length_has_a_ratio_with_dropout_and_without(monkeypatch, capsys):
    small = {"vocab_size": 30000, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    monkeypatch.setattr(attention, "SHAPES", {"MiniLM": small | {"intermediate_size": 32}, "BERT-base": {}})
    monkeypatch.setattr(attention, "TOKENS", 64)
    monkeypatch.setattr(attention, "LENGTHS", (8, 32))
    monkeypatch.setattr(attention, "ROUNDS", 2)
    monkeypatch.setattr("sys.argv", ["attention", "--quick"])
    attention.main()
    _, head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["tokens", "of", "a", "text", "8", "32"]
    assert [row.partition("  ")[0] for row in rows] == ["MiniLM, dropout 0.1", "MiniLM, dropout 0"]
    assert all(row.count("(") == 2 for row in rows)


def test_each_step_computes_attention_in_its_own_way(monkeypatch):
    monkeypatch.setattr(
        attention, "SHAPES", {"small": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}}
    )
    for way in attention.WAYS:
        step, used = attention.step("small", 0.1, way), []
        step.encoder.register_forward_pre_hook(
            lambda encoder, *_, used=used: used.append(encoder.config._attn_implementation)
        )
        attention.ratio({"eager": step, "sdpa": step}, 16)
        assert set(used) == {way}
