"""What every feature uses: errors, the actor, texts and times, retry, locks, and outgoing HTTP."""
