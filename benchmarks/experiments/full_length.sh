#!/usr/bin/env bash
# The published recipes at full length, unchanged but for the backbone, on whole tasks of GLUE: all methods at 10 and 3 %,
# beside dense fine-tuning.
#
#     DATA_DIR=glue bash benchmarks/experiments/full_length.sh mrpc           # 60 epochs, 6,900 steps a run; resumes
#     DATA_DIR=glue bash benchmarks/experiments/full_length.sh stsb cola sst2
#     SEEDS="1 2" DATA_DIR=glue OMP_NUM_THREADS=1 bash benchmarks/experiments/full_length.sh rte
#
# Init, learning rates, schedule, epochs and batch are those of `python -m emmental.recipes`. Two things have to differ: on
# MiniLM, with a sixth of BERT-base's weights, lambda is 50 (and 400, the published one, in a comparison of its own), and
# soft movement's density is lambda's doing, so that it has a run for each of three. Tables, pictures and pages:
# comparisons/full_length/<task> and <task>_lambda_400. Two tasks side by side, each with OMP_NUM_THREADS=1, use two cores
# better than one with two threads.
set -euo pipefail
cd "$(dirname "$0")/../.."

export MODEL=${MODEL:-minilm} SEEDS=${SEEDS:-1 2} DATA_DIR REPORT_TO=none
export SOFT_MOVEMENT_LAMBDAS=${SOFT_MOVEMENT_LAMBDAS:-40 120 400}
FLAGS=(--bf16 True --disable_tqdm True --save_strategy steps --save_steps 1000 --save_total_limit 1)

[[ $# -gt 0 ]] || set -- mrpc stsb cola sst2
for task in "$@"; do
    output=comparisons/full_length/$task
    OUTPUT_DIR=$output SMP_FLAGS="--final_lambda 50" \
        bash compare.sh "$task" "0.1 0.03" finetune smp-s smp-l movement magnitude soft_movement "${FLAGS[@]}"
    TEACHER=$output/finetune/seed_${SEEDS%% *} OUTPUT_DIR=$output SMP_FLAGS="--final_lambda 50" \
        bash compare.sh "$task" "0.1 0.03" smp-s+kd "${FLAGS[@]}"
    OUTPUT_DIR=${output}_lambda_400 bash compare.sh "$task" "0.1 0.03" smp-s "${FLAGS[@]}"
done
