"""The pruning methods: one frozen object each, with all that is to be said of it outside its own file.

What a method makes a mask of is in the file of emmental/pruning that ``selection`` names.
"""

import pkgutil
from dataclasses import dataclass, field

from emmental.common.errors import InputError


@dataclass(frozen=True)
class Line:
    """A method with one allocation, as compare.sh names and draws it."""

    name: str
    title: str
    colour: str
    allocation: str = "local"


@dataclass(frozen=True)
class Method:
    """What launchers, checks, plans and pictures know of a pruning method."""

    name: str  # METHOD of the launchers
    title: str  # the paper's name
    flag: str  # --pruning_method
    remains: str  # for a reader: which weights it keeps
    marker: str  # in pictures
    lines: tuple[Line, ...]  # of the allocations that compare.sh knows it with
    selection: str = ""  # "module:Class" in emmental.pruning that sets the masks; empty: nothing is pruned
    allocations: tuple[str, ...] = ("local",)  # how a budget may be given to the matrices
    flags: dict[str, str] = field(default_factory=dict)  # what it changes in a task's recipe
    trains_weights: bool = True  # encoder and head beside the mask
    learns_scores: bool = True
    lambda_decides: bool = False  # how much remains, and not the density asked for
    # What goes from --initial_threshold to --final_threshold. Lambda follows: it rises over the recipe's part of the
    # run beside a "falling density", with a "rising threshold", and stands still where there is neither ("").
    threshold: str = "falling density"
    regularization: str = "l1"
    not_frozen: str = ""  # why it makes no sense over a frozen backbone
    magnitude_init: dict[str, str] = field(default_factory=dict)  # flags where scores start at the weights' magnitude

    @property
    def prunes(self) -> bool:
        """Whether it makes a mask at all."""
        return bool(self.selection)

    def selection_class(self) -> type:
        """The class that sets the masks. Loads torch."""
        return pkgutil.resolve_name(f"emmental.pruning.{self.selection}")


# Movement Pruning's recipe for the methods that train weights (Sanh et al., NeurIPS 2020): 5,400 steps of warm-up, here
# as a share of MNLI's.
WEIGHTS = {"--freeze_bert": "False", "--learning_rate": "3e-5", "--warmup_steps": "0.073"}
NO_PENALTY = {"--final_lambda": "0"}
MAGNITUDE_INIT = {"--mask_init": "magnitude", "--mask_scale": "0.5"}

SMP = Method(
    name="smp",
    title="SMP",
    flag="topK",
    remains="the highest scores",
    marker="o",
    lines=(
        Line("smp-l", "SMP-L", "tab:orange"),
        Line("smp-s", "SMP-S", "tab:red", "soft"),
        Line("smp-g", "SMP, global", "tab:pink", "global"),
    ),
    selection="top_k:TopK",
    allocations=("local", "soft", "global"),
    trains_weights=False,
    # Nothing pulls on SMP's scores then, and they move half as fast: what short runs want.
    magnitude_init=MAGNITUDE_INIT | {"--mask_scores_learning_rate": "1e-2"} | NO_PENALTY,
)
MOVEMENT = Method(
    name="movement",
    title="MvP",
    flag="topK",
    remains="the highest scores",
    marker="^",
    lines=(Line("movement", "MvP", "tab:blue"), Line("movement-g", "MvP, global", "tab:cyan", "global")),
    selection="top_k:TopK",
    allocations=("local", "soft", "global"),
    flags=WEIGHTS | NO_PENALTY | {"--mask_scores_learning_rate": "1e-2"},
    magnitude_init=MAGNITUDE_INIT,
)
SOFT_MOVEMENT = Method(
    name="soft_movement",
    title="SMvP",
    flag="sigmoied_threshold",
    remains="scores whose sigmoid is above the threshold",
    marker="v",
    lines=(Line("soft_movement", "SMvP", "tab:purple"),),
    selection="soft_movement:SigmoidThreshold",
    flags=WEIGHTS
    | {
        "--pruning_method": "sigmoied_threshold",
        "--initial_threshold": "0",
        "--final_threshold": "0.1",
        "--mask_scores_learning_rate": "1e-2",
        "--final_lambda": "400",
    },
    lambda_decides=True,
    threshold="rising threshold",
    magnitude_init=MAGNITUDE_INIT,
)
MAGNITUDE = Method(
    name="magnitude",
    title="MaP",
    flag="magnitude",
    remains="the largest weights",
    marker="D",
    lines=(Line("magnitude", "MaP", "tab:green"),),
    selection="magnitude:Magnitude",
    flags=WEIGHTS | NO_PENALTY | {"--pruning_method": "magnitude"},
    learns_scores=False,
    not_frozen="nothing would be trained",
)
L0 = Method(
    name="l0",
    title="L0",
    flag="l0",
    remains="open gates",
    marker="X",
    lines=(Line("l0", "L0", "tab:brown"),),
    selection="l0:HardConcrete",
    flags=WEIGHTS
    | {
        "--pruning_method": "l0",
        "--regularization": "l0",
        "--initial_threshold": "1",
        "--final_threshold": "1",
        "--mask_init": "constant",
        "--mask_scale": "2.197",
        "--mask_scores_learning_rate": "1e-1",
        "--final_lambda": "125",
    },
    lambda_decides=True,
    threshold="",
    regularization="l0",
    not_frozen="its gates are no mask of ones and zeros",
    magnitude_init=MAGNITUDE_INIT,
)
FINETUNE = Method(
    name="finetune",
    title="fine-tuned",
    flag="finetune",
    remains="everything; all weights are trained (a dense model)",
    marker="",
    lines=(Line("finetune", "fine-tuned", "black"),),
    learns_scores=False,
)

METHODS = {method.name: method for method in (SMP, MOVEMENT, SOFT_MOVEMENT, MAGNITUDE, L0, FINETUNE)}
FLAGS = {method.flag: method.remains for method in METHODS.values()}  # of --pruning_method
LINES = {line.name: (method, line) for method in METHODS.values() for line in method.lines}


def method_of(flag: str, frozen: bool) -> Method:
    """The method of --pruning_method, with the weights frozen or trained: topK is SMP or movement pruning."""
    having = [method for method in METHODS.values() if method.flag == flag]
    return next((method for method in having if method.trains_weights is not frozen), having[0])


def allocation(soft: bool, everywhere: bool) -> str:
    """The allocation that --magnitude_topk_threshold and --global_topk ask for. Raises InputError for both."""
    if soft and everywhere:
        raise InputError(
            "--global_topk and --magnitude_topk_threshold (tag _mag) are two allocations: one ranking of all scores, "
            "or a budget shared among the layers; give one of them"
        )
    return "soft" if soft else "global" if everywhere else "local"
