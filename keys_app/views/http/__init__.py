"""What all pages share: who asks, refusals, lists, error pages."""
