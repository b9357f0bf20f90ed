"""What every room needs: errors and exit statuses, whole files, downloads, text for a reader, threads and memory.
Knows nothing of pruning, masks, models or tasks.
"""
