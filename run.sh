#!/usr/bin/env bash
# Prune a pretrained encoder on a sentence task:
#
#     bash run.sh <task>_<density>[_roberta][_kd|_lkd][_mag] [--dry_run] [flags of masked_run_glue.py]
#
#     bash run.sh mnli_0.03_mag                      # MNLI at 3 %, SMP-S; SMP-L without _mag
#     bash run.sh mnli_0.03_kd_mag --dry_run         # show the plan and the command, run nothing
#     bash run.sh mnli_0.10_lkd_mag                  # a short run that learns from a teacher's layers, made first
#     DATA_DIR=glue SEED=1 bash run.sh sst2_0.10     # from GLUE's TSV files, another seed
#     SEEDS="1 2 3" bash run.sh rte_0.50_mag         # one run per seed, then mean and standard deviation
#     bash run.sh reviews_0.10_mag                   # the demo, needs no Hub
#     bash run.sh custom_0.10 --train_file a.csv --validation_file b.csv --task_label mine    # data of your own
#
# Tasks: mnli qnli qqp sst2 mrpc cola stsb rte reviews custom. Density: the share of encoder weights that remain, in (0, 1].
# The same command resumes a run that was stopped. What stands after the tag goes to masked_run_glue.py --help.
# The recipes: python -m emmental.recipes
set -euo pipefail
set -o allexport # emmental/launch reads these

MODEL=${MODEL:-}                        # backbone: folder, Hub name or minilm (default bert-base-uncased; reviews: minilm)
METHOD=${METHOD:-smp}                   # smp, movement, soft_movement, magnitude, l0, finetune; joins the output folder's name
TEACHER=${TEACHER:-}                    # teacher of _kd runs: folder or Hub name (default teachers/<task>)
DATA_DIR=${DATA_DIR:-}                  # folder with GLUE's TSV files (default: the Hub)
OUTPUT_DIR=${OUTPUT_DIR:-}              # where results go (default models/<tag>)
EPOCHS=${EPOCHS:-}                      # passes over the training data (default: the task's recipe)
BATCH_SIZE=${BATCH_SIZE:-}              # examples per step and process (default: the task's recipe)
MAX_LENGTH=${MAX_LENGTH:-128}           # tokens per example
LR=${LR:-}                              # learning rate of the mask scores (default 2e-2; reviews 1e-2)
WEIGHT_LR=${WEIGHT_LR:-}                # learning rate of the weights, where METHOD trains them (default 3e-5)
LAMBDA=${LAMBDA:-}                      # weight of the score regulariser at the end (default 400; reviews 0)
PRUNING_STEPS=${PRUNING_STEPS:-}        # steps that lower the density, a share below 1 (default: the recipe's)
ALPHA_HIDDEN=${ALPHA_HIDDEN:-}          # weight of the distance to the teacher's layers (default 0; _lkd 30)
NORMS_LR=${NORMS_LR:-}                  # learning rate of norms and biases (default 0: frozen; _lkd 3e-3)
SEED=${SEED:-42}                        # random seed of order, dropout and score init
SEEDS=${SEEDS:-}                        # several seeds, e.g. "1 2 3": a run each, in models/<tag>/seed_<seed>
NPROC=${NPROC:-1}                       # processes on this machine; above 1 they start with torchrun
REPORT_TO=${REPORT_TO:-tensorboard}     # where curves are logged: tensorboard, none, …
DRY_RUN=${DRY_RUN:-0}                   # 1: show the plan and the command, run nothing

source "$(dirname "$0")/emmental/launch/environment.sh" "$(dirname "$0")"
exec python -m emmental.launch run.sh "$@"
