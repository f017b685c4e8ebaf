"""The sound as it is kept: taken over from the carrier, sealed, played with a reason, held, purged."""
