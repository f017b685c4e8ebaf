"""`carecall simulate`: months of a hospital's follow-ups in minutes, on the real service with an invented world.

The scheduler, the gate, the dialer, the flows, the signatures and the webhooks are the real ones; the carrier, the
phones, the patients, the doctors and the clock are ours. One process, no threads, no sleeping, no sound.
"""
