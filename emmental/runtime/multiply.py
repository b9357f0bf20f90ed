"""Products with activations [features, tokens]: dense ones by torch, sparse ones by our own kernel."""

import ctypes
import functools
import math

import torch
from torch import nn
from torch.nn import functional as F

from emmental.runtime.kernel import JOB, LANES, WIDTHS, compiled


class DenseProduct(nn.Module):
    """W x + b of a matrix W [rows, columns] and b [rows], fp32."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias[:, None], persistent=False)

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """x [columns, tokens], residual [rows, tokens] or none. Returns W x + b + residual."""
        sums = self.bias.expand(-1, x.shape[1]).clone() if residual is None else residual + self.bias
        return torch.addmm(sums, self.weight, x, out=sums)


class HalfProduct(DenseProduct):
    """The same with W and x rounded to bf16."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        super().__init__(weight.bfloat16(), bias)

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """As of DenseProduct."""
        sums = (self.weight @ x.bfloat16()).float().add_(self.bias)
        return sums if residual is None else sums.add_(residual)


class SparseProduct(nn.Module):
    """The same of what is not zero in W, fp32."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        super().__init__()
        rows, places = weight.nonzero(as_tuple=True)
        starts = F.pad(torch.bincount(rows, minlength=len(weight)).cumsum(0), (1, 0))
        self.columns = weight.shape[1]
        self.register_buffer("starts", starts.int(), persistent=False)
        self.register_buffer("places", places.int(), persistent=False)
        self.register_buffer("weights", weight[rows, places], persistent=False)
        self.register_buffer("bias", bias, persistent=False)
        self.bounds = {}

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """As of DenseProduct."""
        tokens = x.shape[1]
        if tokens < LANES:
            x, residual = (each if each is None else F.pad(each, (0, LANES - tokens)) for each in (x, residual))
        x, residual = (each if each is None or each.stride(1) == 1 else each.contiguous() for each in (x, residual))
        return self._product(x, residual)[:, :tokens]

    def _product(self, x: torch.Tensor, residual: torch.Tensor | None) -> torch.Tensor:
        """Of LANES tokens or more, those of a row beside each other."""
        tokens = x.shape[1]
        vectors = math.ceil(tokens / LANES)
        tiles = math.ceil(vectors / WIDTHS[-1])
        width = math.ceil(vectors / tiles)
        threads = torch.get_num_threads()
        parts = threads // math.gcd(tiles, threads)
        y = x.new_empty(len(self.bias), tokens)
        space = x.new_empty(threads * self.columns * width * LANES)
        job = {
            "taken": 0,
            "workers": 0,
            "pieces": tiles * parts,
            "parts": parts,
            "tokens": tokens,
            "columns": self.columns,
            "bounds": self.parted(parts).data_ptr(),
            "starts": self.starts.data_ptr(),
            "places": self.places.data_ptr(),
            "weights": self.weights.data_ptr(),
            "bias": self.bias.data_ptr(),
            "x": x.data_ptr(),
            "x_stride": x.stride(0),
            "residual": 0 if residual is None else residual.data_ptr(),
            "residual_stride": 0 if residual is None else residual.stride(0),
            "y": y.data_ptr(),
            "space": space.data_ptr(),
        }
        fields = (ctypes.c_int64 * len(JOB))(*(job[name] for name in JOB))
        on_threads(compiled(width), fields, threads)
        return y

    def parted(self, parts: int) -> torch.Tensor:
        """The rows that parts of about as many weights begin with, and the number of rows: int64 [parts + 1]."""
        if parts not in self.bounds:
            shares = [len(self.weights) * part // parts for part in range(1, parts)]
            inner = torch.searchsorted(self.starts, torch.tensor(shares, dtype=torch.int32)).tolist()
            self.bounds[parts] = torch.tensor([0, *inner, len(self.bias)])
        return self.bounds[parts]


KINDS = {"dense": DenseProduct, "bf16": HalfProduct, "sparse": SparseProduct}


def on_threads(function: int, job: ctypes.Array, threads: int) -> None:
    """Call a compiled function on this thread and on others of torch's, if it has such."""
    parallel = _parallel()
    if threads == 1 or parallel is None:
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(function)(ctypes.addressof(job))
    else:
        parallel(function, ctypes.addressof(job), threads, 0)


@functools.cache
def _parallel():
    """What begins a parallel region of the OpenMP that torch computes with; None where it has none, or another kind."""
    try:
        parallel = ctypes.CDLL(torch._C.__file__).GOMP_parallel
    except AttributeError:
        return None
    parallel.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint
    parallel.restype = None
    return parallel
