"""What all pages share: who asks, refusals, paging, error pages."""
