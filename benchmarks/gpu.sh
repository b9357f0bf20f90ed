#!/usr/bin/env bash
# What training and inference take on a GPU: see benchmarks/gpu/__main__.py.
#
#     bash benchmarks/gpu.sh                              # everything: gpu.json and gpu.md; no network
#     bash benchmarks/gpu.sh --only tests,steps           # some of it
#     bash benchmarks/gpu.sh --device cpu --quick         # tiny shapes: only to see that it runs
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
source "$root/emmental/launch/environment.sh" "$root"
export HF_HUB_OFFLINE=1
exec python -m benchmarks.gpu "$@"
