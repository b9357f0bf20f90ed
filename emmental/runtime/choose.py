"""How a folded model is computed on a CPU: dense as transformers does it, sparse, or each product as it is faster."""

import sys
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

from emmental.common.errors import InputError
from emmental.export.empty_rows import Affine
from emmental.models.forms import DenseForm, HalfForm
from emmental.pruning.matrices import encoder_linears
from emmental.recipes.computing import DTYPES, RUNTIMES
from emmental.runtime import calibration
from emmental.runtime.architectures import FILES, is_known
from emmental.runtime.multiply import KINDS
from emmental.runtime.products import named_products
from emmental.runtime.sparse import GROUP_TOKENS, SparseMaskedLM

WORTHWHILE = 0.9  # auto leaves the plain model alone where products would take more than this share of its time


def check(runtime: str, dtype: str = "fp32") -> None:
    """Raise InputError for a runtime or dtype that does not exist, or that does not go with the other."""
    for what, given, known in (("runtime", runtime, RUNTIMES), ("dtype", dtype, DTYPES)):
        if given not in known:
            raise InputError(f"no {what} {given!r}: choose one of {', '.join(known)}")
    if (runtime, dtype) == ("sparse", "bf16"):
        raise InputError("the sparse runtime computes in fp32: use the runtime dense or auto for bf16")


def prepared(dense: DenseForm, runtime: str, dtype: str = "fp32") -> nn.Module:
    """The form of a folded masked LM that computes it by this runtime; the same where that is dense.

    dtype: bf16 rounds what is dense, of ``auto`` where that is faster.
    Raises InputError as check does, and for ``sparse`` on an architecture that is not in architectures/, or on a model
    that reads from left to right (is_decoder). There ``auto`` is dense, and a message says so.
    """
    check(runtime, dtype)
    model = dense.model
    if runtime != "dense" and not is_known(model.config):
        computed = f"the sparse runtime computes {', '.join(FILES)} as encoders, not this {type(model).__name__}"
        if runtime == "sparse":
            raise InputError(f"{computed}: use the runtime dense or auto")
        print(f"{computed}: dense instead", file=sys.stderr)
        runtime = "dense"
    if runtime == "sparse":
        return SparseMaskedLM(model)
    if runtime == "auto":
        return _fastest(dense, dtype == "bf16")
    return HalfForm(model) if dtype == "bf16" else dense


class ByTokens(nn.Module):
    """The plain form of a masked LM, or one that computes each product in its own way and no padding: what is faster
    for the tokens that go through the encoder together.

    plain: None where that is never faster. mixed: the others by the calibration's numbers of tokens. shares: the time
    of their products, of the plain form's.
    """

    def __init__(self, plain: nn.Module | None, mixed: dict[int, nn.Module], shares: dict[int, float]):
        super().__init__()
        self.plain = plain
        self.tokens, self.mixed = list(mixed), nn.ModuleList(mixed.values())
        self.shares = shares

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, first_only: bool = False) -> torch.Tensor:
        """As the forms'."""
        return self.form(input_ids, attention_mask)(input_ids, attention_mask, token_type_ids, first_only)

    def form(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> nn.Module:
        """What computes these inputs."""
        real = input_ids.numel() if attention_mask is None else int(attention_mask.sum())
        tokens = nearest(min(real, GROUP_TOKENS))
        worthwhile = self.shares[tokens] * real / input_ids.numel() < WORTHWHILE
        return self.mixed[self.tokens.index(tokens)] if worthwhile else self.plain


def nearest(tokens: int) -> int:
    """The number of tokens of the calibration that is closest by its ratio."""
    return min(calibration.TOKENS, key=lambda known: max(known / tokens, tokens / known))


@dataclass(frozen=True)
class Choice:
    """What is fastest for some number of tokens. plain: the kind of product of the plain form; kinds: of each product
    (see products.named_products) of the mixed form; share: the time of its products, of the plain form's."""

    plain: str
    kinds: dict[str, str]
    share: float


def choices(model: PreTrainedModel, bf16: bool = False) -> dict[int, Choice]:
    """What auto chooses for a model, by the calibration's numbers of tokens. bf16: whether dense products may be."""
    dense = ("dense", "bf16") if bf16 else ("dense",)
    plain = [tuple(linear.weight.shape) for linear in encoder_linears(model).values()]
    kept = {name: (tuple(layer.weight.shape), share_kept(layer.weight)) for name, layer in named_products(model)}
    costs = calibration.costs({*plain, *(shape for shape, _ in kept.values())}, (*dense, "sparse"))
    chosen = {}
    for tokens in calibration.TOKENS:
        seconds = {}
        for name, (shape, density) in kept.items():
            seconds[name] = {kind: costs[shape][kind][tokens] for kind in dense}
            seconds[name]["sparse"] = costs[shape]["sparse"][tokens] * density / calibration.DENSITY
        whole = {kind: sum(costs[shape][kind][tokens] for shape in plain) for kind in dense}
        share = sum(min(own.values()) for own in seconds.values()) / min(whole.values())
        kinds = {name: min(own, key=own.get) for name, own in seconds.items()}
        chosen[tokens] = Choice(min(whole, key=whole.get), kinds, share)
    return chosen


def share_kept(weight: torch.Tensor) -> float:
    """The density of a matrix."""
    return weight.count_nonzero().item() / weight.numel()


def _fastest(dense: DenseForm, bf16: bool) -> ByTokens:
    chosen = choices(dense.model, bf16)
    products, forms = {}, {}  # what they share

    def mixed(kinds: dict[str, str]) -> nn.Module:
        def product(name: str, layer: Affine) -> nn.Module:
            if (name, kinds[name]) not in products:
                products[name, kinds[name]] = KINDS[kinds[name]](*layer)
            return products[name, kinds[name]]

        key = tuple(kinds.values())
        if key not in forms:
            forms[key] = SparseMaskedLM(dense.model, product)
        return forms[key]

    by_tokens = {tokens: mixed(choice.kinds) for tokens, choice in chosen.items()}
    shares = {tokens: choice.share for tokens, choice in chosen.items()}
    if max(shares.values()) < WORTHWHILE:
        return ByTokens(None, by_tokens, shares)  # and the dense matrices can go
    plain = HalfForm(dense.model) if chosen[max(chosen)].plain == "bf16" else dense
    return ByTokens(plain, by_tokens, shares)
