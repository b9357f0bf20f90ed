#!/usr/bin/env bash
# Score a mask on its task's validation set:
#
#     bash eval.sh models/sst2_0.10_mag          # the output folder of run.sh
#     bash eval.sh mask.safetensors              # a mask file: .safetensors, .smp or .npy
#     bash eval.sh sst2.task                     # a task checkpoint, or the folder of a shrunk model
#     bash eval.sh mnli_0.50_kd_mag              # a published mask, downloaded on first use
#
# Published: {mnli,qqp,squad}_{0.50,0.10,0.03}_kd_mag. What stands after goes to smp eval --help.
set -euo pipefail

MODEL=${MODEL:-}                        # backbone: folder, Hub name or minilm (default: the one that the mask names)
DATA_DIR=${DATA_DIR:-}                  # folder with GLUE's TSV or SQuAD's json files (default: the Hub)
MAX_LENGTH=${MAX_LENGTH:-}              # tokens per example (default 128; questions 384)
BASE_URL=${BASE_URL:-https://github.com/kongds/SMP/releases/download/SMP-S/} # where published masks are

[[ $# -gt 0 ]] || {
    echo "error: what is to be scored? An output folder of run.sh, a mask file, or a published mask's name" >&2
    exit 2
}

FLAGS=(--base_url "$BASE_URL")
[[ -z $MAX_LENGTH ]] || FLAGS+=(--max_seq_length "$MAX_LENGTH")
[[ -z $MODEL ]] || FLAGS+=(--backbone "$MODEL")
[[ -z $DATA_DIR ]] || FLAGS+=(--data_dir "$DATA_DIR")
source "$(dirname "$0")/emmental/launch/environment.sh" "$(dirname "$0")"
exec python -m emmental eval "$1" "${FLAGS[@]}" "${@:2}"
