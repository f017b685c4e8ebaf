"""What of the words a listener may see."""
