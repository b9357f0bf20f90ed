#!/usr/bin/env bash
# Prune a pretrained encoder on SQuAD:
#
#     bash run_squad.sh squad_<density>[_roberta][_kd|_lkd][_mag] [--dry_run] [flags of masked_run_squad.py]
#
#     bash run_squad.sh squad_0.10_mag               # SQuAD v1.1 at 10 %, SMP-S; SMP-L without _mag
#     bash run_squad.sh squad_0.03_kd_mag --dry_run  # show the plan and the command, run nothing
#     DATA_DIR=squad bash run_squad.sh squad_0.50 --version_2_with_negative
#
# Density: the share of encoder weights that remain, in (0, 1]. The same command resumes a run that was stopped. What
# stands after the tag goes to masked_run_squad.py --help. The recipes: python -m emmental.recipes
set -euo pipefail
set -o allexport # emmental/launch reads these

MODEL=${MODEL:-}                        # backbone: folder, Hub name or minilm (default bert-base-uncased)
METHOD=${METHOD:-smp}                   # smp, movement, soft_movement, magnitude, l0, finetune; joins the output folder's name
TEACHER=${TEACHER:-}                    # teacher of _kd runs: folder or Hub name (default teachers/squad)
DATA_DIR=${DATA_DIR:-}                  # folder with train-v1.1.json and dev-v1.1.json, or v2.0 (default: the Hub)
OUTPUT_DIR=${OUTPUT_DIR:-}              # where results go (default models/<tag>)
EPOCHS=${EPOCHS:-}                      # passes over the training data (default 10; 20 at 3 % and below)
BATCH_SIZE=${BATCH_SIZE:-}              # windows per step and process (default 32)
MAX_LENGTH=${MAX_LENGTH:-384}           # tokens per window
DOC_STRIDE=${DOC_STRIDE:-128}           # tokens that neighbouring windows share
LR=${LR:-}                              # learning rate of the mask scores (default 2e-2)
WEIGHT_LR=${WEIGHT_LR:-}                # learning rate of the weights, where METHOD trains them (default 3e-5)
LAMBDA=${LAMBDA:-}                      # weight of the score regulariser at the end (default 400)
PRUNING_STEPS=${PRUNING_STEPS:-}        # steps that lower the density, a share below 1 (default: the recipe's)
ALPHA_HIDDEN=${ALPHA_HIDDEN:-}          # weight of the distance to the teacher's layers (default 0; _lkd 30)
NORMS_LR=${NORMS_LR:-}                  # learning rate of norms and biases (default 0: frozen; _lkd 3e-3)
SEED=${SEED:-42}                        # random seed of order, dropout and score init
SEEDS=${SEEDS:-}                        # several seeds, e.g. "1 2 3": a run each, in models/<tag>/seed_<seed>
NPROC=${NPROC:-1}                       # processes on this machine; above 1 they start with torchrun
REPORT_TO=${REPORT_TO:-tensorboard}     # where curves are logged: tensorboard, none, …
DRY_RUN=${DRY_RUN:-0}                   # 1: show the plan and the command, run nothing

source "$(dirname "$0")/emmental/launch/environment.sh" "$(dirname "$0")"
exec python -m emmental.launch run_squad.sh "$@"
