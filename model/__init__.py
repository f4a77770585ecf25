"""The networks, their losses, training and evaluation."""
