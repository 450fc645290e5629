"""What `trainer.py` is made of: the loss, the evaluation, what it measures and what it refuses."""
