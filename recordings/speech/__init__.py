"""From sound to words: engines, the processes they live in, their models."""
