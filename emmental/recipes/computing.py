"""How a pruned model may be computed and stored, by name."""

RUNTIMES = ("dense", "sparse", "auto")  # see runtime.choose
DTYPES = ("fp32", "bf16")  # that it is computed in
STORED_DTYPES = ("fp32", "fp16", "bf16")  # that its weights may be stored in
