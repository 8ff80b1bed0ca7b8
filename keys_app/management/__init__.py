"""Management commands, thin: each calls a feature; those that run beside the portal do so again and again."""
