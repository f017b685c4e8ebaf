"""What can be told from the sound alone, and what is done to it before a person hears it."""
