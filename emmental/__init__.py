"""SMP: a task is a binary mask over a frozen pretrained encoder."""
