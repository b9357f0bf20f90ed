#!/usr/bin/env bash
# Prune a pretrained encoder on a sentence task:
#
#     bash run.sh <task>_<density>[_roberta][_kd][_mag] [flags of masked_run_glue.py]
#
#     bash run.sh mnli_0.03_mag                      # MNLI at 3 %, SMP-S; SMP-L without _mag
#     DATA_DIR=glue SEED=1 bash run.sh sst2_0.10     # from GLUE's TSV files, another seed
#     bash run.sh reviews_0.10_mag                   # the demo, needs no Hub
#
# Tasks: mnli qnli qqp sst2 mrpc cola stsb rte reviews. Density: the share of encoder weights that remain, in (0, 1].
# The same command resumes a run that was stopped. What stands after the tag goes to masked_run_glue.py --help.
set -euo pipefail

MODEL=${MODEL:-}                        # backbone: folder, Hub name or minilm (default bert-base-uncased; reviews: minilm)
TEACHER=${TEACHER:-}                    # teacher of _kd runs: folder or Hub name
DATA_DIR=${DATA_DIR:-}                  # folder with GLUE's TSV files (default: the Hub)
OUTPUT_DIR=${OUTPUT_DIR:-}              # where results go (default models/<tag>)
EPOCHS=${EPOCHS:-}                      # passes over the training data (default: the task's recipe)
BATCH_SIZE=${BATCH_SIZE:-}              # examples per step and process (default: the task's recipe)
MAX_LENGTH=${MAX_LENGTH:-128}           # tokens per example
LR=${LR:-}                              # learning rate of the mask scores (default 2e-2; reviews 1e-2)
LAMBDA=${LAMBDA:-}                      # weight of the score regulariser at the end (default 400; reviews 0)
PRUNING_STEPS=${PRUNING_STEPS:-}        # steps that lower the density (default: the recipe's, scaled to short runs)
SEED=${SEED:-42}                        # random seed of order, dropout and score init
NPROC=${NPROC:-1}                       # processes on this machine; above 1 they start with torchrun
REPORT_TO=${REPORT_TO:-tensorboard}     # where curves are logged: tensorboard, none, …

fail() {
    echo "error: $1" >&2
    exit 2
}

TAG=${1:-}
GRAMMAR='<task>_<density>[_roberta][_kd][_mag], e.g. mnli_0.03_mag'
[[ $TAG =~ ^([a-z0-9]+)_([0-9]*\.?[0-9]+)(_roberta)?(_kd)?(_mag)?$ ]] || fail "'$TAG' is not a tag: $GRAMMAR"
shift
TASK=${BASH_REMATCH[1]} DENSITY=${BASH_REMATCH[2]}
ROBERTA=${BASH_REMATCH[3]} KD=${BASH_REMATCH[4]} MAG=${BASH_REMATCH[5]}
awk -v density="$DENSITY" 'BEGIN { exit !(density > 0 && density <= 1) }' ||
    fail "'$TAG': the density $DENSITY must lie above 0 and be at most 1, e.g. ${TASK}_0.10"

# The recipes: epochs and batch size of the published runs, and of the demo.
case $TASK in
    mnli | qqp | qnli | sst2) RECIPE=(12 64) ;;
    mrpc | cola | stsb) RECIPE=(60 32) ;;
    rte) RECIPE=(100 32) ;;
    reviews) RECIPE=(2 32) ;;
    *) fail "'$TAG': no task '$TASK'; there are mnli qnli qqp sst2 mrpc cola stsb rte reviews" ;;
esac
[[ -z $ROBERTA ]] || fail "'$TAG': RoBERTa's recipe is not available yet"
[[ -z $KD ]] || fail "'$TAG': training with distillation is not available yet"

FLAGS=(--task_name "$TASK" --final_threshold "$DENSITY" --output_dir "${OUTPUT_DIR:-models/$TAG}")
FLAGS+=(--num_train_epochs "${EPOCHS:-${RECIPE[0]}}" --per_device_train_batch_size "${BATCH_SIZE:-${RECIPE[1]}}")
FLAGS+=(--max_seq_length "$MAX_LENGTH" --seed "$SEED" --report_to "$REPORT_TO")
[[ -z $MAG ]] || FLAGS+=(--magnitude_topk_threshold)
if [[ $TASK == reviews ]]; then
    # A short run: scores start at the weights' magnitude, no regulariser.
    MODEL=${MODEL:-minilm} LR=${LR:-1e-2} LAMBDA=${LAMBDA:-0}
    FLAGS+=(--mask_init magnitude --mask_scale 0.5)
fi
[[ -z $MODEL ]] || FLAGS+=(--model_name_or_path "$MODEL")
[[ -z $DATA_DIR ]] || FLAGS+=(--data_dir "$DATA_DIR")
[[ -z $LR ]] || FLAGS+=(--mask_scores_learning_rate "$LR")
[[ -z $LAMBDA ]] || FLAGS+=(--final_lambda "$LAMBDA")
[[ -z $PRUNING_STEPS ]] || FLAGS+=(--warmup_threshold_step "$PRUNING_STEPS")

PYTHON=(python)
[[ $NPROC == 1 ]] || PYTHON=(python -m emmental.torchrun --nproc_per_node "$NPROC")
PYTHONPATH=$(dirname "$0")${PYTHONPATH:+:$PYTHONPATH} exec "${PYTHON[@]}" "$(dirname "$0")/masked_run_glue.py" "${FLAGS[@]}" "$@"
