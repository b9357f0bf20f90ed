"""What run.sh, run_squad.sh and run_teacher.sh call.

python -m emmental.launch run.sh mnli_0.03_mag --dry_run
"""

import sys

from emmental.launch.jobs import main

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
