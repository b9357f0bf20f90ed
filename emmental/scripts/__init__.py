"""What masked_run_glue.py and masked_run_squad.py do: flags, task, one call.
Stands on training and inference; the other rooms must not know it.
"""

from emmental.common.endings import end_at_once, end_with_launcher

end_with_launcher()  # before anything slow is loaded
end_at_once()
