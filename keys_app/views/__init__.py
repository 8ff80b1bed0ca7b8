"""The portal's pages, thin: who asks, what they may see, what they press. `http` is what all of them share."""
