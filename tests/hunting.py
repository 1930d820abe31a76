"""The command line of the long hunts."""

import argparse


def parser_of(description, what):
    """It has a seed, and how many of `what`, or how many minutes, the hunt goes on for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(f"--{what}", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0)
    return parser
