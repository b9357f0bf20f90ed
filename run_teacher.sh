#!/usr/bin/env bash
# Fine-tune a dense teacher for _kd runs, where they look for it:
#
#     bash run_teacher.sh <task>[_roberta] [--dry_run] [flags of masked_run_glue.py or masked_run_squad.py]
#
#     bash run_teacher.sh mnli                       # BERT-base on MNLI, into teachers/mnli
#     bash run_teacher.sh squad --dry_run            # show the plan and the command, run nothing
#
# Tasks: mnli qnli qqp sst2 mrpc cola stsb rte reviews squad, and custom with the flags of docs/guide/custom.md.
set -euo pipefail
set -o allexport # emmental/launch reads these

MODEL=${MODEL:-}                        # folder, Hub name or minilm (default bert-base-uncased; reviews: minilm)
DATA_DIR=${DATA_DIR:-}                  # folder with GLUE's TSV or SQuAD's official files (default: the Hub)
OUTPUT_DIR=${OUTPUT_DIR:-}              # where the teacher goes (default teachers/<task>)
EPOCHS=${EPOCHS:-}                      # passes over the training data (default 3)
BATCH_SIZE=${BATCH_SIZE:-}              # examples per step and process (default 32)
MAX_LENGTH=${MAX_LENGTH:-}              # tokens per example (default 128; squad: 384)
DOC_STRIDE=${DOC_STRIDE:-}              # tokens that neighbouring windows share (squad; default 128)
LR=${LR:-}                              # learning rate of the weights (default 3e-5)
SEED=${SEED:-42}                        # random seed of order and dropout
NPROC=${NPROC:-1}                       # processes on this machine; above 1 they start with torchrun
REPORT_TO=${REPORT_TO:-tensorboard}     # where curves are logged: tensorboard, none, …
DRY_RUN=${DRY_RUN:-0}                   # 1: show the plan and the command, run nothing
SEEDS=                                  # a teacher is one run

source "$(dirname "$0")/emmental/launch/environment.sh" "$(dirname "$0")"
exec python -m emmental.launch run_teacher.sh "$@"
