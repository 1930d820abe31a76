"""What knows the processor and the compiler, and nothing of an LSTM."""
