"""Train a mask that answers questions from a text (SQuAD) over a frozen pretrained encoder.

    python masked_run_squad.py --data_dir squad --final_threshold 0.1 --output_dir models/squad
    python masked_run_squad.py --help

run_squad.sh calls this with the published recipe: bash run_squad.sh squad_0.10_mag
"""

from emmental.scripts.squad import main

if __name__ == "__main__":
    main()
