"""What each pruning method changes in a task's recipe."""

from emmental.common.errors import InputError

# Movement Pruning's recipe for the methods that train weights: 5,400 steps of warm-up, here as a share of MNLI's.
WEIGHTS = {"--freeze_bert": "False", "--learning_rate": "3e-5", "--warmup_steps": "0.073"}
NO_PENALTY = {"--final_lambda": "0"}
METHODS = {  # METHOD: what it changes in a task's recipe (Sanh et al., NeurIPS 2020); smp is the recipe itself
    "smp": {},
    "movement": WEIGHTS | NO_PENALTY | {"--mask_scores_learning_rate": "1e-2"},
    "soft_movement": WEIGHTS | {
        "--pruning_method": "sigmoied_threshold", "--initial_threshold": "0", "--final_threshold": "0.1",
        "--mask_scores_learning_rate": "1e-2", "--final_lambda": "400",
    },
    "magnitude": WEIGHTS | NO_PENALTY | {"--pruning_method": "magnitude"},
    "l0": WEIGHTS | {
        "--pruning_method": "l0", "--regularization": "l0", "--initial_threshold": "1", "--final_threshold": "1",
        "--mask_init": "constant", "--mask_scale": "2.197", "--mask_scores_learning_rate": "1e-1",
        "--final_lambda": "125",
    },
    "finetune": {},  # FINETUNING above
}  # fmt: skip
BY_PENALTY = ("soft_movement", "l0")  # lambda decides how much remains, not the tag's density


def method_name(pruning_method: str, frozen: bool) -> str:
    """The METHOD of these flags. Over a frozen backbone there is SMP alone, whatever makes the mask."""
    names = {"topK": "movement", "sigmoied_threshold": "soft_movement"}
    return "smp" if frozen and pruning_method != "finetune" else names.get(pruning_method, pruning_method)


def allocation(soft: bool, everywhere: bool) -> str:
    """The allocation that --magnitude_topk_threshold and --global_topk ask for. Raises InputError for both."""
    if soft and everywhere:
        raise InputError(
            "--global_topk and --magnitude_topk_threshold (tag _mag) are two allocations: one ranking of all scores, "
            "or a budget shared among the layers; give one of them"
        )
    return "soft" if soft else "global" if everywhere else "local"


def allocation_title(name: str, p: float) -> str:
    """An allocation for a reader."""
    titles = {"soft": f"SMP-S (soft), p = {p:g}", "global": "SMP with one ranking (global)", "local": "SMP-L (local)"}
    return titles[name]
