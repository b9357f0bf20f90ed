"""How a folded model is computed on a CPU: dense as transformers does it, sparse, or each product as it is faster."""

import sys
from collections.abc import Callable

import torch
from torch import nn
from transformers import PreTrainedModel

from emmental.common.errors import InputError
from emmental.models.forms import DenseForm
from emmental.pruning.matrices import encoder_linears
from emmental.runtime import calibration
from emmental.runtime.architectures import FILES, is_known
from emmental.runtime.products import named_products
from emmental.runtime.sparse import GROUP_TOKENS, SparseMaskedLM, csr

RUNTIMES = ("dense", "sparse", "auto")
WORTHWHILE = 0.9  # auto leaves the plain model alone where products would take more than this share of its time


def check(runtime: str) -> None:
    """Raise InputError for a runtime that does not exist."""
    if runtime not in RUNTIMES:
        raise InputError(f"no runtime {runtime!r}: choose one of {', '.join(RUNTIMES)}")


def prepared(dense: DenseForm, runtime: str) -> nn.Module:
    """The form of a folded masked LM that computes it by this runtime; the same where that is dense.

    Raises InputError for an unknown runtime, and for ``sparse`` on an architecture that is not in architectures/, or on
    a model that reads from left to right (is_decoder). There ``auto`` is dense, as both are without MKL, and a message
    says so.
    """
    check(runtime)
    model = dense.model
    if runtime == "dense":
        return dense
    if not is_known(model.config):
        computed = f"the sparse runtime computes {', '.join(FILES)} as encoders, not this {type(model).__name__}"
        if runtime == "sparse":
            raise InputError(f"{computed}: use the runtime dense or auto")
        print(f"{computed}: dense instead", file=sys.stderr)
        return dense
    if not torch.backends.mkl.is_available():
        print(f"this torch has no MKL, whose sparse products {runtime!r} needs: dense instead", file=sys.stderr)
        return dense
    return SparseMaskedLM(model) if runtime == "sparse" else _fastest(dense)


class ByTokens(nn.Module):
    """One of several forms of a masked LM, by the number of tokens that go through the encoder together."""

    def __init__(self, forms: dict[int, nn.Module]):
        super().__init__()
        self.tokens = list(forms)
        self.forms = nn.ModuleList(forms.values())

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, first_only: bool = False) -> torch.Tensor:
        """As the forms'."""
        tokens = input_ids.numel() if attention_mask is None else int(attention_mask.sum())
        form = self.forms[self.tokens.index(nearest(min(tokens, GROUP_TOKENS)))]
        return form(input_ids, attention_mask, token_type_ids, first_only)


def nearest(tokens: int) -> int:
    """The number of tokens of the calibration that is closest by its ratio."""
    return min(calibration.TOKENS, key=lambda known: max(known / tokens, tokens / known))


def sparse_products(model: PreTrainedModel) -> dict[int, set[str]]:
    """The products (see products.named_products) that auto computes sparse, by the calibration's numbers of tokens;
    none: the plain model."""
    plain = [tuple(linear.weight.shape) for linear in encoder_linears(model).values()]
    kept = {name: (tuple(layer.weight.shape), share_kept(layer.weight)) for name, layer in named_products(model)}
    costs = calibration.costs({*plain, *(shape for shape, _ in kept.values())})
    chosen = {}
    for tokens in calibration.TOKENS:
        sparse = {name: costs[shape][tokens].sparse(density) for name, (shape, density) in kept.items()}
        dense = {name: costs[shape][tokens].dense for name, (shape, _) in kept.items()}
        seconds = sum(min(dense[name], sparse[name]) for name in kept)
        worthwhile = seconds < WORTHWHILE * sum(costs[shape][tokens].dense for shape in plain)
        chosen[tokens] = {name for name in kept if sparse[name] < dense[name]} if worthwhile else set()
    return chosen


def share_kept(weight: torch.Tensor) -> float:
    """The density of a matrix."""
    return weight.count_nonzero().item() / weight.numel()


def _fastest(dense: DenseForm) -> ByTokens:
    matrices = {}  # which the forms share

    def weights(sparse: frozenset[str]) -> Callable[[str, torch.Tensor], torch.Tensor]:
        def weight(name: str, plain: torch.Tensor) -> torch.Tensor:
            if name not in sparse:
                return plain
            if name not in matrices:
                matrices[name] = csr(plain)
            return matrices[name]

        return weight

    forms = {frozenset(): dense}
    chosen = {tokens: frozenset(names) for tokens, names in sparse_products(dense.model).items()}
    for sparse in chosen.values():
        if sparse not in forms:
            forms[sparse] = SparseMaskedLM(dense.model, weights(sparse))
    return ByTokens({tokens: forms[sparse] for tokens, sparse in chosen.items()})
