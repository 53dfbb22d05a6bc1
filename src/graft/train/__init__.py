"""Training: rows to a PEFT adapter with a receipt, in our own loop."""
