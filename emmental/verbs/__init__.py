"""What the verbs of ``smp`` do, one file each: ``run`` takes the parsed arguments and prints. Each is loaded when it is
asked for, so that none waits for what another needs. Stands on all rooms but training; the others must not know it.
"""
