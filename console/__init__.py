"""What staff see: pages and a JSON API."""
