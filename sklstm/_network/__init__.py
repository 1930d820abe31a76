"""What a net is: its weights, its layers, its threads. It knows no training."""
