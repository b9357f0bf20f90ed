#!/usr/bin/env bash
# Dense fine-tuning, SMP-L, SMP-S and SMP-S with distillation on six tasks of GLUE, in short runs of a small backbone
# (docs/results.md):
#
#     DATA_DIR=glue bash benchmarks/experiments/glue_table.sh                  # about 2 hours on one core with bf16; resumes
#     DATA_DIR=glue bash benchmarks/experiments/glue_table.sh rte sst2         # these tasks only
#     python -m benchmarks.experiments.glue_table comparisons                  # the table of what is finished
#
# DATA_DIR holds GLUE's TSV files (MNLI: any part of them). The dense model of each task, made by run_teacher.sh, is the
# teacher, too. Runs are kept in comparisons/<task>.
set -euo pipefail
cd "$(dirname "$0")/../.."

export MODEL=minilm BATCH_SIZE=16 DATA_DIR REPORT_TO=none

[[ $# -gt 0 ]] || set -- sst2 rte mrpc cola stsb mnli
for task in "$@"; do
    steps=300
    [[ $task != cola ]] || steps=900 # after 300 the dense model still answers with one class: nothing to distil
    SHORT=(--max_steps $steps --eval_steps $steps --bf16 True --save_strategy no --disable_tqdm True)
    dense=comparisons/$task/finetune/seed_42
    [[ -e $dense/all_results.json ]] || OUTPUT_DIR=$dense LR=1e-4 bash run_teacher.sh "$task" "${SHORT[@]}"
    TEACHER=$dense bash compare.sh "$task" "0.5 0.1" smp-l+magnitude_init smp-s+magnitude_init \
        smp-s+kd+magnitude_init "${SHORT[@]}"
done
python -m benchmarks.experiments.glue_table comparisons
