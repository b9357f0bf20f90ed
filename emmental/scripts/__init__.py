"""What masked_run_glue.py and masked_run_squad.py do: flags, task, one call.
Stands on training and inference; the other rooms must not know it.
"""
