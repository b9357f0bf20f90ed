"""Train a mask for a sentence task over a frozen pretrained encoder.

    python masked_run_glue.py --task_name sst2 --data_dir GLUE/SST-2 --final_threshold 0.1 --output_dir models/sst2
    python masked_run_glue.py --task_name sst2 --data_dir GLUE/SST-2 --output_dir models/sst2 --do_predict
    python masked_run_glue.py --help

run.sh calls this with the published recipes: bash run.sh sst2_0.10_mag
"""

from emmental.scripts.glue import main

if __name__ == "__main__":
    main()
